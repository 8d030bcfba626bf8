"""Models in archives: unpacked for as long as they are looked at, and described beside the archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE
from napari_diffuscope.weights.kept_archives import unpacked_folder
from napari_diffuscope.weights.model import WEIGHTS_SUFFIXES, refuse_zoo_package
from napari_diffuscope.weights.sidecar import Sidecar, UnansweredError, read_sidecar
from napari_diffuscope.weights.unpack import is_archive
from napari_diffuscope.weights.ways_on import CHOOSE_WEIGHTS


@contextmanager
def unpacked(source: Path) -> Iterator[Path]:
    """The model itself, for as long as it is needed: of an archive, what is in it.

    Raises
    ------
    DiffuscopeError
        If an archive is damaged, or holds no model or several. What is raised meanwhile names the archive, and not the
        place that it was unpacked to.
    """
    if not is_archive(source):
        yield source
        return
    with unpacked_folder(source) as folder:
        try:
            place = _model_among(folder, source)
            yield place
        except UnansweredError as error:
            error.args = (_named(str(error), folder, source),)
            raise
        except DiffuscopeError as error:
            raise DiffuscopeError(_named(str(error), folder, source)) from error


def _named(sentence: str, folder: Path, source: Path) -> str:
    """A sentence about what was unpacked, as one about the archive: the user knows no other place."""
    sentence = sentence.replace(f"{folder}{os.sep}", f"{source}: ").replace(str(folder), str(source))
    return sentence.replace(folder.parent.name, source.name)


def said_about(source: Path, answers: Sidecar) -> Sidecar:
    """What is said about a checkpoint or the one in an archive: beside it, and by answers, which go before."""
    return read_sidecar(source)[0].updated(answers)


def _model_among(folder: Path, source: Path) -> Path:
    """The one model in an unpacked archive."""
    refuse_zoo_package(folder, source)
    places = sorted(path.parent for path in folder.rglob(WEIGHTS_FILE) if (path.parent / CARD_FILE).is_file())
    for name in ("model_index.json", "config.json"):
        places = places or sorted(path.parent for path in folder.rglob(name))
    places = places or sorted(path for path in folder.rglob("*") if path.suffix in WEIGHTS_SUFFIXES)
    if len(places) == 1:
        return places[0]
    if not places:
        raise DiffuscopeError(
            f"{source} holds no model, neither a model folder nor a file of weights; {CHOOSE_WEIGHTS}."
        )
    names = ", ".join(str(path.relative_to(folder)) for path in places[:5])
    raise DiffuscopeError(f"{source} holds {len(places)} models ({names}); unpack it and import one of them.")
