"""Which files a batch works on, and where the result of each goes. Free of torch."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.settings import BatchSettings, checked_pattern
from napari_diffuscope.errors import DiffuscopeError, shortened
from napari_diffuscope.imaging.formats import SUFFIXES, is_named_like_image, is_zarr
from napari_diffuscope.imaging.listing import entries_of, is_folder
from napari_diffuscope.imaging.zarr_scenes import fields_of
from napari_diffuscope.methods.method import Method, loaded
from napari_diffuscope.methods.storing import ENDINGS

DEFAULT_ENDING = ".tif"


@dataclass(frozen=True)
class Item:
    """One image of a batch.

    Parameters
    ----------
    number
        From 1 on.
    source
        Its file.
    output
        File or folder of the result.
    others
        Files of further inputs, by name.
    """

    number: int
    source: Path
    output: Path
    others: Mapping[str, Path]


@dataclass(frozen=True)
class Plan:
    """A batch before it begins.

    Parameters
    ----------
    method
        What is done.
    folder
        Where results go.
    items
        Images, in the order in which they are worked on.
    left_out
        Files of the folders that are no images by their names.
    """

    method: Method
    folder: Path
    items: tuple[Item, ...]
    left_out: tuple[Path, ...] = ()


def is_batch(
    method: Method, sources: Sequence[Path], output: Path, *, series: int | str | None = None
) -> bool:
    """Whether a command asks for a batch: several images, a folder, plate or pattern of them, or a folder for files."""
    if len(sources) != 1:
        return bool(sources)
    [source] = sources
    several = is_folder(source) or _is_glob(source) or (series is None and _images_of(source) != (source,))
    return several or (is_folder(output) and not _in_folders(method))


def planned(
    method: Method,
    sources: Sequence[Path],
    folder: Path,
    settings: Any,
    *,
    choices: BatchSettings | None = None,
    others: Mapping[str, str | Path] | None = None,
    series: int | str | None = None,
) -> Plan:
    """The plan of a batch.

    Parameters
    ----------
    method, settings
        What is done with each image.
    sources
        Files, folders and patterns with ``*``; a plate in OME-Zarr stands for all of its fields.
    folder
        Where results go.
    choices
        How files are found and results are called.
    others
        For each further input one file for all images, a folder in which each image has one of its own name, or a
        pattern such as ``labels/{name}_cells.tif``.
    series
        Which image of each file, by number or name; of a plate that field alone.

    Raises
    ------
    DiffuscopeError
        If there is nothing to do, an input is missing, or two results would have one name.
    """
    choices = choices or BatchSettings()
    if method.image is None:
        raise DiffuscopeError(
            f"{method.title} works on no images; it makes as many as you ask for by itself."
        )
    if folder.name.lower().endswith(ENDINGS) or (folder.exists() and not folder.is_dir()):
        fields = _images_of(sources[0]) if len(sources) == 1 else ()
        one = (
            f", or choose one with --scene {fields[0].relative_to(sources[0]).as_posix()}"
            if len(fields) > 1
            else ""
        )
        raise DiffuscopeError(f"Results of several images go into a folder, but {folder} names a file{one}.")
    for each in method.others:
        if not each.optional and each.name not in (others or {}):
            raise DiffuscopeError(
                f"{method.title} needs {each.name} for the images; name a file, a folder or a pattern for them."
            )
    found, left_out = _found(sources, folder, recursive=choices.recursive, fields=series is None)
    pattern = choices.pattern or ("{name}" if _in_folders(method) else f"{{name}}{DEFAULT_ENDING}")
    items = []
    for number, (path, below) in enumerate(found, 1):
        words = _words(method, settings, path, below, number)
        output = folder / (below if choices.pattern is None else Path()) / pattern.format(**words)
        beside = {name: _other(name, value, words) for name, value in (others or {}).items()}
        items.append(Item(number, path, output, beside))
    _check_apart(items)
    return Plan(method, folder, tuple(items), tuple(left_out))


def name_of(path: Path) -> str:
    """Name of an image file without its ending; of an image inside of another, that and the way to it."""
    if (outer := _outer(path)) != path:
        return "_".join((name_of(outer), *path.relative_to(outer).parts))
    ending = next((each for each in ENDINGS if path.name.lower().endswith(each)), path.suffix)
    return path.name[: len(path.name) - len(ending)] or path.name


def shown_name(path: Path) -> str:
    """What to call an image among others: the name of its file, and the way to it inside of that."""
    outer = _outer(path)
    return (Path(outer.name) / path.relative_to(outer)).as_posix()


def _outer(path: Path) -> Path:
    """The Zarr folder in which an image lies, which may be its own."""
    return next((one for one in path.parents if one.suffix.lower() == ".zarr"), path)


def _images_of(path: Path) -> tuple[Path, ...]:
    """The fields of a plate, or the image itself; what is wrong with one is told when it is its turn."""
    if path.is_dir() and is_zarr(path):
        with suppress(DiffuscopeError):
            return fields_of(path)
    return (path,)


def _words(method: Method, settings: Any, path: Path, below: Path, number: int) -> dict[str, Any]:
    parent = below.as_posix() if below.parts else _outer(path).parent.name
    model = Path(str(getattr(settings, "model", ""))).name
    return {"name": name_of(path), "folder": parent, "method": method.name, "model": model, "number": number}


def _found(
    sources: Sequence[Path], results: Path, *, recursive: bool, fields: bool
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Images, each with the folder below that which was named; and files that are none."""
    images: dict[Path, Path] = {}
    left_out: list[Path] = []
    for path in (path for source in sources for path in _of_glob(source)):
        folder = is_folder(path)
        inside = entries_of(path, recursive=recursive) if folder else [path]
        for each in inside:
            if folder and _within(each, results):
                continue
            if folder and not is_named_like_image(each):
                left_out.append(each)
                continue
            below = each.parent.relative_to(path) if folder else Path()
            for image in _images_of(each) if fields else (each,):
                images.setdefault(image, below)
    if not images:
        named = shortened(", ".join(map(str, sources)))
        raise DiffuscopeError(f"There are no images in {named} ({', '.join(SUFFIXES)}).")
    return list(images.items()), left_out


def _of_glob(source: Path) -> list[Path]:
    if not _is_glob(source):
        return [source]
    paths = sorted(Path(each) for each in glob.glob(str(source), recursive=True))
    if not paths:
        raise DiffuscopeError(f"No file is called {str(source)!r}.")
    return paths


def _within(path: Path, folder: Path) -> bool:
    """Whether a file is a result of an earlier batch: a folder of results may lie in that of the images."""
    return folder.resolve() in path.resolve().parents


def _is_glob(path: Path) -> bool:
    return glob.has_magic(str(path)) and not path.exists()


def _in_folders(method: Method) -> bool:
    """Whether the result of one image is a folder."""
    into: Any = loaded(method.destination)
    return bool(into.is_folder)


def _other(name: str, value: str | Path, words: Mapping[str, Any]) -> Path:
    """The file of a further input that belongs to an image."""
    path = Path(value)
    if is_folder(path):
        alike = [
            each for each in entries_of(path) if is_named_like_image(each) and name_of(each) == words["name"]
        ]
        if len(alike) > 1:
            raise DiffuscopeError(
                f"Several files in {path} are called {words['name']!r}; give a pattern, such as "
                f"--{name} {path}/{{name}}.tif."
            )
        return alike[0] if alike else path / f"{words['name']}{DEFAULT_ENDING}"
    return Path(checked_pattern(str(value)).format(**words))


def _check_apart(items: Sequence[Item]) -> None:
    """Refuse two results of one name."""
    earlier: dict[Path, Item] = {}
    for item in items:
        other = earlier.setdefault(item.output.absolute(), item)
        if other is not item:
            raise DiffuscopeError(
                f"{shortened(str(other.source))} and {shortened(str(item.source))} would both become "
                f"{item.output.name}; add {{folder}} or {{number}} to the names of results."
            )
