"""One over the other, with a divider between them that is dragged."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.viewer.compare.background_reading import read
from napari_diffuscope.viewer.compare.clipping import clip_at
from napari_diffuscope.viewer.compare.in_view import screen_grid
from napari_diffuscope.viewer.compare.overlay import Caption
from napari_diffuscope.viewer.compare.patch import Patch
from napari_diffuscope.viewer.compare.sampling import PlaneGrid, pixels_of, sample
from napari_diffuscope.viewer.compare.stage import Stage, look_of
from napari_diffuscope.viewer.compare.way import Way


class Swipe(Way):
    """The reference on one side of a divider, another layer on the other side.

    In 3D each layer is cut by a clipping plane. In 2D napari clips no image, so each side is a layer of its own, which
    holds what the screen shows of it and not a pixel more.
    """

    name, title, key = "swipe", "Swipe", "H"
    purpose = "Two layers in the same place, with a divider between them that you drag over the image."

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.upright, self.fraction = True, 0.5
        self._patches = (Patch(self.viewer, "swipe: first side"), Patch(self.viewer, "swipe: second side"))
        self._grid: PlaneGrid | None = None
        self._values: tuple[np.ndarray, np.ndarray] | None = None
        self._of: tuple[Any, ...] = ()
        self._shown: tuple[Any, ...] = ()
        self._inside = self._in_volume = False

    def enter(self) -> None:
        """Show both layers and the divider."""
        self._in_volume = self.viewer.dims.ndisplay == 3
        self.stage.present(self.stage.pair if self._in_volume else ())
        divider = self.stage.overlay.divider
        divider.set_up(upright=self.upright, fraction=self.fraction)
        divider.dragged.connect(self._on_dragged)
        self._inside = True
        self._draw_names()
        self.follow()

    def leave(self) -> None:
        """Take divider and sides away."""
        if not self._inside:
            return
        self._inside = False
        divider = self.stage.overlay.divider
        divider.dragged.disconnect(self._on_dragged)
        divider.hide()
        self.stage.overlay.caption([])
        for patch in self._patches:
            patch.hide()
        if self._in_volume:
            for layer in self.stage.pair:
                layer.experimental_clipping_planes = self.stage.state.looks(layer).get("planes", [])

    def turn(self, *, upright: bool) -> None:
        """Let the divider stand upright or lie."""
        self.upright = upright
        if self._inside:
            self.stage.overlay.divider.set_up(upright=upright, fraction=self.fraction)
            self._draw_names()
            self._cut()

    def follow(self) -> None:
        """Show what is in view now."""
        if not self._inside:
            return
        if (self.viewer.dims.ndisplay == 3) != self._in_volume:
            self.leave()
            self.enter()
            return
        if self._in_volume:
            self._cut()
            return
        pair = self.stage.pair
        grid = screen_grid(self.viewer, pair)
        if grid is None:
            self._grid = self._values = None
            for patch in self._patches:
                patch.hide()
        elif grid.same(self._grid) and self._of == pair and self._values is not None:
            self._cut()
        else:
            self._sample(pair, grid)

    def forget(self) -> None:
        """What was sampled is old."""
        self._values, self._shown = None, ()

    def dress(self) -> None:
        """Show the sides in the colours of their layers, with their names."""
        if self._inside:
            self._draw_names()
        if self._inside and not self._in_volume:
            for patch, layer in zip(self._patches, self.stage.pair, strict=True):
                patch.wear(look_of(layer))

    def clear(self) -> None:
        """Remove the layers of the sides."""
        self._grid = self._values = None
        self._shown = ()
        for patch in self._patches:
            patch.remove()

    def _sample(self, pair: tuple[Any, Any], grid: PlaneGrid) -> None:
        sources = [pixels_of(self.viewer, layer) for layer in pair]
        smooth = [str(getattr(layer, "interpolation2d", "nearest")) != "nearest" for layer in pair]

        def values() -> tuple[np.ndarray, np.ndarray]:
            first, second = (
                sample(each, grid, linear=linear) for each, linear in zip(sources, smooth, strict=True)
            )
            return first, second

        def then(result: tuple[np.ndarray, np.ndarray]) -> None:
            self._values, self._grid, self._of = result, grid, pair
            if self._inside and not self._in_volume:
                self._cut()

        read(
            self.stage.background, values, then, key="swipe", at_once=all(each.in_memory for each in sources)
        )

    def _on_dragged(self, fraction: float) -> None:
        self.fraction = fraction
        self._cut()

    def _cut(self) -> None:
        """Let both sides end at the divider."""
        if self._in_volume:
            for layer, second in zip(self.stage.pair, (False, True), strict=True):
                clip_at(self.viewer, layer, self.fraction, upright=self.upright, beyond=second)
            return
        if self._values is None or self._grid is None:
            return
        at, mirrored = self._divided(self._grid)
        sides = (slice(at, None), slice(0, at)) if mirrored else (slice(0, at), slice(at, None))
        self._show(sides)

    def _show(self, sides: tuple[slice, slice]) -> None:
        """Show the rows or columns of each side; nothing is done where they are shown already."""
        assert self._values is not None
        assert self._grid is not None
        shown = (id(self._values), sides[0].start, sides[0].stop, self.upright)
        anew, self._shown = shown != self._shown, shown
        for patch, layer, values, side in zip(
            self._patches, self.stage.pair, self._values, sides, strict=True
        ):
            rows, columns = (slice(None), side) if self.upright else (side, slice(None))
            if not anew and values[rows, columns].size and patch.there:
                patch.reveal()
                continue
            labels = not hasattr(layer, "contrast_limits")
            patch.show(values[rows, columns], self._grid.part(rows, columns), look_of(layer), labels=labels)

    def _divided(self, grid: PlaneGrid) -> tuple[int, bool]:
        """First row or column of the grid beyond the divider, and whether the canvas counts the other way round."""
        number = 1 if self.upright else 0
        camera = self.viewer.scene.camera
        mirrored = str(camera.orientation2d[number]) in ("left", "up")
        length = float(self.viewer.canvas.size[number]) / camera.zoom
        way = (self.fraction - 0.5) * length * (-1 if mirrored else 1)
        place = float(camera.center[number - 2]) + way
        axis = grid.axes[number]
        first = (place - grid.origin[axis]) / grid.steps[axis, number]
        return int(np.clip(np.ceil(first), 0, grid.shape[number])), mirrored

    def _draw_names(self) -> None:
        first, second = (layer.name for layer in self.stage.pair)
        end = Caption(second, right=True) if self.upright else Caption(second, bottom=True)
        self.stage.overlay.caption([Caption(first), end])
