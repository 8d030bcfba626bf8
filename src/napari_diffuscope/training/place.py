"""Where a training may write: its folder and its model, checked before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.outputs import check_outputs, existing, working_in
from napari_diffuscope.training.log import LOG
from napari_diffuscope.training.recipe import Recipe, read_recipe
from napari_diffuscope.training.recipe_file import recipe_toml
from napari_diffuscope.training.run_files import CHECKPOINT, RECIPE_FILE
from napari_diffuscope.weights.place import check_model_place

SPECIMENS = "specimens.npy"
TEXTURES = "textures.npy"


@contextmanager
def training_in(recipe: Recipe, run: Path, out: Path, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Train in a folder while no other process does, after :func:`check_places`.

    Raises
    ------
    DiffuscopeError
        As :func:`check_places`; also if another process trains there.
    """
    check_places(recipe, run, out, resume=resume, overwrite=overwrite)
    with working_in(run):
        yield


def check_places(recipe: Recipe, run: Path, out: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse folders in which a training would destroy something.

    Parameters
    ----------
    recipe
        What is read, too.
    run
        Folder of the training.
    out
        Model folder.
    resume
        Whether a training in ``run`` goes on.
    overwrite
        Whether a model in ``out`` is replaced.

    Raises
    ------
    DiffuscopeError
        If one is an input or holds what no training has written; if there is a model that is not to be replaced, or
        a training that is not to go on.
    """
    inputs = existing(
        recipe.data.folder or None,
        recipe.data.high_folder or None,
        recipe.start_from,
        *(s.path for s in recipe.data.images),
    )
    check_outputs([], inputs, folders=[run], wholes=[out])
    if not resume and (run / CHECKPOINT).exists():
        raise DiffuscopeError(
            f"{run} holds an earlier training; add --resume to go on with it, or name another --run."
        )
    check_model_place(out.resolve(), overwrite=overwrite)
    ours = {
        LOG: _is_log(run / LOG),
        RECIPE_FILE: resume or recipe_stays(run / RECIPE_FILE, recipe) is not None,
        **{name: _is_bank(run / name) for name in (SPECIMENS, TEXTURES)},
    }
    if wrong := [name for name, was_written in ours.items() if (run / name).exists() and not was_written]:
        raise DiffuscopeError(
            f"{run / wrong[0]} was not written by such a training and would be replaced; name another --run."
        )


def recipe_stays(path: Path, recipe: Recipe) -> bool | None:
    """Whether a recipe in the folder of a training stays as it is.

    Returns
    -------
    bool or None
        ``True`` if it says the same, ``False`` if it was written by a training and may be replaced, else ``None``.
    """
    try:
        there = read_recipe(path)
        if there == recipe:
            return True
        return False if recipe_toml(there) == path.read_text(encoding="utf-8") else None
    except (DiffuscopeError, OSError, ValueError):
        return None


def _is_log(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(9) in (b"step,loss", b"")
    except OSError:
        return False


def _is_bank(path: Path) -> bool:
    try:
        stored = np.load(path, mmap_mode="r")
    except (OSError, ValueError):
        return False
    return bool(stored.dtype == np.float16 and stored.ndim == 3)
