"""2D and 3D, and the way to a cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_diffuscope.viewer.layers import appearance
from napari_diffuscope.viewer.shape.plane import OWN_KEY, CellPlane
from napari_diffuscope.viewer.shape.session import ShapeSession, with_axes

CAMERA = ("center", "zoom", "angles")
#: From obliquely above, so that the image plane and the height of the cells are seen.
ANGLES = (0.0, 15.0, 50.0)
#: How much of the window a cell fills that is gone to.
SHARE = 0.35


class ShapeView:
    """Turns the window to 3D around the shapes, and back to the view as it was.

    napari draws a plane in 3D as thick as one unit, and a stack as a volume that hides the shapes. So while the
    window shows 3D a thin copy of the plane stands for the image; it and the outlines are shown again in 2D.

    Parameters
    ----------
    viewer
        The viewer.
    mark
        Put into the metadata of the copy, and in that of all layers that the dock made.
    """

    def __init__(self, viewer: Any, mark: Mapping[str, Any]) -> None:
        self._viewer = viewer
        self._mark = dict(mark)
        self._before: dict[str, Any] | None = None
        self._hidden: list[Any] = []
        self._thin: Any = None
        self._opaque: list[tuple[Any, float]] = []

    def to_3d(self, session: ShapeSession, label: int | None = None) -> None:
        """Show the cells of a session, or one of them, in 3D."""
        viewer, dims = self._viewer, self._viewer.dims
        self._before = {
            "order": tuple(dims.order),
            "ndim": dims.ndim,
            "camera": {name: getattr(viewer.scene.camera, name) for name in CAMERA},
        }
        shown = world_axes(viewer, session.plane, "ZYX")
        self.to_plane(session.plane)
        dims.order = (*(axis for axis in range(dims.ndim) if axis not in shown), *shown)
        self._show_thin(session)
        dims.ndisplay = 3
        viewer.scene.camera.angles = ANGLES
        labels = [label] if label in session.cells else list(session.cells)
        self._frame(session, labels)

    def to_2d(self) -> None:
        """Return to the view as it was before 3D."""
        viewer = self._viewer
        viewer.dims.ndisplay = 2
        self.restore()

    def restore(self) -> None:
        """Show the image again, with order and camera as they were; nothing to do where no 3D was shown."""
        before, self._before = self._before, None
        if before is None:
            return
        viewer = self._viewer
        self._remove_thin()
        added = viewer.dims.ndim - before["ndim"]
        if added >= 0:
            viewer.dims.order = (*range(added), *(axis + added for axis in before["order"]))
        for name in CAMERA:
            setattr(viewer.scene.camera, name, before["camera"][name])

    def _show_thin(self, session: ShapeSession) -> None:
        viewer, plane = self._viewer, session.plane
        for layer in viewer.layers:
            ours = layer.metadata.get(OWN_KEY) == self._mark[OWN_KEY]
            flat = ours and not any(layer == own for own in session.layers.values())
            if layer.visible and (layer == plane.layer or layer == session.outlines or flat):
                self._hidden.append(layer)
                layer.visible = False
        if session.pixels is not None and plane.layer in self._hidden:
            selection = viewer.layers.selection
            active = selection.active
            axes = plane.solid_axes
            self._thin = viewer.add_image(
                with_axes(session.pixels[None], axes),
                name=f"{plane.name} plane",
                contrast_limits=(
                    plane.layer.contrast_limits
                    if not plane.layer.rgb
                    else (float(session.pixels.min()), float(session.pixels.max()) + 1e-6)
                ),
                metadata=dict(self._mark),
                **plane.keywords(axes, (0.0, 0.0, 0.0), 1.0),
                **(appearance(plane.layer) | {"blending": "translucent_no_depth", "rendering": "mip"}),
            )
            viewer.layers.move(len(viewer.layers) - 1, 0)
            selection.active = active
        for kind, layer in session.layers.items():
            if kind == "labels":
                self._opaque.append((layer, layer.opacity))
                layer.opacity = 1.0

    def _remove_thin(self) -> None:
        layers = self._viewer.layers
        for layer in self._hidden:
            if layer in layers:
                layer.visible = True
        for layer, opacity in self._opaque:
            layer.opacity = opacity
        if self._thin is not None and self._thin in layers:
            layers.remove(self._thin)
        self._hidden, self._opaque, self._thin = [], [], None

    def to_plane(self, plane: CellPlane) -> None:
        """Set the sliders to a plane: where its shapes have their middle."""
        viewer = self._viewer
        world = plane.in_world(0, 0)
        for letter, value in zip(plane.axes, world, strict=True):
            if letter not in "YX":
                viewer.dims.set_point(world_axes(viewer, plane, letter)[0], float(value))
        if "Z" not in plane.axes and viewer.dims.ndim > plane.layer.ndim:
            viewer.dims.set_point(world_axes(viewer, plane, "Z")[0], 0.0)

    def to_cell(self, session: ShapeSession, label: int) -> None:
        """Bring a cell into the middle of the window."""
        self.to_plane(session.plane)
        self._frame(session, [label])
        layer = session.layers.get("labels")
        if layer is not None:
            layer.selected_label = label

    def _frame(self, session: ShapeSession, labels: list[int]) -> None:
        """Move the camera to some cells, and as near as shows them whole."""
        boxes = [world_box(session, label) for label in labels if label in session.cells]
        if not boxes:
            return
        camera, canvas = self._viewer.scene.camera, self._viewer.canvas
        low = np.min([box[0] for box in boxes], axis=0)
        high = np.max([box[1] for box in boxes], axis=0)
        camera.center = tuple((low + high) / 2)
        share = SHARE if len(boxes) == 1 else 0.7
        camera.zoom = share * float(min(canvas.size)) / float(max(high - low))


def world_axes(viewer: Any, plane: CellPlane, letters: str) -> list[int]:
    """Axes of the viewer that letters of a plane's shapes lie along."""
    axes = plane.solid_axes
    return [viewer.dims.ndim - len(axes) + axes.index(letter) for letter in letters]


def world_box(session: ShapeSession, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner ``(z, y, x)`` of a cell in world coordinates."""
    plane, shape = session.plane, session.cells[label]
    size = session.pixel_size_of(shape)
    low = np.asarray(shape.origin) / size
    high = low + (np.asarray(shape.occupied.shape) - 1) * shape.voxel_size / size
    letters = [plane.axes.index(letter) for letter in "YX"]
    corners = np.array([plane.in_world(y, x)[letters] for y in (low[1], high[1]) for x in (low[2], high[2])])
    keywords = plane.keywords(plane.solid_axes, (float(low[0]), 0.0, 0.0), 1.0)
    z = plane.solid_axes.index("Z")
    bottom = float(keywords["translate"][z])
    top = bottom + (high[0] - low[0]) * float(keywords["scale"][z])
    flat_low, flat_high = corners.min(axis=0), corners.max(axis=0)
    return np.array([bottom, *flat_low]), np.array([top, *flat_high])
