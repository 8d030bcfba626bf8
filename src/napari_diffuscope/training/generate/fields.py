"""Fields of view by class: what a generator learns from, and what is kept out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.formats import is_named_like_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.listing import image_files, is_folder
from napari_diffuscope.training.kept_out import split
from napari_diffuscope.training.pair_files import TRAINING_NAMES, VALIDATION_NAMES, sub_folder
from napari_diffuscope.training.reading import reading_notes

SIMULATED = "simulated"
"""A class whose name holds this word is of drawn images; cards count real ones apart."""

POWER = 2.0
"""Networks work on roots of the values: the dim is then learned as well as the bright."""


HIGHEST_RELATIVE = 2.0
"""Relative values are cut off at this many times the bright structures."""


def relative(pixels: np.ndarray) -> np.ndarray:
    """Pixels over the 95th percentile of what is brighter than a tenth of the brightest, cut off at twice that.

    Parameters
    ----------
    pixels
        ``(Y, X)``, background near 0, not empty.
    """
    top = float(np.percentile(pixels, 99.99))
    bright = float(np.percentile(pixels[pixels > 0.1 * top], 95))
    return np.clip(pixels / bright, 0, HIGHEST_RELATIVE).astype(np.float32)


@dataclass(frozen=True)
class Field:
    """A whole image of a class.

    Parameters
    ----------
    label
        Number of its class.
    name
        Of its file.
    pixels
        float32 ``(Y, X)``, 0 or more, in the units of its file.
    """

    label: int
    name: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Fields:
    """All fields of a folder.

    Parameters
    ----------
    classes
        Names of the classes by number; empty where the folder has none.
    training, kept
        What is learned from, and what is kept out.
    notes
        What must be said of how the files were read.
    """

    classes: tuple[str, ...]
    training: tuple[Field, ...]
    kept: tuple[Field, ...]
    notes: tuple[str, ...] = ()

    @property
    def highest(self) -> float:
        """Brightest pixel of what is learned from."""
        return max(float(field.pixels.max()) for field in self.training)


def read_fields(folder: Path, *, share: float, seed: int, smallest: int) -> Fields:
    """Images of a folder, split by whole fields.

    Parameters
    ----------
    folder
        Holds image files, or a folder of them for each class; or ``train`` and ``validate`` with these.
    share
        Share of the fields of each class that is kept out where there is no ``validate``.
    seed
        Of the choice.
    smallest
        Pixels that a field needs along each axis.

    Raises
    ------
    DiffuscopeError
        For folders without images, fields that are too small or have values below 0, or nothing to keep out.
    """
    train = sub_folder(folder, TRAINING_NAMES)
    validate = None if train is None else sub_folder(folder, VALIDATION_NAMES)
    classes = class_names(folder)
    training = _files(train or folder, classes)
    if validate is not None:
        kept = _files(validate, classes)
    else:
        training, kept = _split(training, share=share, seed=seed)
    read = [[_field(label, path, smallest) for label, path in files] for files in (training, kept)]
    learned, checked = (tuple(field for field, _ in part) for part in read)
    return Fields(classes, learned, checked, _notes([image for part in read for _, image in part]))


def _notes(images: Sequence[Image]) -> tuple[str, ...]:
    """What must be said of images of which one plane is learned from, in grey."""
    stacks = [image for image in images if image.plane_count > 1]
    if not stacks:
        return reading_notes(images)
    several = (
        f"{len(stacks)} of {len(images)} images have several planes or channels, {quoted(stacks[0].name)} first: the "
        "first plane of each is learned from, and no other."
    )
    return (several, *reading_notes(images))


def class_folders(folder: Path) -> list[Path]:
    """The folders of the images to train on: one for each class, or that which holds them all."""
    place = sub_folder(folder, TRAINING_NAMES) or folder
    return [place / name for name in class_names(folder)] or [place]


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the classes of a folder of images; none where images lie in it.

    Raises
    ------
    DiffuscopeError
        If there is no such folder.
    """
    return _classes(sub_folder(folder, TRAINING_NAMES) or folder)


def _classes(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, unless images lie in it."""
    if not folder.is_dir():
        raise DiffuscopeError(f"The folder {folder} cannot be read: there is none.")
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if any(is_named_like_image(path) and not is_folder(path) for path in inside):
        return ()
    return tuple(path.name for path in inside if path.is_dir())


def _files(folder: Path, classes: Sequence[str]) -> list[tuple[int, Path]]:
    """Files with the numbers of their classes."""
    if not classes:
        return [(0, path) for path in image_files(folder)]
    return [
        (label, path)
        for label, name in enumerate(classes)
        if (folder / name).is_dir()
        for path in image_files(folder / name)
    ]


def _split(
    files: list[tuple[int, Path]], *, share: float, seed: int
) -> tuple[list[tuple[int, Path]], list[tuple[int, Path]]]:
    training: list[tuple[int, Path]] = []
    kept: list[tuple[int, Path]] = []
    for label in sorted({label for label, _ in files}):
        one = [entry for entry in files if entry[0] == label]
        if len(one) < 2:
            raise DiffuscopeError(
                f"{one[0][1].parent} holds one image alone; a generator needs two of each class, for one is kept out "
                "to measure against."
            )
        rest, out = split(one, share=share, seed=seed)
        training, kept = training + rest, kept + out
    return training, kept


def _field(label: int, path: Path, smallest: int) -> tuple[Field, Image]:
    """A field, and the image that it is the first plane of."""
    image = open_image(path)
    pixels = np.asarray(image.read_plane(0), np.float32)
    if min(pixels.shape) < smallest:
        raise DiffuscopeError(
            f"{path} is {pixels.shape[0]} x {pixels.shape[1]} pixels; {smallest} are the least."
        )
    if pixels.min() < 0:
        raise DiffuscopeError(
            f"{path} has values below 0; subtract its offset, a generator learns from light alone."
        )
    if not pixels.max() > pixels.min():
        raise DiffuscopeError(f"{path} has the same value everywhere; take it out.")
    return Field(label, path.stem, pixels), image
