"""Which files a batch works on, and where the result of each goes. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.finding import Found, found_images, images_of, is_pattern
from napari_diffuscope.batches.naming import Names, check_apart, in_folders, other_file, shown_name
from napari_diffuscope.batches.settings import BatchSettings, checked_pattern
from napari_diffuscope.errors import DiffuscopeError, printable, quoted
from napari_diffuscope.imaging.axes import LETTERS, letters_of
from napari_diffuscope.imaging.listing import is_folder
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.methods.declared import idle_choices
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.storing import ENDINGS
from napari_diffuscope.weights.catalogue import find_model

MOST_NAMED = 5
"""Files that are named in one note."""


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

    @property
    def shown(self) -> str:
        """What to call the image among others."""
        return shown_name(self.source)


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
    notes
        What a user should know before it begins: what is left out, and what is called otherwise than one would think.
    """

    method: Method
    folder: Path
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


def is_batch(
    method: Method, sources: Sequence[Path], output: Path, *, series: int | str | None = None
) -> bool:
    """Whether a command asks for a batch: several images, a folder, plate or pattern of them, or a folder for files."""
    if len(sources) != 1:
        return bool(sources)
    [source] = sources
    several = is_folder(source) or is_pattern(source) or (series is None and images_of(source) != (source,))
    return several or (is_folder(output) and not in_folders(method))


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
    choices, others = choices or BatchSettings(), others or {}
    if method.image is None:
        raise DiffuscopeError(
            f"{method.title} works on no images; it makes as many as you ask for by itself."
        )
    if folder.name.lower().endswith(ENDINGS) or (folder.exists() and not folder.is_dir()):
        fields = images_of(sources[0]) if len(sources) == 1 else ()
        one = (
            f", or choose one with --scene {fields[0].relative_to(sources[0]).as_posix()}"
            if len(fields) > 1
            else ""
        )
        raise DiffuscopeError(f"Results of several images go into a folder, but {folder} names a file{one}.")
    _check_others(method, others)
    found = found_images(sources, folder, recursive=choices.recursive, fields=series is None)
    names = Names(method, settings, folder, choices.pattern)
    images, earlier = _without_results(names, found.images)
    results = names.results(images)
    check_apart(names, zip((path for path, _ in images), results, strict=True))
    items = []
    for number, ((path, below), output) in enumerate(zip(images, results, strict=True), 1):
        words = names.words(path, below, number)
        beside = {name: other_file(name, value, words, below) for name, value in others.items()}
        items.append(Item(number, path, output, beside))
    otherwise = [
        item for item, (_, usual) in zip(items, names.plain(images), strict=True) if item.output != usual
    ]
    notes = [*idle_choices(settings), *_notes(found, earlier, otherwise)]
    return Plan(method, folder, tuple(items), tuple(notes))


def check_choices(settings: Any, axes: str | None) -> None:
    """Refuse what would be wrong with every image.

    Parameters
    ----------
    settings
        Of the method.
    axes
        Of all images, if they were named.

    Raises
    ------
    DiffuscopeError
        For a model that is not there, and letters that are no axes.
    """
    if axes is not None and (unknown := set(letters_of(axes)) - set(LETTERS)):
        raise DiffuscopeError(
            f"Axis {sorted(unknown)[0]!r} in {quoted(axes)} is unknown; describe the axes with letters of {LETTERS}."
        )
    if (model := getattr(settings, "model", None)) is not None:
        find_model(model)


def _check_others(method: Method, others: Mapping[str, str | Path]) -> None:
    """Refuse further inputs that are missing, unknown or nowhere."""
    for each in method.others:
        if not each.optional and each.name not in others:
            raise DiffuscopeError(
                f"{method.title} needs {each.name} for the images; name a file, a folder or a pattern for them."
            )
    for name, value in others.items():
        if name not in {each.name for each in method.others}:
            raise DiffuscopeError(f"{method.title} takes no {quoted(name)} beside the images; leave it out.")
        if "{" not in str(value) and not Path(value).exists():
            raise DiffuscopeError(f"There is no file or folder {str(value)!r} for {name}; check the path.")
        if not Path(value).exists():
            checked_pattern(str(value))


def _without_results(
    names: Names, images: Sequence[tuple[Path, Path]]
) -> tuple[list[tuple[Path, Path]], list[Path]]:
    """Images without those that are results of others among them, and these."""
    makers = {place: path for path, output in names.plain(images) for place in names.places(output)}
    kept, results = [], []
    for path, below in images:
        maker = makers.get(names.places(path)[0])
        if maker is not None and maker != path and _was_made_from(path, maker):
            results.append(path)
        else:
            kept.append((path, below))
    return kept, results


def _was_made_from(result: Path, image: Path) -> bool:
    """Whether the record of a file says so."""
    try:
        record = record_of_file(result) or {}
        return Path(str(record["input"]["source"])).name == image.name
    except (DiffuscopeError, LookupError, TypeError):
        return False


def _notes(found: Found, earlier: Sequence[Path], otherwise: Sequence[Item]) -> Iterator[str]:
    if found.left_out:
        yield f"No images by their names, left out: {_some(path.name for path in found.left_out)}."
    if earlier:
        yield f"Results of other images, left out: {_some(path.name for path in earlier)}."
    if found.unseen:
        folders = _some(path.name for path in found.unseen)
        yield f"Not looked into: {folders}. --recursive (Folders in folders) looks into all but links to folders."
    if otherwise:
        names = _some(f"{item.shown} becomes {item.output.name}" for item in otherwise)
        yield f"Images whose results would have the same name: {names}."


def _some(names: Iterable[str]) -> str:
    """The first few of many names."""
    listed = [printable(name) for name in names]
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
