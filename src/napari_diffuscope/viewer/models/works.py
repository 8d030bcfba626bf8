"""What the dock Models does in the background, as jobs. Free of Qt, and of torch until one runs."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.weights.download import download_job
from napari_diffuscope.weights.entries import name_from
from napari_diffuscope.weights.folders import model_folders, user_folder
from napari_diffuscope.weights.place import MODEL_FOLDER_FILES
from napari_diffuscope.weights.removal import remove_model

PARTS = 1000
"""Progress is told in thousandths: a bar cannot count bytes beyond two thousand million."""

_CHUNK = 1 << 20


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
    from napari_diffuscope.weights.unpack import is_archive

    results = []
    for number, source in enumerate(sources):
        yield Update(number, len(sources), f"Importing {source.name}")
        try:
            folder = user_folder() / free_name(name_from(str(source)))
            import_model(source, folder)
            results.append(Imported(source, folder.name))
        except UnansweredError as error:
            results.append(Imported(source, problem=str(error), open=not is_archive(source)))
        except DiffuscopeError as error:
            results.append(Imported(source, problem=str(error)))
    return results


def free_name(name: str) -> str:
    """A name that no model has: with a number behind it where it is taken."""
    taken = set(model_folders())
    candidates = (name, *(f"{name}-{number}" for number in range(2, 10_000)))
    return next(each for each in candidates if each not in taken and not (user_folder() / each).exists())


def exporting(folder: Path, target: Path) -> Job[str]:
    """Pack a model folder into a zip file that can be imported elsewhere; it appears whole or not at all."""
    files = [folder / name for name in MODEL_FOLDER_FILES if (folder / name).is_file()]
    total = sum(file.stat().st_size for file in files)
    with (
        writing(target),
        replacing(target) as growing,
        zipfile.ZipFile(growing, "w", zipfile.ZIP_STORED) as archive,
    ):
        for done in _packed(archive, folder.name, files):
            yield Update(done * PARTS // max(total, 1), PARTS, f"Packing {folder.name}")
    return f"{folder.name} is packed in {target}; whoever gets it can import it as it is."


def _packed(archive: zipfile.ZipFile, name: str, files: Sequence[Path]) -> Iterator[int]:
    done = 0
    for file in files:
        with file.open("rb") as source, archive.open(f"{name}/{file.name}", "w", force_zip64=True) as entry:
            while chunk := source.read(_CHUNK):
                entry.write(chunk)
                done += len(chunk)
                yield done


def verifying(name: str) -> Job[str]:
    """Read a model through."""
    from napari_diffuscope.weights.trial import verify_model

    yield Update(0, 0, f"Reading {name} through")
    digest = verify_model(name)
    return f"{name} is whole: every weight is there and finite, sha256 {digest[:12]}…"


def trying(name: str, device: str) -> Job[str]:
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
    return tried.sentence


def removing(name: str) -> Job[str]:
    """Remove a model."""
    yield Update(0, 0, f"Removing {name}")
    remove_model(name)
    return f"{name} is removed."
