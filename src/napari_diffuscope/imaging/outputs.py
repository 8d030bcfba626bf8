"""Whether results may be written where somebody wants them, decided before the work begins.

An input is never replaced, nor anything else without being told to; nothing is written into an image or a model that
is a folder; and no two results go to one place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import part_of, replace_text, sweep
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.locks import RUNNING, only_one

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
# A checkpoint may have a card beside it; only card and weights together are a model.
WHOLE_FOLDERS = (
    *(((name,), "a Zarr image") for name in ZARR_FILES),
    (("model.json", "weights.safetensors"), "a model"),
    (("model_index.json",), "a model"),
)
"""Files by which a folder is known that is one thing."""
"""What tells that a folder is one thing: an image, or a model."""


def check_outputs(
    files: Iterable[Path],
    inputs: Iterable[Path],
    *,
    folders: Iterable[Path] = (),
    wholes: Iterable[Path] = (),
    overwrite: bool = False,
) -> None:
    """Refuse what would destroy something, or could not be written in the end.

    Parameters
    ----------
    files
        Files that are written.
    inputs
        Files and folders that are read, models among them.
    folders
        Where files are put one by one.
    wholes
        Further results that appear as a whole, be they files or folders that are one image or model, and for which
        what writes them decides whether something may be there.
    overwrite
        Whether ``files`` that exist may be replaced.

    Raises
    ------
    DiffuscopeError
        If a result is an input, lies in one or would replace a folder around one; if two results go to one place; if
        one exists and may not be replaced; if its folder is missing or may not be written to.
    """
    files, inputs, folders = map(list, (files, inputs, folders))
    wholes = [*files, *wholes]
    _check_apart(wholes, folders)
    for output in (*wholes, *folders):
        if any(same_place(output, source) for source in inputs):
            raise DiffuscopeError(
                f"{output} is the input, which is never replaced; give the result another name."
            )
        _check_around(output)
    for whole in wholes:
        if wrapped := [source for source in inputs if lies_in(source, whole)]:
            raise DiffuscopeError(
                f"The input {wrapped[0]} lies in {whole}, which would be replaced; give another name."
            )
    for file in files:
        check_free(file, overwrite=overwrite)
        _check_folder_of(file, folders)
    for folder in folders:
        check_folder(folder)


def _check_apart(wholes: Sequence[Path], folders: Sequence[Path]) -> None:
    """Refuse two results at one place, or one in another that appears as a whole."""
    for one, other in combinations([*wholes, *folders], 2):
        if same_place(one, other) or any(
            lies_in(inner, outer) for inner, outer in ((one, other), (other, one)) if outer in wholes
        ):
            raise DiffuscopeError(f"Two results would be written to {one}; give each a name of its own.")


def check_free(file: Path, *, overwrite: bool) -> None:
    """Refuse a place that is taken.

    Raises
    ------
    DiffuscopeError
        If there is something, and it may not be replaced.
    """
    if os.path.lexists(file) and not overwrite:
        raise DiffuscopeError(f"{file} exists; add --overwrite to replace it, or give another name.")


def check_folder(folder: Path) -> None:
    """Refuse a folder that is none, cannot be made, or may not be written to.

    Raises
    ------
    DiffuscopeError
        If so.
    """
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise DiffuscopeError(f"{place} is a file, not a folder; give another folder.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DiffuscopeError(f"{place} may not be written to; give another folder.")


def _check_folder_of(file: Path, folders: Sequence[Path]) -> None:
    parent = file.parent
    if not parent.is_dir() and not any(same_place(parent, folder) for folder in folders):
        raise DiffuscopeError(f"The folder {str(parent)!r} does not exist; create it or choose another.")
    check_folder(parent)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """Work in a folder, made where missing, while no other process does; one that stays empty is taken away.

    What processes left that were killed is deleted.

    Raises
    ------
    DiffuscopeError
        If it cannot be made or written to, or another process works in it.
    """
    check_folder(folder)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    with ExitStack() as stack:
        stack.callback(_remove_empty, made)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one(folder))
            sweep(folder)
        yield


def _remove_empty(folders: Iterable[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def is_leftover(name: str) -> bool:
    """Whether a hidden file of that name is one that grows, or tells that somebody works here."""
    return name.startswith(".") and name.endswith((part_of(Path("x")).name[2:], RUNNING))


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file or folder, over links of any kind."""
    if one.resolve() == other.resolve():
        return True
    try:
        return one.samefile(other)
    except OSError:
        return False


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, at any depth."""
    return any(same_place(parent, folder) for parent in path.resolve().parents)


def _check_around(output: Path) -> None:
    """Refuse a place inside of a folder that is one thing."""
    for parent in output.resolve().parents:
        for names, kind in WHOLE_FOLDERS:
            if all((parent / name).is_file() for name in names):
                raise DiffuscopeError(
                    f"{output} would lie inside {parent}, which is {kind}; give a name outside of it."
                )


def foreign_in(folder: Path, names: Iterable[str]) -> str | None:
    """First entry of a folder, by name, that is none of ours; ``None`` where there is none or no folder."""
    if not folder.is_dir():
        return None
    ours = set(names)
    entries = sorted(entry for entry in os.listdir(folder) if not is_leftover(entry))
    return next((entry for entry in entries if entry not in ours), None)


def is_replaceable_zarr(folder: Path) -> bool:
    """Whether a folder is an image that this program wrote, and nothing else lies in it."""
    try:
        attributes = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["attributes"]
        levels = [str(level["path"]) for level in attributes["ome"]["multiscales"][0]["datasets"]]
        ours = CREATOR_KEY in attributes or "napari-diffuscope" in attributes
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    inside = all(foreign_in(folder / level, ("zarr.json", "c")) is None for level in levels)
    return ours and inside and foreign_in(folder, ("zarr.json", *levels)) is None


CREATOR_KEY = "_creator"
CREATOR: Mapping[str, str] = {"name": "napari-diffuscope"}
"""Attribute of the images that this program writes."""


def write_json(path: Path, values: Any, *, overwrite: bool = False) -> None:
    """Write values as a JSON file, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it exists and is not to be replaced, or cannot be written.
    """
    check_free(path, overwrite=overwrite)
    with writing(path):
        text = json.dumps(values, indent=2, ensure_ascii=False)
        replace_text(path, text + "\n", overwrite=overwrite)


def existing(*paths: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Those of some paths that lead to something: what a name means that is no path is not looked for."""
    for path in paths:
        if path is not None and os.path.exists(path):
            yield Path(path)
