"""A layer that shows what was sampled of other layers, at its place in the world."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.viewer.compare.sampling import PlaneGrid
from napari_diffuscope.viewer.compare.volume import VolumeGrid
from napari_diffuscope.viewer.layer_choice import DISPLAY_KEY
from napari_diffuscope.viewer.layers import same_selection, same_view


class Patch:
    """One layer of the viewer whose pixels come and go with what is in view.

    Parameters
    ----------
    viewer
        The viewer.
    name
        Its name in the layer list.
    """

    def __init__(self, viewer: Any, name: str) -> None:
        self._viewer, self.name = viewer, name
        self._kind = ""
        self._worn: dict[str, Any] = {}
        self.layer: Any = None
        self._matrix: np.ndarray | None = None

    @property
    def there(self) -> bool:
        """Whether the layer is in the viewer; the user may have removed it."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(
        self, values: np.ndarray, grid: PlaneGrid | VolumeGrid, look: dict[str, Any], *, labels: bool = False
    ) -> None:
        """Show sampled values.

        Parameters
        ----------
        values
            As `sample` gives them.
        look
            Keywords of the layer: colormap, contrast and the like.
        """
        if 0 in values.shape:
            self.hide()
            return
        kind = "labels" if labels else "colours" if values.ndim > len(grid.shape) else "grey"
        placed, matrix = _in_world(self._viewer, values, grid)
        if not self.there or kind != self._kind or self.layer.ndim != len(matrix) - 1:
            self.remove()
            self._add(kind, placed, matrix, look)
            return
        self.layer.data = placed
        if self._matrix is None or not np.array_equal(matrix, self._matrix):
            self.layer.affine = self._matrix = matrix
        self.wear(look)
        if not self.layer.visible:
            self.layer.visible = True

    def wear(self, look: dict[str, Any]) -> None:
        """Change how it looks, not what it shows."""
        if not self.there:
            return
        for name, value in look.items():
            worn = self._worn.get(name)
            if worn is not value and not (isinstance(value, tuple | float | str) and worn == value):
                setattr(self.layer, name, value)
        self._worn = dict(look)

    def hide(self) -> None:
        """Show nothing, keeping the layer."""
        if self.there and self.layer.visible:
            self.layer.visible = False

    def reveal(self) -> None:
        """Show again what was shown last."""
        if self.there and not self.layer.visible:
            self.layer.visible = True

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            with same_selection(self._viewer):
                self._viewer.layers.remove(layer)

    def _add(self, kind: str, values: np.ndarray, matrix: np.ndarray, look: dict[str, Any]) -> None:
        viewer = self._viewer
        units = viewer.layers.extent.units
        keywords = {
            "affine": matrix,
            "metadata": {DISPLAY_KEY: True},
            "axis_labels": tuple(viewer.dims.axis_labels),
            **({"units": tuple(units)} if units is not None else {}),
            **({"name": self.name} | look),
        }
        with same_view(viewer), same_selection(viewer):
            if kind == "labels":
                self.layer = viewer.add_labels(values, **keywords)
            else:
                self.layer = viewer.add_image(values, rgb=kind == "colours", multiscale=False, **keywords)
        self._kind, self._matrix, self._worn = kind, matrix, dict(look)


def _in_world(viewer: Any, values: np.ndarray, grid: PlaneGrid | VolumeGrid) -> tuple[np.ndarray, np.ndarray]:
    """The values with all axes of the viewer, and the matrix that puts them to their place."""
    count = viewer.dims.ndim
    if isinstance(grid, VolumeGrid):
        return _volume_in_world(viewer, values, grid)
    rows, columns = grid.axes
    plane = values if rows < columns else values.swapaxes(0, 1)
    shape = [1] * count
    shape[rows], shape[columns] = grid.shape
    matrix = np.eye(count + 1)
    for axis, step in enumerate(viewer.dims.range):
        matrix[axis, axis] = step.step or 1.0
    for number, axis in enumerate(grid.axes):
        matrix[:count, axis] = grid.steps[:, number]
    matrix[:count, count] = grid.origin
    return plane.reshape(*shape, *values.shape[2:]), matrix


def _volume_in_world(viewer: Any, values: np.ndarray, grid: VolumeGrid) -> tuple[np.ndarray, np.ndarray]:
    count = viewer.dims.ndim
    shape = [1] * count
    matrix = np.eye(count + 1)
    for axis, length, step in zip(grid.axes, grid.shape, grid.step, strict=True):
        shape[axis], matrix[axis, axis] = length, step
    matrix[:count, count] = grid.origin
    placed = values.transpose(np.argsort(grid.axes)).reshape(shape)
    return placed, matrix
