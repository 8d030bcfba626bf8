"""Removing a model for good, and never one of the package. Free of torch."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import in_bytes, name_of, reason
from napari_diffuscope.imaging.outputs import foreign_in
from napari_diffuscope.weights.catalogue import ListedModel, find_listed
from napari_diffuscope.weights.download import ARRIVING, waiting_turn
from napari_diffuscope.weights.entries import own_entries, remove_entry
from napari_diffuscope.weights.folders import STARTERS, origin_of
from napari_diffuscope.weights.place import MODEL_FOLDER_FILES

REMOVED = ".{}.diffuscope-removed"
PATIENCE = 20.0


@dataclass(frozen=True)
class Removal:
    """What a removal would take away.

    Parameters
    ----------
    name
        Of the model.
    folder
        The folder that is deleted; ``None`` where nothing lies on the disk.
    size
        Its bytes.
    own_entry
        Whether an entry of the user's catalogue goes as well.
    sentence
        What is asked before it.
    """

    name: str
    folder: Path | None
    size: int
    own_entry: bool
    sentence: str


def planned_removal(name: str) -> Removal:
    """What removing a model means.

    Raises
    ------
    DiffuscopeError
        If there is no such model, it comes with the package, or its folder holds other things.
    """
    model = find_listed(name)
    own_entry = any(entry.name == name for entry in own_entries())
    folder = model.folder
    if folder is not None and origin_of(folder) == "shipped":
        raise DiffuscopeError(
            f"{name} comes with the package and stays; only models that you added can be removed."
        )
    if folder is None and not own_entry:
        raise DiffuscopeError(f"{name} is not on this computer, so that there is nothing to remove.")
    if folder is not None and not folder.is_symlink() and (foreign := foreign_in(folder, MODEL_FOLDER_FILES)):
        raise DiffuscopeError(
            f"{folder} holds {foreign} beside the model, so that it is not removed; move that elsewhere first."
        )
    size = sum(file.stat().st_size for file in folder.iterdir()) if folder is not None else 0
    return Removal(name, folder, size, own_entry, _sentence(model, folder, size, own_entry))


def _sentence(model: ListedModel, folder: Path | None, size: int, own_entry: bool) -> str:
    which = "" if model.title == model.name else f" ({model.name})"  # titles need not differ
    parts = [f"Remove {model.title!r}{which} for good?"]
    if folder is not None:
        parts.append(f"{in_bytes(size)} in {folder} are deleted.")
    if own_entry:
        parts.append("Its entry in your catalogue goes as well.")
    elif model.entry is not None and model.entry.address and folder is not None:
        parts.append("It stays in the catalogue and can be downloaded again.")
    if (STARTERS / model.name).is_dir():
        parts.append("The model of the same name that comes with the package is used again.")
    return " ".join(parts)


def remove_model(name: str) -> Removal:
    """Remove a model for good: its folder, and its entry in the user's catalogue.

    Another process that gets the same model is waited for; it leaves a whole model or none.

    Raises
    ------
    DiffuscopeError
        As :func:`planned_removal`, or if files cannot be deleted; the model is whole then.
    """
    removal = planned_removal(name)
    if removal.folder is not None:
        parent = removal.folder.parent
        with ExitStack() as turn:
            for _ in waiting_turn(turn, parent, name, patience=PATIENCE):
                pass
            _delete(removal.folder)
            shutil.rmtree(parent / ARRIVING / name, ignore_errors=True)
    if removal.own_entry:
        remove_entry(name)
    return removal


def _delete(folder: Path) -> None:
    """Give it another name first, so that at no moment half a model is there."""
    if folder.is_symlink():
        folder.unlink()
        return
    gone = folder.with_name(REMOVED.format(folder.name))
    shutil.rmtree(gone, ignore_errors=True)
    try:
        os.rename(folder, gone)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DiffuscopeError(
            f"{name_of(folder)} cannot be removed ({reason(error)}); close what uses it, or check the permissions."
        ) from error
    shutil.rmtree(gone, ignore_errors=True)
