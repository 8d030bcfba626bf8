"""Where a model folder may be put, and how it gets there: nothing but a model is ever replaced. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_folder, foreign_in
from napari_diffuscope.locks import only_one
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE

EXAMPLE_FILES = ("example_input.tif", "example_output.tif")
TRAINING_IMAGES_FILE = "training_images.npz"
"""What a generator learned from, by which copies of it are found."""

REAL_IMAGES_FILE = "real_images.npz"
"""What real images are like that a generator did not learn from, by which its images are judged."""

TRIAL_FILE = "trial.npz"
"""A small input of the network and what it made of it, by which it is tested on another computer."""

ORIGIN_FILE = "origin.json"
"""Where a downloaded model came from."""

MODEL_FOLDER_FILES = (
    CARD_FILE, WEIGHTS_FILE, *EXAMPLE_FILES, TRAINING_IMAGES_FILE, REAL_IMAGES_FILE, TRIAL_FILE, ORIGIN_FILE,
)  # fmt: skip
"""All that a model folder holds."""


ExportFormat = Literal["folder", "zip", "bioimageio"]
"""How a model is handed on."""


def check_model_place(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place for a model folder that holds something else, or a model that is not to be replaced.

    Raises
    ------
    DiffuscopeError
        If it is a file, a folder that is no model or holds more than one, a model without ``overwrite``, or may not
        be written to.
    """
    check_folder(folder.parent)
    if os.path.lexists(folder) and not folder.is_dir():
        raise DiffuscopeError(f"{folder} is a file; give another folder for the model.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / CARD_FILE).is_file():
        raise DiffuscopeError(
            f"{folder} is not empty and holds no model, so that it is not replaced; give another folder."
        )
    if (foreign := foreign_in(folder, MODEL_FOLDER_FILES)) is not None:
        raise DiffuscopeError(
            f"{folder} holds {foreign} beside its model, so that it is not replaced; move that or give another folder."
        )
    if not overwrite:
        raise DiffuscopeError(
            f"{folder} exists already and holds a model; replace it with --overwrite (overwrite=True in Python), or "
            "give another folder."
        )


@contextmanager
def making_model(folder: Path, *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder beside the place of a model, in which it grows; no other process makes the same meanwhile.

    Parameters
    ----------
    folder
        Where the model will be, without links.
    overwrite
        Whether a model there is to be replaced.

    Raises
    ------
    DiffuscopeError
        As :func:`check_model_place`, or if another process makes the same model.
    """
    check_model_place(folder, overwrite=overwrite)
    growing = folder.with_name(f".{folder.name}.diffuscope-part")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with writing(folder), only_one(folder.parent, folder.name):
        _recover(folder)
        check_model_place(folder, overwrite=overwrite)
        _check_ours(growing)
        growing.mkdir(exist_ok=True)
        try:
            yield growing
        finally:
            _delete_model(growing)


def _check_ours(growing: Path) -> None:
    if (foreign := foreign_in(growing, MODEL_FOLDER_FILES)) is not None:
        raise DiffuscopeError(
            f"{growing} is where the model grows, but {foreign} lies in it; move that away."
        )


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.diffuscope-old")


def _recover(folder: Path) -> None:
    """Bring a model back that a process was about to replace when it was killed, or finish that."""
    if (old := _old(folder)).is_dir():
        if folder.exists():
            _delete_model(old)
        else:
            old.rename(folder)


def _delete_model(folder: Path) -> None:
    """Delete the files of a model, and the folder unless something else lies in it."""
    with suppress(OSError):
        for name in MODEL_FOLDER_FILES:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def put_in_place(growing: Path, folder: Path) -> None:
    """Give a finished model its name; of what was there only the files of a model are deleted.

    Raises
    ------
    OSError
        If it cannot be renamed; what was there is back then.
    """
    if not folder.exists():
        growing.rename(folder)
        return
    old = _old(folder)
    folder.rename(old)
    try:
        growing.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    _delete_model(old)
