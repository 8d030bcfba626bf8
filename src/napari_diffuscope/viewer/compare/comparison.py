"""Which layers are compared, where they overlap, and which plane of them the window shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.contrast import SPREAD
from napari_diffuscope.viewer.layer_choice import DISPLAY_KEY

FEWEST, MOST = 2, 9


class Comparison(QObject):
    """The layers that are compared, the reference first.

    Signals: ``changed``, other layers or another order (also where a layer was removed from the viewer); ``moved``,
    the sliders, the order of the axes or 2D and 3D; ``edited``, pixels or the place of a compared layer; ``renamed``.

    Parameters
    ----------
    viewer
        The viewer.
    """

    changed = Signal()
    moved = Signal()
    edited = Signal()
    renamed = Signal()

    def __init__(self, viewer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self._layers: list[Any] = []
        viewer.layers.events.removed.connect(self._drop_removed)
        for emitter in self._moving():
            emitter.connect(self._tell_moved)

    @property
    def layers(self) -> list[Any]:
        """The compared layers, the reference first; any number, as chosen."""
        return list(self._layers)

    @property
    def reference(self) -> Any:
        """What the others are compared with, or ``None``."""
        return self._layers[0] if self._layers else None

    @property
    def others(self) -> list[Any]:
        """All but the reference."""
        return self._layers[1:]

    @property
    def ready(self) -> bool:
        """Whether there are layers enough, and not too many."""
        return not self.complaint

    @property
    def complaint(self) -> str:
        """Why nothing can be compared, in one sentence; empty where all is well."""
        if not self._layers:
            return "Open the images that you want to compare, and choose at least two of them."
        if len(self._layers) < FEWEST:
            return f"Choose at least one more layer to compare with {self.reference.name!r}."
        if len(self._layers) > MOST:
            return f"{len(self._layers)} layers are chosen; choose at most {MOST}, more cannot be told apart."
        return ""

    @property
    def field(self) -> np.ndarray | None:
        """The box in world coordinates that all layers share, half a pixel beyond their outermost centres.

        Returns
        -------
        numpy.ndarray or None
            ``(2, D)``, least and largest coordinate along each of the viewer's D axes, in the units of the viewer;
            infinite along axes that no layer has. For rotated layers it is the box around them. ``None`` where they do
            not overlap, or nothing is compared.
        """
        if not self._layers:
            return None
        boxes = np.array([world_box(self.viewer, layer) for layer in self._layers])
        lower, upper = boxes[:, 0].max(0), boxes[:, 1].min(0)
        return np.array([lower, upper]) if (lower < upper).all() else None

    @property
    def plane(self) -> tuple[float, ...]:
        """World coordinates at which the sliders stand, along all axes of the viewer."""
        return tuple(float(at) for at in self.viewer.dims.point)

    @property
    def displayed(self) -> tuple[int, ...]:
        """Axes of the viewer that the window shows, two or three."""
        return tuple(self.viewer.dims.displayed)

    def choose(self, layers: Sequence[Any]) -> None:
        """Compare other layers, the first one being the reference."""
        if list(layers) == self._layers:
            return
        self._connect(False)
        self._layers = list(layers)
        self._connect(True)
        self.changed.emit()

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        self._connect(False)
        self._layers = []
        self.viewer.layers.events.removed.disconnect(self._drop_removed)
        for emitter in self._moving():
            emitter.disconnect(self._tell_moved)

    def _moving(self) -> list[Any]:
        events = self.viewer.dims.events
        return [events.point, events.order, events.ndisplay]

    def _connect(self, connect: bool) -> None:
        for layer in self._layers:
            events = layer.events
            for emitter in (
                events.data,
                events.scale,
                events.translate,
                events.rotate,
                events.shear,
                events.affine,
            ):
                (emitter.connect if connect else emitter.disconnect)(self._tell_edited)
            (events.name.connect if connect else events.name.disconnect)(self._tell_renamed)

    def _drop_removed(self, event: Any = None) -> None:
        self.choose([layer for layer in self._layers if layer in self.viewer.layers])

    def _tell_moved(self, event: Any = None) -> None:
        self.moved.emit()

    def _tell_renamed(self, event: Any = None) -> None:
        self.renamed.emit()

    def _tell_edited(self, event: Any = None) -> None:
        self.edited.emit()


def comparable(layer: Any) -> bool:
    """Whether a layer can be compared: an image or labels, and not one that only shows a comparison."""
    return isinstance(layer, Image | Labels) and DISPLAY_KEY not in layer.metadata


def is_deviation(layer: Any) -> bool:
    """Whether a layer holds the deviation of a result."""
    record = layer.metadata.get(RECORD_KEY)
    return isinstance(record, dict) and record.get("output") == SPREAD


def unit_factors(viewer: Any, layer: Any) -> np.ndarray:
    """Units of a layer in one unit of the viewer, along the layer's axes: 1000 for nm in a window that counts in µm."""
    world = viewer.layers.extent.units
    if world is None:  # they do not go together, and napari takes them all for the same
        return np.ones(layer.ndim)
    pairs = zip(tuple(world)[-layer.ndim :], layer.units, strict=True)
    return np.array([float((1 * window).to(own).magnitude) for window, own in pairs])


def world_box(viewer: Any, layer: Any) -> np.ndarray:
    """``(2, D)``: the box around a layer in world coordinates; infinite along axes that it has not."""
    count = viewer.dims.ndim
    box = np.array([np.full(count, -np.inf), np.full(count, np.inf)])
    data = layer.data[0] if layer.multiscale else layer.data
    corners = np.array(np.meshgrid(*([-0.5, length - 0.5] for length in data.shape[: layer.ndim]))).reshape(
        layer.ndim, -1
    )
    world = np.array([layer.data_to_world(corner) for corner in corners.T])[:, -layer.ndim :]
    world = world / unit_factors(viewer, layer)
    box[:, count - layer.ndim :] = world.min(0), world.max(0)
    return box
