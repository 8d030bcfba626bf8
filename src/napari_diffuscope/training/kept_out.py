"""What is kept from the training to validate on: whole files, for patches of one image are too much alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.listing import image_files, is_folder
from napari_diffuscope.training.pair_noise import clean_notes
from napari_diffuscope.training.reading import reading_notes
from napari_diffuscope.training.recipe import ImageSource

T = TypeVar("T")


def expand(sources: Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """Sources with each folder replaced by the files in it."""
    return tuple(
        replace(source, path=str(path))
        for source in sources
        for path in (image_files(Path(source.path)) if is_folder(Path(source.path)) else [Path(source.path)])
    )


def keep_out(
    sources: tuple[ImageSource, ...], *, share: float, seed: int
) -> tuple[tuple[ImageSource, ...], tuple[ImageSource, ...]]:
    """Sources to train on and to validate on: those that say so, or else a share of the files."""
    named = tuple(source for source in sources if source.validation)
    if named or not share:
        return tuple(source for source in sources if not source.validation), named
    if len(sources) < 2:
        raise DiffuscopeError(
            "Files cannot be split for validation where there is only one; add images or leave out validation_share."
        )
    training, kept = split(sources, share=share, seed=seed)
    return tuple(training), tuple(kept)


def named(source: ImageSource) -> str:
    """What the card calls a source."""
    name = Path(source.path).name
    parts = [] if source.planes is None else [f"planes {source.planes[0]} to {source.planes[1] - 1}"]
    if source.cut != "xy":
        parts.append(f"cut along {source.cut}")
    return ", ".join([name, *parts])


def _same_file_note(training: Sequence[ImageSource], kept: Sequence[ImageSource]) -> str | None:
    """What to say where other planes of a file are kept out than those that are learned from."""
    both = sorted({source.path for source in training} & {source.path for source in kept})
    if not both:
        return None
    return (
        f"Other planes of {Path(both[0]).name} are measured on than those that are learned from, which is less strict "
        "than another file."
    )


def source_notes(
    learned: Sequence[tuple[ImageSource, list[np.ndarray]]],
    kept: Sequence[ImageSource],
    images: Mapping[str, Image],
) -> tuple[str, ...]:
    """What to say of sources that are learned from, with their planes, of those that are kept out, and of their images.

    Parameters
    ----------
    learned, kept
        The sources.
    images
        Of all of them, by path.
    """
    notes = clean_notes((named(source), planes[len(planes) // 2]) for source, planes in learned)
    same = _same_file_note([source for source, _ in learned], kept)
    read = reading_notes(images.values())
    return (*read, *notes) if same is None else (*read, *notes, same)


def split(items: Sequence[T], *, share: float, seed: int) -> tuple[list[T], list[T]]:
    """Part of at least two items at random, decided by the seed: at least one on either side, order kept."""
    count = min(max(round(share * len(items)), 1), len(items) - 1)
    chosen = set(np.random.default_rng([seed, len(items)]).permutation(len(items))[:count].tolist())
    return (
        [item for index, item in enumerate(items) if index not in chosen],
        [item for index, item in enumerate(items) if index in chosen],
    )
