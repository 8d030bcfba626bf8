"""Which images a Zarr group holds: the fields of a plate or a well, the series of bioformats2raw, groups of images.

Read from the metadata alone (NGFF 0.4 and 0.5), so that neither zarr nor any pixel is needed to know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.documents import read_json
from napari_diffuscope.imaging.failures import name_of, refuse_special

Layout = Literal["image", "plate", "well", "collection", "group"]
_LAYOUTS = "bioformats2raw.layout"


@dataclass(frozen=True)
class Inside:
    """One image of a group.

    Parameters
    ----------
    name
        The way to it inside of the group, ``"A/1/0"``, or the name that the metadata give it.
    path
        Folder of its group.
    multiscale
        Its place among the images that the metadata of that folder describe.
    """

    name: str
    path: Path
    multiscale: int = 0


def ome_attributes(path: Path) -> dict[str, Any]:
    """What a folder says of itself in the words of OME-Zarr; empty where it says nothing.

    Raises
    ------
    DiffuscopeError
        If its metadata cannot be read.
    """
    attributes: Any = {}
    for name, entry in (("zarr.json", "attributes"), (".zattrs", None)):
        if (file := path / name).is_file():
            refuse_special(file)
            document = read_json(file, "Zarr")
            attributes = document.get(entry) if entry and isinstance(document, dict) else document
            break
    if not isinstance(attributes, dict):
        return {}
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def layout_of(path: Path) -> Layout:
    """What a group is; ``"image"`` for all that holds no others."""
    attributes = ome_attributes(path)
    if attributes.get("multiscales"):
        return "image"
    for name in ("plate", "well"):
        if isinstance(attributes.get(name), Mapping):
            return name
    if _LAYOUTS in attributes or _numbered(path):
        return "collection"
    return "group" if any(_groups_with_images(path)) else "image"


def images_inside(path: Path) -> tuple[Inside, ...]:
    """The images of a group, in their order; of a group that is no image and holds none, nothing.

    Parameters
    ----------
    path
        Folder of the group.

    Raises
    ------
    DiffuscopeError
        If its metadata cannot be read, or lead out of it.
    """
    attributes = ome_attributes(path)
    if several := attributes.get("multiscales"):
        named = [one.get("name") if isinstance(one, Mapping) else None for one in several]
        return tuple(Inside(str(name or ""), path, place) for place, name in enumerate(named))
    layout = layout_of(path)
    if layout == "plate":
        return tuple(_fields_of_plate(path, attributes["plate"]))
    if layout == "well":
        return tuple(_existing(path, _fields(path, attributes["well"])))
    if layout == "collection":
        return tuple(_existing(path, _series(path)))
    return tuple(_existing(path, _groups_with_images(path)))


def fields_of(path: Path) -> tuple[Path, ...]:
    """Folders of all images of a plate; the path itself where it is none."""
    if layout_of(path) != "plate":
        return (path,)
    return tuple(inside.path for inside in images_inside(path)) or (path,)


def no_image(path: Path, inside: tuple[Inside, ...]) -> DiffuscopeError:
    """The sentence on a plate or group of which nobody said which image is meant."""
    names = ", ".join(one.name for one in inside[:3])
    what = "a plate" if layout_of(path) == "plate" else "no image but a group"
    count = "one image" if len(inside) == 1 else f"{len(inside)} images"
    return DiffuscopeError(
        f"{name_of(path)} is {what} of {count} ({names}{', …' if len(inside) > 3 else ''}); choose one "
        f"with scene, as {inside[0].name}, or open {quoted(str(inside[0].path), 90)}; a batch takes all fields of a "
        "plate."
    )


def _fields_of_plate(path: Path, plate: Mapping[str, Any]) -> Iterator[Inside]:
    for well in _paths(plate, "wells"):
        folder = _within(path, well)
        fields = _fields(folder, ome_attributes(folder).get("well"))
        yield from _existing(path, (f"{well}/{field}" for field in fields))


def _fields(well: Path, described: Any) -> list[str]:
    """Those that a well names, and those that lie in it all the same."""
    named = _paths(described, "images") if isinstance(described, Mapping) else []
    return list(dict.fromkeys([*named, *_numbered(well)]))


def _paths(described: Mapping[str, Any], what: str) -> list[str]:
    entries = described.get(what)
    return [str(one["path"]) for one in entries or () if isinstance(one, Mapping) and "path" in one]


def _existing(path: Path, names: Iterable[str]) -> Iterator[Inside]:
    """Those that are there: plates name wells in which nothing was recorded."""
    for name in names:
        folder = _within(path, name)
        if folder.is_dir():
            yield Inside(name, folder)


def _within(path: Path, name: str) -> Path:
    parts = name.split("/")
    if not all(part and part not in (".", "..") and "\\" not in part for part in parts):
        raise DiffuscopeError(
            f"{name_of(path)} names an image {quoted(name, 60)}, which is no place inside of it."
        )
    return path.joinpath(*parts)


def _series(path: Path) -> list[str]:
    """Of bioformats2raw: as its group OME lists them, else by number."""
    listed = ome_attributes(path / "OME").get("series")
    if isinstance(listed, list) and listed and all(isinstance(one, str) for one in listed):
        return listed
    return _numbered(path)


def _numbered(path: Path) -> list[str]:
    """Groups that are called by numbers; levels of a pyramid, which are arrays, are none."""
    if not path.is_dir():
        return []
    numbers = sorted(int(one.name) for one in path.iterdir() if one.name.isdecimal() and _is_group(one))
    return [str(number) for number in numbers]


def _is_group(path: Path) -> bool:
    if (path / ".zgroup").is_file():
        return True
    file = path / "zarr.json"
    if not file.is_file():
        return False
    document = read_json(file, "Zarr")
    return isinstance(document, dict) and document.get("node_type") == "group"


def _groups_with_images(path: Path) -> Iterator[str]:
    """Names of the folders in a folder that are images."""
    if not path.is_dir() or (path / ".zarray").is_file():
        return
    for one in sorted(path.iterdir()):
        if one.is_dir() and one.name != "labels" and ome_attributes(one).get("multiscales"):
            yield one.name
