"""How the results of a batch are called, so that none hides another or an image. Free of torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.finding import outer_of
from napari_diffuscope.batches.table import TABLE
from napari_diffuscope.errors import DiffuscopeError, printable, quoted, shortened
from napari_diffuscope.imaging.formats import is_named_like_image
from napari_diffuscope.imaging.listing import entries_of, is_folder
from napari_diffuscope.methods.method import Method, loaded
from napari_diffuscope.methods.storing import ENDINGS, beside_name

DEFAULT_ENDING = ".tif"

LONGEST_NAME = 255
"""Bytes of a name that file systems take."""


def name_of(path: Path) -> str:
    """Name of an image file without its ending; of an image inside of another, that and the way to it."""
    if (outer := outer_of(path)) != path:
        return "_".join((name_of(outer), *path.relative_to(outer).parts))
    ending = next((each for each in ENDINGS if path.name.lower().endswith(each)), path.suffix)
    return path.name[: len(path.name) - len(ending)] or path.name


def shown_name(path: Path) -> str:
    """What to call an image among others: the name of its file, and the way to it inside of that."""
    outer = outer_of(path)
    return printable((Path(outer.name) / path.relative_to(outer)).as_posix())


def in_folders(method: Method) -> bool:
    """Whether the result of one image is a folder."""
    into: Any = loaded(method.destination)
    return bool(into.is_folder)


@dataclass(frozen=True)
class Names:
    """How results are called.

    Parameters
    ----------
    method, settings
        What is done.
    folder
        Where results go.
    pattern
        Of their names; ``None`` for those of the images, in folders as they lie in.
    """

    method: Method
    settings: Any
    folder: Path
    pattern: str | None = None

    def words(self, path: Path, below: Path, number: int) -> dict[str, Any]:
        """What a pattern may hold, of one image."""
        parent = below.as_posix() if below.parts else outer_of(path.absolute()).parent.name
        model = Path(str(getattr(self.settings, "model", ""))).name
        return {
            "name": name_of(path),
            "folder": parent,
            "method": self.method.name,
            "model": model,
            "number": number,
        }

    def results(self, images: Sequence[tuple[Path, Path]]) -> list[Path]:
        """The result of each image.

        Images whose results would be called alike are told apart by the endings of their own names, where no pattern
        was chosen.

        Raises
        ------
        DiffuscopeError
            If a name leads out of the folder, is too long, or has no ending that can be written.
        """
        outputs = [output for _, output in self.plain(images)]
        if self.pattern is None:
            counts = Counter(place for output in outputs for place in self.places(output))
            for number, (path, _) in enumerate(images):
                output = outputs[number]
                if any(counts[place] > 1 for place in self.places(output)):
                    outputs[number] = output.with_name(f"{_with_ending(path)}{self._ending}")
        for output in outputs:
            self._check(output)
        return outputs

    def plain(self, images: Sequence[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
        """Each image and its result as it is called if no other is in the way."""
        if self.pattern is None:
            return [(path, self.folder / below / f"{name_of(path)}{self._ending}") for path, below in images]
        words = (self.words(path, below, number) for number, (path, below) in enumerate(images, 1))
        return [
            (path, self.folder / self.pattern.format(**each))
            for (path, _), each in zip(images, words, strict=True)
        ]

    @property
    def _ending(self) -> str:
        return "" if in_folders(self.method) else DEFAULT_ENDING

    def places(self, output: Path) -> list[str]:
        """Where a result may be written, and what lies beside it, as the file system tells them apart."""
        outputs = [output, *(beside_name(output, name) for name in self.method.beside)]
        return [os.path.normcase(os.path.abspath(each)) for each in outputs]

    def _check(self, output: Path) -> None:
        name = quoted(str(output.relative_to(self.folder)) if self.folder in output.parents else str(output))
        folder, place = os.path.abspath(self.folder), os.path.abspath(output)
        if not place.startswith(os.path.join(folder, "")) or place == os.path.join(folder, TABLE):
            raise DiffuscopeError(
                f"A result called {name} would not lie in the folder of results, or be in the way of its table; "
                "choose other names of results."
            )
        if any(len(os.fsencode(part)) > LONGEST_NAME for part in output.parts):
            raise DiffuscopeError(
                f"The name {name} of a result is too long; choose shorter names of results."
            )
        if not in_folders(self.method) and not output.name.lower().endswith(ENDINGS):
            raise DiffuscopeError(
                f"A result called {name} is of no kind that can be written; end the names of results in "
                ".tif or .ome.zarr, such as {name}_result.tif."
            )


def check_apart(names: Names, items: Iterable[tuple[Path, Path]]) -> None:
    """Refuse two results at one place, and results in the place of images.

    Parameters
    ----------
    names
        How results are called.
    items
        Images and their results.

    Raises
    ------
    DiffuscopeError
        Naming what is in the way of what.
    """
    items = list(items)
    images = {os.path.normcase(os.path.abspath(source)): source for source, _ in items}
    earlier: dict[str, Path] = {}
    for source, output in items:
        for place in names.places(output):
            if (image := images.get(place)) is not None:
                raise DiffuscopeError(
                    f"The result of {shortened(str(source))} would take the place of the image "
                    f"{shortened(str(image))}; "
                    "choose another folder, or names of results such as {name}_result.tif."
                )
            other = earlier.setdefault(place, source)
            if other is not source:
                apart = (
                    "{folder}" if other.parent != source.parent and other.name == source.name else "{number}"
                )
                raise DiffuscopeError(
                    f"{shortened(str(other))} and {shortened(str(source))} would both become {Path(place).name}; "
                    f"add {apart} to the names of results."
                )


def other_file(name: str, value: str | Path, words: Mapping[str, Any], below: Path) -> Path:
    """The file of a further input that belongs to an image.

    Parameters
    ----------
    name
        Of the input.
    value
        One file, a folder, or a pattern that `checked_pattern` accepts.
    words
        Of the image.
    below
        Folder of the image below that which was named: files lie in the same folders, or all in one.

    Raises
    ------
    DiffuscopeError
        If several files of a folder have the name of the image.
    """
    path = Path(value)
    if not is_folder(path):
        return path if path.exists() else Path(str(value).format(**words))
    place = path / below if (path / below).is_dir() else path
    alike = [
        each for each in entries_of(place) if is_named_like_image(each) and name_of(each) == words["name"]
    ]
    if len(alike) > 1:
        raise DiffuscopeError(
            f"Several files in {place} are called {words['name']!r}; give a pattern, such as "
            f"--{name} {place}/{{name}}.tif."
        )
    return alike[0] if alike else place / f"{words['name']}{DEFAULT_ENDING}"


def _with_ending(path: Path) -> str:
    """``cells_jpg`` of cells.jpg."""
    name = name_of(path)
    ending = outer_of(path).name[len(name_of(outer_of(path))) :].replace(".", "_")
    return f"{name}{ending}"
