"""The predicted shapes of one plane, and the layers that show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.shape.plane import CellPlane
from napari_diffuscope.viewer.shape.scene import Kind, ShapeScene, Solid, Volume
from napari_diffuscope.viewer.shape.table import feature_columns

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.result import CellShape
    from napari_diffuscope.methods.shape.window import ShapeWindow


class ShapeSession:
    """Shapes of the cells of one plane, outlined by one Labels layer.

    `put` and `preview` may be called in another thread; everything else belongs to the window.

    Parameters
    ----------
    viewer
        The viewer.
    plane
        Where the cells are.
    kind
        How they are shown.
    mark
        Put into the metadata of its layers.
    outlines
        The Labels layer.
    """

    def __init__(
        self, viewer: Any, plane: CellPlane, kind: Kind, mark: Mapping[str, Any], outlines: Any
    ) -> None:
        self._viewer = viewer
        self.outlines = outlines
        self._mark = {RECORD_KEY: {"method": "shape"}, **mark}
        self.plane = plane
        self.kind = kind
        self.cells: dict[int, CellShape] = {}
        self.complaints: dict[int, str] = {}
        self.record: dict[str, Any] = {}
        self.layers: dict[Kind, Any] = {}
        self.scene: ShapeScene | None = None
        self.pixels: np.ndarray | None = None
        self.looked_at = False
        self.closed = False
        self._pixels: dict[int, float] = {}
        self._shown: dict[Kind, tuple[int, Volume | None]] = {}

    # In the thread of the job

    def reserve(self, window: ShapeWindow) -> None:
        """Make room for a cell."""
        scene = self._scene(window.step)
        z, y, x = (place / window.pixel_size for place in window.origin)
        edge = (window.side - 1) * window.step
        scene.reserve((z, y, x), (edge, edge, edge))

    def preview(self, label: int, probability: np.ndarray, window: ShapeWindow) -> None:
        """Show the current estimate of a cell that is being worked on."""
        z, y, x = (place / window.pixel_size for place in window.origin)
        self._put(Solid(label, probability, probability > 0.5, (z, y, x), window.step, provisional=True))

    def put(self, shape: CellShape, pixel_size: float | None) -> None:
        """Take a finished shape, predicted with a pixel size."""
        pixel = pixel_size or 1.0
        z, y, x = (place / pixel for place in shape.origin)
        step = shape.voxel_size / pixel
        self.cells[shape.label] = shape
        self._pixels[shape.label] = pixel
        self._put(Solid(shape.label, shape.probability, shape.occupied, (z, y, x), step))

    def _put(self, solid: Solid) -> None:
        if self.kind == "surface":
            _ = solid.surface  # here, where nobody waits
        self._scene(solid.step).put(solid)

    def _scene(self, step: float) -> ShapeScene:
        if self.scene is None:
            self.scene = ShapeScene(ShapeScene.fitting_step(step))
        return self.scene

    # In the window

    @property
    def features(self) -> dict[str, np.ndarray]:
        """Columns of the features of all cells, by name; ``index`` is the label."""
        return feature_columns(self.cells.values())

    def pixel_size_of(self, shape: CellShape) -> float:
        """The pixel size that lengths of a shape are counted with; 1 where they are in pixels."""
        return self._pixels[shape.label]

    def forget(self, label: int) -> None:
        """Take out a cell whose outline is refused now."""
        self.cells.pop(label, None)
        if self.scene is not None:
            self.scene.remove(label)

    @property
    def where(self) -> str:
        """Where its cells are, in words: the outlines, and the plane of a larger image."""
        return ", ".join(part for part in (str(self.outlines.name), self.plane.where) if part)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.scene is None or self.scene.empty

    def lost(self, removed: Any) -> bool:
        """Note that a layer was removed; whether it was the one that shows the shapes, which ends the session."""
        for kind, layer in list(self.layers.items()):
            if layer == removed:
                del self.layers[kind]
                self._shown.pop(kind, None)
                self.closed = kind == self.kind and not self.empty
        return self.closed

    def settle(self) -> None:
        """Forget what was not finished, and show the rest with its features and record."""
        if self.scene is not None:
            for label, solid in list(self.scene.solids.items()):
                if solid.provisional:
                    self._restore(label)
        self.refresh()
        if self.empty:
            for layer in list(self.layers.values()):
                self._viewer.layers.remove(layer)
        for layer in self.layers.values():
            layer.metadata[RECORD_KEY] = dict(self.record)
            layer.refresh(extent=False)

    def _restore(self, label: int) -> None:
        """The shape that a cell had before, if it had one."""
        if label in self.cells:
            self.put(self.cells[label], self._pixels[label])
        elif self.scene is not None:
            self.scene.remove(label)

    def show_as(self, kind: Kind) -> None:
        """Show the shapes in another way; layers of ours that show them otherwise are hidden."""
        self.kind = kind
        self.refresh()
        for own, layer in self.layers.items():
            layer.visible = own == kind

    def refresh(self) -> None:
        """Show what changed."""
        if self.closed or self.scene is None or self.empty:
            return
        with self.scene.lock:
            self._refresh(self.scene)

    def _refresh(self, scene: ShapeScene) -> None:
        kind, version = self.kind, scene.version
        known, volume = self._shown.get(kind, (-1, None))
        if scene.labels is None or (kind in self.layers and known == version):
            return
        if kind == "surface":
            self._show_surface(scene)
        else:
            volume = self._show_volume(kind, scene.labels if kind == "labels" else scene.probability, volume)
        self._shown[kind] = (version, volume)
        if "labels" in self.layers:
            self.layers["labels"].features = self.features

    def _show_volume(self, kind: Kind, volume: Volume, before: Volume | None) -> Volume:
        layer = self.layers.get(kind)
        if layer is not None and volume is before:
            layer.refresh(extent=False, thumbnail=False)
            return volume
        axes = self.plane.solid_axes
        assert self.scene is not None
        step = self.scene.step
        corner = (volume.corner[0] * step, volume.corner[1] * step, volume.corner[2] * step)
        keywords = self.plane.keywords(axes, corner, step)
        metadata = {**self._mark, **self.plane.size_note(axes, step)}
        array = with_axes(volume.array, axes)
        if layer is not None:
            layer.data, layer.scale, layer.translate = array, keywords["scale"], keywords["translate"]
        elif kind == "labels":
            self.layers[kind] = self._viewer.add_labels(
                array,
                name=f"{self.plane.name} shapes",
                opacity=0.6,
                metadata=metadata,
                **keywords,
            )
            self.layers[kind].iso_gradient_mode = "smooth"
        else:
            self.layers[kind] = self._viewer.add_image(
                array,
                name=f"{self.plane.name} probability",
                contrast_limits=(0, 1),
                colormap=_glow(),
                blending="translucent_no_depth",
                metadata=metadata,
                **keywords,
            )
        return volume

    def _show_surface(self, scene: ShapeScene) -> None:
        vertices, faces, numbers = scene.surface()
        if not len(faces):
            return
        axes = self.plane.solid_axes
        points = np.zeros((len(vertices), len(axes)), np.float32)
        for letter, values in zip("ZYX", vertices.T, strict=True):
            points[:, axes.index(letter)] = values
        layer = self.layers.get("surface")
        if layer is None:
            layer = self._viewer.add_surface(
                (points, faces),
                name=f"{self.plane.name} surfaces",
                shading="smooth",
                vertex_colors=colours(numbers),
                metadata=dict(self._mark),
                **self.plane.keywords(axes, (0.0, 0.0, 0.0), 1.0),
            )
            self.layers["surface"] = layer
        else:
            layer.vertex_colors = None
            layer.data = (points, faces)
            layer.vertex_colors = colours(numbers)


def with_axes(array: np.ndarray, axes: str) -> np.ndarray:
    """A ``(z, y, x)`` array as one with all axes of a layer, of length 1 where it has none of them."""
    solid = [letter for letter in axes if letter in "ZYX"]
    turned = array.transpose(["ZYX".index(letter) for letter in solid])
    return turned[tuple(slice(None) if letter in "ZYX" else None for letter in axes)]


def _glow() -> Any:
    """From transparent, which lets the image be seen, over red to white."""
    from napari.utils.colormaps import Colormap

    colours = [(0.1, 0.0, 0.3, 0.0), (0.7, 0.1, 0.4, 0.5), (1.0, 0.6, 0.2, 0.8), (1.0, 1.0, 0.8, 0.9)]
    return Colormap(colours, name="probability", controls=(0.0, 0.3, 0.7, 1.0))


def colours(numbers: np.ndarray) -> np.ndarray:
    """The colours ``(N, 4)`` that napari gives to labels."""
    from napari.utils.colormaps import label_colormap

    different, inverse = np.unique(numbers, return_inverse=True)
    return np.asarray(label_colormap(49, seed=0.5).map(different))[inverse]
