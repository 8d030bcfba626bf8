"""Zeiss CZI, by Zeiss' own library: scenes, parts of planes, tiles put together at their places."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import product
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.memory import check_room
from napari_diffuscope.imaging.microscope.stack import Stack, left_aside, tiles_note, true_sizes
from napari_diffuscope.imaging.scenes import SeriesInfo
from napari_diffuscope.imaging.views import LazyArray, full_index

_TYPES = {
    "gray8": "u1",
    "gray16": "u2",
    "gray32": "u4",
    "gray32float": "f4",
    "bgr24": "u1",
    "bgr48": "u2",
    "bgr96float": "f4",
}
_IMAGE = "./Metadata/Information/Image"
_COUNTED = "TCZ"


class CziPixels(LazyArray):
    """Array over one scene: an index reads those parts of planes that it touches.

    The file is opened for each reading and closed again.

    Parameters
    ----------
    path
        The file.
    scene
        Its number in the file; ``None`` where that has no scenes.
    corner
        ``(x, y)`` of the scene in the file.
    starts
        First index along T, C and Z.
    shape
        Lengths along T, C, Z, Y, X, and 3 for colours.
    dtype
        Pixel type.
    """

    def __init__(
        self,
        path: Path,
        scene: int | None,
        corner: tuple[int, int],
        starts: Sequence[int],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._path, self._scene, self._corner, self._starts = path, scene, corner, tuple(starts)
        self.shape, self.dtype = shape, dtype

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        ranges = [range(part, part + 1) if isinstance(part, int) else range(part.start, part.stop, part.step)
                  for part in full]  # fmt: skip
        lengths = [len(one) for one in ranges]
        with reading(self._path, "Zeiss CZI"):
            check_room(prod(lengths) * self.dtype.itemsize, f"That part of {self._path.name}")
            values = np.empty(lengths, self.dtype)
            if values.size:
                self._fill(values, ranges)
        return values[tuple(0 if isinstance(part, int) else slice(None) for part in full)]

    def _fill(self, values: np.ndarray, ranges: Sequence[range]) -> None:
        from pylibCZIrw import czi

        rows, columns = ranges[3], ranges[4]
        corner = (self._corner[0] + columns[0], self._corner[1] + rows[0])
        roi = (*corner, columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
        with self._path.open("rb"):  # what is wrong with the file itself is told better than by the library
            pass
        with czi.open_czi(str(self._path)) as document:
            for place in product(*(range(len(one)) for one in ranges[:3])):
                at = [start + one[i] for start, one, i in zip(self._starts, ranges, place, strict=False)]
                plane = dict(zip(_COUNTED, at, strict=True))
                part = document.read(roi=roi, plane=plane, scene=self._scene)
                part = part[:: rows.step, :: columns.step]
                values[place] = part[..., ::-1][..., ranges[5]] if len(self.shape) == 6 else part[..., 0]


class CziFile:
    """An open file.

    Parameters
    ----------
    path
        Which.
    """

    def __init__(self, path: Path) -> None:
        from pylibCZIrw import czi

        self._path = path
        with czi.open_czi(str(path)) as document:
            self._bounds = dict(document.total_bounding_box_no_pyramid)
            self._corners = dict(document.scenes_bounding_rectangle_no_pyramid)
            types = {str(one).lower() for one in document.pixel_types.values()}
            self._xml = ElementTree.fromstring(document.raw_metadata)
        if not types or types - set(_TYPES):
            raise ValueError(f"its pixels are of the type {', '.join(sorted(types)) or 'none'}")
        self._colours = all(one.startswith("bgr") for one in types)
        self._dtype = np.result_type(*(np.dtype(_TYPES[one]) for one in types))

    @property
    def scene_names(self) -> list[str]:
        """As the microscope's program called them; empty texts where the file does not say."""
        described = {
            one.get("Index"): one for one in self._xml.findall(f"{_IMAGE}/Dimensions/S/Scenes/Scene")
        }
        return [_name_of(described.get(str(index))) for index in sorted(self._corners)] or [""]

    def scenes(self) -> list[SeriesInfo]:
        """All scenes with their sizes."""
        return [self._info(number, name) for number, name in enumerate(self.scene_names)]

    def _info(self, number: int, name: str) -> SeriesInfo:
        lengths = {letter: stop - start for letter, (start, stop) in self._window(number).items()}
        kept = "".join(letter for letter in "TCZYX" if lengths[letter] > 1 or letter in "YX")
        shape = (*(lengths[letter] for letter in kept), *((3,) if self._colours else ()))
        size = prod(shape) * self._dtype.itemsize
        return SeriesInfo(number, name, kept + "S" * self._colours, shape, str(self._dtype), size)

    def _window(self, number: int) -> dict[str, tuple[int, int]]:
        """First index and the one behind the last, along each axis."""
        window = {letter: self._bounds.get(letter, (0, 1)) for letter in "TCZYX"}
        if self._corners:
            box = self._corners[sorted(self._corners)[number]]
            window |= {"Y": (box.y, box.y + box.h), "X": (box.x, box.x + box.w)}
        return window

    def stack(self, number: int) -> Stack:
        """One of the scenes."""
        window = self._window(number)
        shape = tuple(stop - start for start, stop in window.values()) + ((3,) if self._colours else ())
        scene = sorted(self._corners)[number] if self._corners else None
        corner = (window["X"][0], window["Y"][0])
        pixels = CziPixels(
            self._path, scene, corner, [window[letter][0] for letter in _COUNTED], shape, self._dtype
        )
        return Stack(
            pixels,
            "TCZYX" + "S" * self._colours,
            self._sizes(),
            self._channels(),
            tuple(self._notes()),
        )

    def _notes(self) -> list[str]:
        more = {k: stop - start for k, (start, stop) in self._bounds.items() if k not in (*"TCZYX", "M", "S")}
        return left_aside(self._path.name, more) + tiles_note(self._path.name, self._tiles())

    def _tiles(self) -> int:
        with suppress(ValueError):
            return int(self._xml.findtext(f"{_IMAGE}/SizeM") or 1)
        return 1

    def _sizes(self) -> dict[str, tuple[float, str]]:
        steps: dict[str, float | None] = {}
        for letter in "ZYX":
            metres = _number(self._xml.findtext(f"./Metadata/Scaling/Items/Distance[@Id='{letter}']/Value"))
            steps[letter] = None if metres is None else metres * 1e6
        steps["T"] = _number(self._xml.findtext(f"{_IMAGE}/Dimensions/T/Positions/Interval/Increment"))
        return true_sizes(steps)

    def _channels(self) -> tuple[str, ...]:
        names = [one.get("Name", "") for one in self._xml.findall(f"{_IMAGE}/Dimensions/Channels/Channel")]
        return tuple(names) if all(names) else ()


def _name_of(scene: ElementTree.Element | None) -> str:
    """The scene's name, with that of the well where it lies in one."""
    if scene is None:
        return ""
    parts = [scene.get("Name"), *(shape.get("Name") for shape in scene.findall("Shape"))]
    return "-".join(part for part in parts if part)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
