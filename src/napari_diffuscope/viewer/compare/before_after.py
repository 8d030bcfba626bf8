"""Before and after: all layers beside each other, cut along z, and the way back to the view as it was."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.viewer.compare.cells import best_shape, show_names
from napari_diffuscope.viewer.compare.view_state import ViewState, restored_on_error

#: Layers that are put into one row or column; more make a square.
MOST_IN_LINE = 4


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
        self._state = ViewState(viewer)

    @property
    def shown(self) -> bool:
        """Whether the view is on."""
        return self._state.taken

    def show(self, layer: Any, axes: str, row: int) -> None:
        """Cut along z and put the layers beside each other.

        Parameters
        ----------
        layer, axes
            The stack, and the letters of its dimensions.
        row
            Index along y at which to cut.
        """
        self._state.take()
        with restored_on_error(self._state):
            self._cut(layer, axes, row)
            grid = self._viewer.canvas.grid
            grid.stride, grid.shape, grid.enabled = 1, self._shape(layer, axes), True
            grid.spacing = max(grid.spacing, 4)
            show_names(self._viewer, list(self._viewer.layers))
            self._viewer.reset_view()

    def restore(self) -> None:
        """Return to the view as it was; what the user opened meanwhile stays."""
        if not self.shown:
            return
        for layer in self._viewer.layers:
            if not self._state.knows(layer):
                layer.name_overlay.visible = False
        self._state.restore()

    def _cut(self, layer: Any, axes: str, row: int) -> None:
        viewer = self._viewer
        first = viewer.dims.ndim - layer.ndim
        cut = [first + axes.index(letter) for letter in "YZX"]
        others = [axis for axis in range(viewer.dims.ndim) if axis not in cut]
        corner = np.zeros(layer.ndim)
        corner[axes.index("Y")] = row
        viewer.dims.ndisplay = 2
        viewer.dims.order = (*others, *cut)
        viewer.dims.set_point(cut[0], float(np.asarray(layer.data_to_world(corner))[axes.index("Y")]))

    def _shape(self, layer: Any, axes: str) -> tuple[int, int]:
        """Rows and columns of cells: one row or one column, whichever shows the slices larger; a square for many."""
        count = len(self._viewer.layers)
        if count > MOST_IN_LINE:
            return (-1, -1)
        lengths = np.asarray(layer.extent.world[1] - layer.extent.world[0])[-layer.ndim :]
        size = [float(lengths[axes.index(letter)]) for letter in "ZX"]
        return best_shape(count, size, self._viewer.canvas.size, in_line=True)


def row_in_view(viewer: Any, layer: Any, axes: str) -> int:
    """Index along y that the window shows: the slider's where there is one, else the middle of the view."""
    point = np.array(viewer.dims.point, dtype=float)
    displayed = list(viewer.dims.displayed)
    point[displayed] = np.asarray(viewer.scene.camera.center, dtype=float)[-len(displayed) :]
    place = np.asarray(layer.world_to_data(point))[-layer.ndim :]
    data = layer.data[0] if layer.multiscale else layer.data
    last = data.shape[axes.index("Y")] - 1
    return int(min(max(round(float(place[axes.index("Y")])), 0), last))
