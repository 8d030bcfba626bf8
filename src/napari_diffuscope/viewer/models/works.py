"""What the dock Models does in the background, as jobs. Free of Qt, and of torch until one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.weights.download import download_job
from napari_diffuscope.weights.entries import name_from
from napari_diffuscope.weights.folders import model_folders, user_folder
from napari_diffuscope.weights.place import ExportFormat
from napari_diffuscope.weights.removal import remove_model

if TYPE_CHECKING:
    from napari_diffuscope.methods.trying import TriedAnswer
    from napari_diffuscope.weights.interview import Interview
    from napari_diffuscope.weights.trial import Tried

LOOKING = "Looking at {name}; nothing in it is run."
PARTS = 1000
"""Progress is told in thousandths: a bar cannot count bytes beyond two thousand million."""


@dataclass(frozen=True)
class Imported:
    """What became of one file or folder: the name of the model, why it is none, or that questions are open."""

    source: Path
    name: str = ""
    problem: str = ""
    open: bool = False


def downloading(name: str) -> Job[str]:
    """Get a model; says what became of it."""
    folder = yield from relayed(download_job(name), in_thousandths)
    return f"{name} is ready, in {folder}."


def in_thousandths(update: Update) -> Update:
    """An update whose work is counted in thousandths."""
    done = update.done * PARTS // update.total if update.total else 0
    return Update(done, PARTS if update.total else 0, update.message, warning=update.warning)


def importing(sources: Sequence[Path]) -> Job[list[Imported]]:
    """Take files, folders and archives into the user's models, one after the other; a bad one stops no other."""
    from napari_diffuscope.weights.describe import import_model
    from napari_diffuscope.weights.sidecar import UnansweredError

    results = []
    for number, source in enumerate(sources):
        yield Update(number, len(sources), f"Importing {source.name}")
        try:
            folder = user_folder() / free_name(name_from(str(source)))
            import_model(source, folder)
            results.append(Imported(source, folder.name))
        except UnansweredError as error:
            results.append(Imported(source, problem=str(error), open=True))
        except DiffuscopeError as error:
            results.append(Imported(source, problem=str(error)))
    return results


def looking(path: Path, answers: dict[str, Any]) -> Job[Interview]:
    """What a file leaves open."""
    from napari_diffuscope.weights.interview import interview

    yield Update(0, 0, LOOKING.format(name=path.name))
    return interview(path, answers)


def comparing(
    path: Path,
    answers: list[dict[str, Any]],
    read: Callable[[], np.ndarray],
    told: Callable[[TriedAnswer], None],
) -> Job[Any]:
    """What each set of answers makes of a piece of the open image."""
    from napari_diffuscope.methods.trying import try_answers

    yield Update(0, 0, "Reading the open image")
    return (yield from try_answers(path, list(answers), read(), told=told))


def answered(path: Path, answers: dict[str, Any]) -> Job[str | Interview]:
    """Take a file into the user's models with answers; gives its name, or what is still open."""
    from napari_diffuscope.weights.describe import import_model, model_name
    from napari_diffuscope.weights.sidecar import UnansweredError

    yield Update(0, 0, f"Importing {path.name}")
    folder = user_folder() / free_name(model_name(path))
    try:
        import_model(path, folder, answers=answers)
    except UnansweredError:
        return (yield from looking(path, answers))
    return folder.name


def free_name(name: str) -> str:
    """A name that no model has: with a number behind it where it is taken."""
    taken = set(model_folders())
    candidates = (name, *(f"{name}-{number}" for number in range(2, 10_000)))
    return next(each for each in candidates if each not in taken and not (user_folder() / each).exists())


def exporting(folder: Path, target: Path, format: ExportFormat, authors: Sequence[str]) -> Job[str]:
    """Write a model where others can take it; it appears whole or not at all.

    Parameters
    ----------
    folder, target, format, authors
        As of :func:`~napari_diffuscope.weights.exporting.export_model`; whether a zip file may be replaced was asked.

    Raises
    ------
    DiffuscopeError
        If a folder is there already, or the model cannot be written.
    """
    from napari_diffuscope.weights.exporting import export_model

    yield Update(0, 0, f"Exporting {folder.name}")
    zipped = format != "folder"
    if not zipped and target.exists():
        raise DiffuscopeError(f"{target} is there already; choose another place, or delete it first.")
    _, sentence = export_model(folder, target, format=format, authors=authors, overwrite=zipped)
    return f"{sentence} Whoever gets it can import it as it is."


def verifying(name: str) -> Job[str]:
    """Read a model through."""
    from napari_diffuscope.weights.trial import verify_model

    yield Update(0, 0, f"Reading {name} through")
    digest = verify_model(name)
    return f"{name} is whole: every weight is there and finite, sha256 {digest[:12]}…"


def trying(name: str, device: str) -> Job[Tried]:
    """Run a model on its stored example.

    Raises
    ------
    DiffuscopeError
        If it gives something else.
    """
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.weights.trial import try_model

    yield Update(0, 0, f"Running {name} on its example")
    tried = try_model(name, device=choose_device(device))
    if not tried.passed:
        raise DiffuscopeError(tried.sentence)
    return tried


def storing_trial(name: str) -> Job[str]:
    """Keep what a model gives now as its example."""
    from napari_diffuscope.weights.trial import store_missing_trial

    yield Update(0, 0, f"Running {name} to store its example")
    store_missing_trial(name)
    return f"The example of {name} is stored now; it goes along when the model is exported."


def removing(name: str) -> Job[str]:
    """Remove a model."""
    yield Update(0, 0, f"Removing {name}")
    remove_model(name)
    return f"{name} is removed."
