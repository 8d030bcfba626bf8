"""Which files are images, by what is in them and by their names. The one inventory of both."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
MICROSCOPE_SUFFIXES = (".czi", ".lif", ".nd2")
SUFFIXES = (*TIFF_SUFFIXES, ".zarr", ".npy", *PICTURE_SUFFIXES, *MICROSCOPE_SUFFIXES)
"""Endings of the names of files that `open_image` understands; what counts is what is in a file."""

METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs")
"""Files of which a folder that is a Zarr array or group has one."""

Kind = Literal["TIFF", "Zarr", "NumPy", "PNG or JPEG", "Zeiss CZI", "Leica LIF", "Nikon ND2", "microscope"]
"""The last one is whatever another installed reader of bioio claims."""

_BEGINNINGS: dict[bytes, Kind] = {
    **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF"),
    b"\x93NUMPY": "NumPy",
    **dict.fromkeys((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"), "PNG or JPEG"),
    b"ZISRAWFI": "Zeiss CZI",
    **dict.fromkeys((b"\xda\xce\xbe\x0a", b"\0\0\0\x0cjP  "), "Nikon ND2"),
    b"\x70\0\0\0": "Leica LIF",
}
_BY_SUFFIX: dict[str, Kind] = {
    **dict.fromkeys(TIFF_SUFFIXES, "TIFF"),
    ".npy": "NumPy",
    **dict.fromkeys(PICTURE_SUFFIXES, "PNG or JPEG"),
    ".czi": "Zeiss CZI",
    ".lif": "Leica LIF",
    ".nd2": "Nikon ND2",
}


def kind_of(path: Path) -> Kind:
    """What is in a file or folder.

    Raises
    ------
    DiffuscopeError
        If there is none, or it is of no kind that can be read.
    """
    if is_zarr(path):
        return "Zarr"
    with reading(path, "image"), path.open("rb") as file:
        beginning = file.read(8)
    for start, kind in _BEGINNINGS.items():
        if beginning.startswith(start):
            return kind
    if known := kind_of_name(path.name):
        return known
    if _has_reader(path):
        return "microscope"
    raise DiffuscopeError(
        f"{str(path)!r} is of no kind that can be read; convert it to one of {', '.join(SUFFIXES)}."
    )


def kind_of_name(name: str) -> Kind | None:
    """What a file is by the ending of its name; ``None`` where that says nothing, and for Zarr."""
    return _BY_SUFFIX.get(Path(name).suffix.lower())


def _has_reader(path: Path) -> bool:
    """Whether another installed reader of bioio claims files of that name."""
    if not path.suffix or find_spec("bioio") is None:
        return False
    from bioio.plugins import get_plugins

    return any(path.name.lower().endswith(ending) for ending in get_plugins(use_cache=True))


def is_zarr(path: str | Path) -> bool:
    """Whether a folder holds a Zarr array or group, whatever it is called: also one inside of another."""
    path = Path(path)
    return path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in METADATA)


def is_named_like_image(path: Path) -> bool:
    """Whether a name has one of the endings of images."""
    return path.suffix.lower() in SUFFIXES


def keeps_sizes(path: str | Path) -> bool:
    """Whether files of that name are of a kind that names axes and pixel sizes."""
    return str(path).lower().rstrip("/").endswith((*TIFF_SUFFIXES, ".zarr", *MICROSCOPE_SUFFIXES))
