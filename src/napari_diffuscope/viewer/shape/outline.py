"""The Labels layer in which clicked cells are outlined, and can be corrected by painting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.shape.plane import CellPlane
from napari_diffuscope.viewer.shape.session import with_axes

#: Most cells of one layer: its numbers are of 16 bits.
MOST = 65_535
CUT = (
    "Cell {} was cut off from what it touches; if half of it is missing, uncheck Cut touching cells apart and click "
    "again, or paint it."
)
#: Most pixels, and the largest label, in which cells are counted while the user looks.
MOST_COUNTED = 2**24


class Outlines:
    """Own Labels layers, one for each plane that was clicked in.

    Parameters
    ----------
    viewer
        The viewer.
    mark
        Put into the metadata of the layers.
    """

    def __init__(self, viewer: Any, mark: Mapping[str, Any]) -> None:
        self._viewer = viewer
        self._mark = {RECORD_KEY: {"method": "outlines"}, **mark}
        self._layers: dict[tuple[Any, ...], Any] = {}
        self._cut: dict[tuple[Any, ...], set[int]] = {}

    def layer(self, plane: CellPlane) -> Any:
        """The layer of a plane, or ``None`` where there is none (any more)."""
        layer = self._layers.get(plane.key)
        return layer if layer is not None and layer in self._viewer.layers else None

    def array(self, plane: CellPlane) -> np.ndarray | None:
        """The labels ``(Y, X)`` of a plane, the memory of the layer itself."""
        layer = self.layer(plane)
        if layer is None:
            return None
        first = tuple(slice(None) if letter in "YX" else 0 for letter in plane.axes)
        found: np.ndarray = layer.data[first]
        return found if plane.axes.index("Y") < plane.axes.index("X") else found.T

    def at(self, plane: CellPlane, y: float, x: float) -> int:
        """Label at a place, 0 for none."""
        labels = self.array(plane)
        return 0 if labels is None else label_at(labels, (y, x))

    def remarks(self, plane: CellPlane) -> dict[int, str]:
        """What is to be said of outlines of a plane, by label: those that were cut off from what they touched."""
        return {label: CUT.format(label) for label in self._cut.get(plane.key, ())}

    def draw(self, plane: CellPlane, label: int, outline: Any) -> int:
        """Outline a cell.

        Parameters
        ----------
        plane
            Where it is.
        label
            The cell whose outline is replaced; 0 for a new one.
        outline
            Its `Outline`; pixels that another cell has meanwhile stay with that.

        Returns
        -------
        int
            Its label.
        """
        if self.layer(plane) is None:
            self._add(plane)
        labels = self.array(plane)
        assert labels is not None
        number = label or int(labels.max()) + 1
        if number > MOST:
            raise DiffuscopeError(
                f"There are {MOST} outlines in this plane already; save them and begin anew."
            )
        cut = self._cut.setdefault(plane.key, set())
        (cut.add if outline.cut else cut.discard)(number)
        labels[labels == number] = 0
        part = labels[outline.slices]
        part[outline.mask & (part == 0)] = number
        layer = self.layer(plane)
        layer.selected_label = number
        layer.refresh()
        return number

    def _add(self, plane: CellPlane) -> None:
        labels = np.zeros((1, *plane.image.plane_shape), np.uint16)
        self._layers[plane.key] = self._viewer.add_labels(
            with_axes(labels, plane.axes) if "Z" in plane.axes else with_axes(labels, "Z" + plane.axes)[0],
            name=f"{plane.name} outlines",
            metadata=dict(self._mark),
            **plane.keywords(plane.axes, (0.0, 0.0, 0.0), 1.0),
        )
        self._layers[plane.key].contour = 2


def numbers_in(labels: Any) -> int | None:
    """How many cells labels ``(Y, X)`` hold; ``None`` where counting would take a while."""
    if not isinstance(labels, np.ndarray) or labels.size > MOST_COUNTED or labels.dtype.kind not in "ui":
        return None
    if labels.size == 0 or int(labels.max()) > MOST_COUNTED:
        return None
    return int(np.count_nonzero(np.bincount(labels.ravel())[1:]))


def label_at(labels: np.ndarray, place: tuple[float, float]) -> int:
    """Label at a place of a plane, 0 outside of it."""
    y, x = (round(float(at)) for at in place)
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    return int(labels[y, x]) if inside else 0
