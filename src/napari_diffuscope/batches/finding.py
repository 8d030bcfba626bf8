"""Which images a batch works on: files, folders and patterns, each image once. Free of torch."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError, shortened
from napari_diffuscope.imaging.formats import SUFFIXES, is_named_like_image, is_zarr
from napari_diffuscope.imaging.listing import is_folder, listed
from napari_diffuscope.imaging.zarr_scenes import fields_of


@dataclass
class Found:
    """What files, folders and patterns stand for.

    Parameters
    ----------
    images
        Each with the folder below that which was named.
    left_out
        Files that are no images by their names.
    unseen
        Folders in folders that were not looked through.
    """

    images: list[tuple[Path, Path]] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    unseen: list[Path] = field(default_factory=list)


def found_images(sources: Sequence[Path], results: Path, *, recursive: bool, fields: bool) -> Found:
    """The images that are meant; one that is named twice, in whatever words, is taken once.

    Parameters
    ----------
    sources
        Files, folders and patterns with ``*``.
    results
        Folder of results; what lies there is not taken out of a folder or pattern around it.
    recursive
        Whether folders in folders are looked through.
    fields
        Whether a plate stands for all of its fields.

    Raises
    ------
    DiffuscopeError
        If there are none, or a folder cannot be read.
    """
    found, seen = Found(), set[tuple[Path, str]]()
    for source in sources:
        for path, below, was_named in _meant(source, results, recursive, found):
            if not was_named and not is_named_like_image(path):
                found.left_out.append(path)
                continue
            for image in images_of(path) if fields else (path,):
                # A link of another name is an image of its own: its result has another name as well.
                identity = (image.resolve(), image.name)
                if identity not in seen:
                    seen.add(identity)
                    found.images.append((image, below))
    if not found.images:
        _say_there_are_none(sources, found)
    return found


def is_pattern(path: Path) -> bool:
    """Whether a path stands for the files that match it."""
    return glob.has_magic(str(path)) and not path.exists()


def outer_of(path: Path) -> Path:
    """The Zarr folder in which an image lies, which may be its own."""
    return next((one for one in path.parents if one.suffix.lower() == ".zarr"), path)


def images_of(path: Path) -> tuple[Path, ...]:
    """The fields of a plate, or the image itself; what is wrong with one is told when it is its turn."""
    if path.is_dir() and is_zarr(path):
        with suppress(DiffuscopeError):
            return fields_of(path)
    return (path,)


def _meant(source: Path, results: Path, recursive: bool, found: Found) -> Iterator[tuple[Path, Path, bool]]:
    """Files, each with the folder below that which was named, and whether it was named itself."""
    if not is_pattern(source):
        if not is_folder(source):
            yield source, Path(), True
            return
        yield from _inside(source, source, results, recursive, found)
        return
    paths = sorted(Path(each) for each in glob.glob(str(source), recursive=True))
    if not paths:
        raise DiffuscopeError(f"No file is called {str(source)!r}.")
    base = _base_of(source)
    for path in paths:
        if is_folder(path):
            yield from _inside(path, base, results, recursive, found)
        elif not _is_result(path, base, results) and outer_of(path) in (path, outer_of(base)):
            yield path, Path(), False


def _inside(
    folder: Path, base: Path, results: Path, recursive: bool, found: Found
) -> Iterator[tuple[Path, Path, bool]]:
    if _is_result(folder / "any", base, results):
        return
    listing = listed(folder, recursive=recursive)
    for each in listing.entries:
        if not _is_result(each, base, results):
            yield each, each.parent.relative_to(folder), False
    found.unseen += [each for each in listing.unseen if not _is_result(each / "any", base, results)]


def _base_of(pattern: Path) -> Path:
    """The folder in which a pattern begins."""
    return next(one for one in pattern.parents if not glob.has_magic(str(one)))


def _is_result(path: Path, base: Path, results: Path) -> bool:
    """Whether a file lies in a folder of results that itself lies in what was named."""
    place, around = results.resolve(), base.resolve()
    return around in place.parents and place in path.resolve().parents


def _say_there_are_none(sources: Sequence[Path], found: Found) -> None:
    named = shortened(", ".join(map(str, sources))) or "what was named"
    if found.unseen:
        raise DiffuscopeError(
            f"There are no images in {named} itself, but folders ({shortened(found.unseen[0].name)}); "
            "look through folders in folders as well (--recursive)."
        )
    raise DiffuscopeError(f"There are no images in {named} ({', '.join(SUFFIXES)}).")
