"""The plane of an image in which cells are clicked, and the labels that lie over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres, unit_name
from napari_diffuscope.methods.shape.source import square_pixel_size
from napari_diffuscope.viewer.layer_sizes import sizes_of_layer
from napari_diffuscope.viewer.layers import Placed, output_keywords
from napari_diffuscope.viewer.region import current_plane, flat_plane

OWN_KEY = "napari-diffuscope-dock"
"""Key in a layer's metadata that says which open dock made it."""

_NAMES = {"T": "time", "C": "channel", "Z": "z"}


@dataclass(frozen=True, eq=False)
class CellPlane:
    """One plane of a layer.

    Parameters
    ----------
    layer
        The image layer.
    image, axes
        The image made of it, and the letters of the layer's dimensions.
    index
        Of the plane, into the leading axes of the image.
    pixel_size
        In µm, ``None`` where nobody knows.
    """

    layer: Any
    image: Image
    axes: str
    index: tuple[int, ...]
    pixel_size: float | None

    @property
    def flat(self) -> int:
        """Number of the plane."""
        return flat_plane(self.image, self.index)

    @property
    def where(self) -> str:
        """``time 3, channel 1`` (counted as the sliders count, from 0); empty for an image of one plane."""
        lengths = zip(self.image.axes, self.index, self.image.leading_shape, strict=False)
        return ", ".join(f"{_NAMES[letter]} {at}" for letter, at, length in lengths if length > 1)

    @property
    def name(self) -> str:
        """What to call results."""
        return f"{self.layer.name} ({self.where})" if self.where else str(self.layer.name)

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for the same plane of the same layer."""
        return id(getattr(self.layer, "__wrapped__", self.layer)), self.axes, self.index

    def read(self) -> np.ndarray:
        """Its pixels ``(Y, X)`` in the type stored; may take a while."""
        return np.asarray(self.image.data[(*self.index, slice(None), slice(None))])

    def in_plane(self, world: Any) -> tuple[float, float]:
        """``(y, x)`` in pixels of a point in world coordinates."""
        place = np.asarray(self.layer.world_to_data(np.asarray(world)))[-self.layer.ndim :]
        return float(place[self.axes.index("Y")]), float(place[self.axes.index("X")])

    def in_world(self, y: float, x: float) -> np.ndarray:
        """World coordinates, along the axes of the layer, of a place in the plane."""
        return np.asarray(self.layer.data_to_world(self.data_point(y, x)))

    def data_point(self, y: float, x: float) -> np.ndarray:
        """Data coordinates of a place in the plane."""
        places = dict(zip(self.image.axes, self.index, strict=False)) | {"Y": y, "X": x}
        return np.array([places.get(letter, 0) for letter in self.axes], dtype=float)

    def holds(self, point: np.ndarray) -> bool:
        """Whether data coordinates lie in this plane."""
        at = dict(zip(self.axes, point, strict=True))
        return all(
            round(float(at.get(letter, index))) == index
            for letter, index in zip(self.image.axes, self.index, strict=False)
        )

    def keywords(self, axes: str, corner: tuple[float, float, float], step: float) -> dict[str, Any]:
        """Keywords of a layer that lies in or around the plane; parameters as of `placed`."""
        keywords = self.placed(axes, corner, step)
        return {key: keywords[key] for key in keywords if key not in ("multiscale", "rgb", "metadata")}

    def size_note(self, axes: str, step: float) -> dict[str, Any]:
        """Metadata of such a layer: its sizes, where its scale does not show them."""
        metadata: dict[str, Any] = self.placed(axes, (0.0, 0.0, 0.0), step)["metadata"]
        return metadata

    def placed(self, axes: str, corner: tuple[float, float, float], step: float) -> dict[str, Any]:
        """Keywords of an image layer that lies in or around the plane.

        Parameters
        ----------
        axes
            Letters of its dimensions in the order of the layer's, with a new Z first where the layer has none.
        corner
            Place ``(z, y, x)`` of its first element in pixels of the plane, z from the plane.
        step
            Distance of its elements in pixels of the plane.
        """
        across = abs(float(self.layer.scale[self.axes.index("X")]))
        unit = str(self.layer.units[self.axes.index("X")])
        places = dict(zip(self.image.axes, map(float, self.index), strict=False))
        grid = {letter: (self._scale(letter) * step, self._unit(letter)) for letter in "YX"}
        if "Z" in axes and "Z" in self.axes:
            depth = self._in_units_of_z(across, unit)
            grid["Z"] = (depth * step, self._unit("Z"))
            places["Z"] += corner[0] * depth / self._scale("Z")
        elif "Z" in axes:
            grid["Z"] = (across * step, unit)
            places["Z"] = corner[0] / step
        places |= {"Y": corner[1], "X": corner[2]}
        origin = tuple(places.get(letter, 0.0) for letter in axes)
        across_in_um = self.pixel_size
        sizes = {} if across_in_um is None else dict.fromkeys("YX", (across_in_um, "micrometer"))
        return output_keywords(self.layer, Placed(axes, origin), axes=self.axes, grid=grid, typed=sizes)

    @property
    def solid_axes(self) -> str:
        """Axes of a layer that holds shapes: the layer's, with a new Z first where it has none."""
        return self.axes if "Z" in self.axes else "Z" + self.axes

    def _scale(self, letter: str) -> float:
        return abs(float(self.layer.scale[self.axes.index(letter)]))

    def _unit(self, letter: str) -> str:
        return str(self.layer.units[self.axes.index(letter)])

    def _in_units_of_z(self, length: float, unit: str) -> float:
        """A length along x in the unit of z; as it is where nobody knows how they compare."""
        sizes = sizes_of_layer(self.layer, self.axes).steps
        if unit_name(unit) == "pixel" and (wide := to_micrometres(*sizes["X"])):
            deep = to_micrometres(*sizes["Z"])
            return length / self._scale("X") * wide / deep * self._scale("Z") if deep else length
        in_x, in_z = to_micrometres(1.0, unit), to_micrometres(1.0, self._unit("Z"))
        return length * in_x / in_z if in_x and in_z else length


def shown_plane(viewer: Any, layer: Any, image: Image, axes: str, *, typed: float | None = None) -> CellPlane:
    """The plane of a layer that the window shows.

    Parameters
    ----------
    viewer
        The viewer, whose sliders count.
    layer, image, axes
        The layer, the image made of it and the letters of its dimensions.
    typed
        Pixel size in µm that somebody typed.

    Raises
    ------
    DiffuscopeError
        If its pixels are not square.
    """
    index = current_plane(viewer, layer, axes=axes, image=image)
    size = square_pixel_size(image)  # also where one was typed: a shape has one size of voxels
    return CellPlane(layer, image, axes, index, typed or size)


def check_view(viewer: Any, plane: CellPlane) -> None:
    """Check that a click in the window means a place in the plane.

    Raises
    ------
    DiffuscopeError
        If the window shows something else than Y against X in 2D.
    """
    first = viewer.dims.ndim - plane.layer.ndim
    shown = [first + plane.axes.index(letter) for letter in "YX"]
    if viewer.dims.ndisplay != 2 or sorted(viewer.dims.displayed) != sorted(shown):
        raise DiffuscopeError("Cells are clicked in 2D, with Y against X in the window; switch to 2D.")


def labels_reader(viewer: Any, labels: Any, plane: CellPlane) -> Callable[[], np.ndarray]:
    """How to read the labels that lie over a plane: ``(Y, X)``, a copy.

    Pixels in memory are copied at once, so that painting meanwhile changes nothing; others when they are read.

    Parameters
    ----------
    viewer
        The viewer, whose sliders count for axes that the image has not.
    labels
        A Labels layer.
    plane
        The plane.

    Raises
    ------
    DiffuscopeError
        If the labels have other pixels than the image.
    """
    data = labels.data[0] if labels.multiscale else labels.data
    first, own = viewer.dims.ndim - plane.layer.ndim, viewer.dims.ndim - labels.ndim
    y, x = (first + plane.axes.index(letter) - own for letter in "YX")
    if min(y, x) < 0:
        raise DiffuscopeError(f"{labels.name!r} lacks the axes Y and X of {plane.layer.name!r}.")
    if (data.shape[y], data.shape[x]) != plane.image.plane_shape:
        raise DiffuscopeError(
            f"{labels.name!r} has {data.shape[y]} × {data.shape[x]} pixels, but {plane.layer.name!r} "
            f"{' × '.join(map(str, plane.image.plane_shape))}; choose labels of this image."
        )
    _check_together(labels, plane, y, x)
    point = np.array(viewer.dims.point, dtype=float)
    corner = plane.in_world(0, 0)
    point[first:] = corner
    at = np.rint(np.asarray(labels.world_to_data(point))[-labels.ndim :]).astype(int)
    index = tuple(
        slice(None) if axis in (y, x) else int(np.clip(at[axis], 0, data.shape[axis] - 1))
        for axis in range(labels.ndim)
    )

    def read() -> np.ndarray:
        found = np.array(data[index])
        return found if y < x else found.T

    if isinstance(data, np.ndarray):
        copied = read()
        return lambda: copied
    return read


def _check_together(labels: Any, plane: CellPlane, y: int, x: int) -> None:
    """The first and the last pixel of both must lie at the same place."""
    height, width = plane.image.plane_shape
    letters = [plane.axes.index(letter) - plane.layer.ndim for letter in "YX"]
    for row, column in ((0, 0), (height - 1, width - 1)):
        place = np.zeros(labels.ndim)
        place[y], place[x] = row, column
        there = np.asarray(labels.data_to_world(place))[letters]
        here = plane.in_world(row, column)[letters]
        across = abs(float(plane.layer.scale[plane.axes.index("X")]))
        if np.abs(there - here).max() > 0.51 * across:
            raise DiffuscopeError(
                f"{labels.name!r} does not lie over {plane.layer.name!r}; give both the same scale and translation."
            )
