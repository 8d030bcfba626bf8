"""Before and after: all layers beside each other, cut along z, and the way back to the view as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

GRID = ("enabled", "shape", "stride", "spacing")
CAMERA = ("center", "zoom", "angles")


class BeforeAfter:
    """A temporary view: XZ slices in grid mode, with the names of the layers.

    No layer is hidden or removed, so other open layers are shown as well.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._before: dict[str, Any] | None = None

    @property
    def shown(self) -> bool:
        """Whether the view is on."""
        return self._before is not None

    def show(self, layer: Any, axes: str, row: int) -> None:
        """Cut along z and put the layers beside each other.

        Parameters
        ----------
        layer, axes
            The stack, and the letters of its dimensions.
        row
            Index along y at which to cut.
        """
        viewer = self._viewer
        if self._before is None:
            self._before = self._state()
        first = viewer.dims.ndim - layer.ndim
        cut = [first + axes.index(letter) for letter in "YZX"]
        others = [axis for axis in range(viewer.dims.ndim) if axis not in cut]
        corner = np.zeros(layer.ndim)
        corner[axes.index("Y")] = row
        viewer.dims.ndisplay = 2
        viewer.dims.order = (*others, *cut)
        viewer.dims.set_point(cut[0], float(np.asarray(layer.data_to_world(corner))[axes.index("Y")]))
        grid = viewer.canvas.grid
        grid.stride, grid.shape, grid.enabled = 1, _shape(viewer, layer, axes), True
        grid.spacing = max(grid.spacing, 4)
        for each in viewer.layers:
            each.name_overlay.visible = True
        viewer.reset_view()

    def restore(self) -> None:
        """Return to the view as it was; what the user opened meanwhile stays."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer = self._viewer
        for name in GRID:
            setattr(viewer.canvas.grid, name, before["grid"][name])
        for layer, visible in before["names"]:
            if layer in viewer.layers:
                layer.name_overlay.visible = visible
        for layer in viewer.layers:
            if not any(layer == known for known, _ in before["names"]):
                layer.name_overlay.visible = False
        added = viewer.dims.ndim - len(before["order"])
        order = (*range(added), *(axis + added for axis in before["order"]))
        viewer.dims.order = order if added >= 0 else tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = before["ndisplay"]
        for name in CAMERA:
            setattr(viewer.scene.camera, name, before["camera"][name])

    def _state(self) -> dict[str, Any]:
        viewer = self._viewer
        return {
            "grid": {name: getattr(viewer.canvas.grid, name) for name in GRID},
            "camera": {name: getattr(viewer.scene.camera, name) for name in CAMERA},
            "order": tuple(viewer.dims.order),
            "ndisplay": viewer.dims.ndisplay,
            "names": [(layer, layer.name_overlay.visible) for layer in viewer.layers],
        }


def _shape(viewer: Any, layer: Any, axes: str) -> tuple[int, int]:
    """Rows and columns of cells: one row or one column, whichever shows the slices larger; a square for many."""
    count = len(viewer.layers)
    if count > 4:
        return (-1, -1)
    lengths = np.asarray(layer.extent.world[1] - layer.extent.world[0])[-layer.ndim :]
    depth, width = (float(lengths[axes.index(letter)]) for letter in "ZX")
    high, wide = (float(size) for size in viewer.canvas.size)
    in_row = min(wide / count / width, high / depth)
    in_column = min(wide / width, high / count / depth)
    return (count, 1) if in_column > in_row else (1, count)


def row_in_view(viewer: Any, layer: Any, axes: str) -> int:
    """Index along y that the window shows: the slider's where there is one, else the middle of the view."""
    point = np.array(viewer.dims.point, dtype=float)
    displayed = list(viewer.dims.displayed)
    point[displayed] = np.asarray(viewer.scene.camera.center, dtype=float)[-len(displayed) :]
    place = np.asarray(layer.world_to_data(point))[-layer.ndim :]
    data = layer.data[0] if layer.multiscale else layer.data
    last = data.shape[axes.index("Y")] - 1
    return int(min(max(round(float(place[axes.index("Y")])), 0), last))
