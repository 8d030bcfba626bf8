"""One against the other: their difference, pixel by pixel of the finer one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.compare.background_reading import read
from napari_diffuscope.viewer.compare.in_view import finer_grid
from napari_diffuscope.viewer.compare.overlay import Caption, ColourScale
from napari_diffuscope.viewer.compare.patch import Patch
from napari_diffuscope.viewer.compare.sampling import Pixels, PlaneGrid, luminance, pixels_of
from napari_diffuscope.viewer.compare.stage import Stage
from napari_diffuscope.viewer.compare.volume import VolumeGrid, sampled_on, volume_grid
from napari_diffuscope.viewer.compare.way import Way

Quantity = Literal["absolute", "relative", "deviations"]
#: Blue where the layer lies below the reference, white where they are equal, red where it lies above.
DIVERGING = Colormap(
    [
        [0.02, 0.19, 0.58, 1],
        [0.26, 0.58, 0.86, 1],
        [1, 1, 1, 1],
        [0.94, 0.45, 0.28, 1],
        [0.60, 0.02, 0.08, 1],
    ],
    name="below or above",
)
#: In 3D both are volumes that shine on black: how far above in red, how far below in blue.
ABOVE = Colormap([[0, 0, 0, 1], [1.0, 0.35, 0.2, 1]], name="above")
BELOW = Colormap([[0, 0, 0, 1], [0.25, 0.6, 1.0, 1]], name="below")
#: Error in units of the deviation that is shown at the end of the colours at first.
DEVIATIONS = 4.0
#: Relative differences are shown where the reference is above this part of its largest values in view.
FAINTEST = 0.01


@dataclass(frozen=True, eq=False)
class Difference2D:
    """A difference on a grid: values with NaN where there is none, and the line that was fitted."""

    values: np.ndarray
    scale: float = 1.0
    offset: float = 0.0


class Difference(Way):
    """Where two layers differ, and by how much, in colours centred at zero."""

    name, title, key = "difference", "Difference", "K"
    purpose = "The other layer minus the reference at each pixel in view: blue below, white equal, red above."

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.quantity: Quantity = "absolute"
        self.fit = False
        self.deviation: Any = None
        self.limit: float | None = None
        self.shown_limit = 1.0
        self._patch = Patch(self.viewer, "difference")
        self._volumes = (Patch(self.viewer, "difference: above"), Patch(self.viewer, "difference: below"))
        self._grid: PlaneGrid | VolumeGrid | None = None
        self._told: tuple[Any, ...] = ()
        self._of: tuple[Any, ...] = ()
        self._inside = False

    def enter(self) -> None:
        """Show the difference of what is in view."""
        self._check()
        self.stage.present(())
        self._inside = True
        self.follow()

    def leave(self) -> None:
        """Hide it."""
        if self._inside:
            self._inside = False
            self._hide()
            self.stage.overlay.caption([])

    def dress(self) -> None:
        """Layers have other names."""
        if self._inside and self._told:
            self._wear()
            self._state(*self._told)

    def _hide(self) -> None:
        for patch in (self._patch, *self._volumes):
            patch.hide()

    def change(self, *, quantity: Quantity, fit: bool, deviation: Any, limit: float | None) -> None:
        """Show something else of the difference.

        Parameters
        ----------
        limit
            Value at either end of the colours; ``None`` for one that suits what is in view.
        """
        before = (self.quantity, self.fit, self.deviation, self.limit)
        self.quantity, self.fit, self.deviation, self.limit = quantity, fit, deviation, limit
        if self._inside:
            try:
                self._check()
            except DiffuscopeError:
                self.quantity, self.fit, self.deviation, self.limit = before
                raise
        if (quantity, fit, deviation) != before[:3]:
            self.forget()
        self.follow()

    def follow(self) -> None:
        """Compute what has come into view."""
        if not self._inside:
            return
        first, second = self.stage.pair
        grid, finest = self._points(first, second)
        if grid is None:
            self._say_apart(first, second)
            return
        if grid.same(self._grid) and self._of == (first, second):
            self._wear()
            self._caption()
            return
        self._compute(first, second, grid, finest)

    def _points(self, first: Any, second: Any) -> tuple[PlaneGrid | VolumeGrid | None, Any]:
        """Where the difference is computed, and the layer whose pixels these are in 2D."""
        if self.viewer.dims.ndisplay == 2:
            return finer_grid(self.viewer, [first, second])
        return volume_grid(self.viewer, [first, second]), None

    def forget(self) -> None:
        """What was computed is old, and so is the range of the colours."""
        self._grid = None
        self._of = self._told = ()

    def clear(self) -> None:
        """Remove the layer of the difference."""
        self.forget()
        for patch in (self._patch, *self._volumes):
            patch.remove()

    def _check(self) -> None:
        first, second = self.stage.pair
        if self.viewer.dims.ndisplay == 3 and (flat := _no_volume(self.viewer, (first, second))):
            raise DiffuscopeError(
                f"{flat.name!r} is no volume along the axes that the window shows in 3D; switch the viewer to 2D to "
                "see the difference."
            )
        labels = [layer for layer in (first, second) if isinstance(layer, Labels)]
        if len(labels) == 1:
            raise DiffuscopeError(
                f"{labels[0].name!r} holds labels, which are no intensities to subtract; compare two images or two "
                "layers of labels, or use Grid, Swipe or Blink."
            )
        if labels and self.quantity != "absolute":
            raise DiffuscopeError("Labels are only present or absent; choose the difference itself for them.")
        if self.quantity == "deviations" and self.deviation not in self.viewer.layers:
            raise DiffuscopeError("Choose the layer that holds the deviation (uncertainty) of the result.")

    def _compute(self, first: Any, second: Any, grid: PlaneGrid | VolumeGrid, finest: Any) -> None:
        layers = [first, second] + ([self.deviation] if self.quantity == "deviations" else [])
        sources = [pixels_of(self.viewer, layer) for layer in layers]
        asked = (quantity, fit, _) = (self.quantity, self.fit, self.deviation)
        fresh = self._of != (first, second)

        def then(result: Difference2D) -> None:
            if not self._inside or asked != (self.quantity, self.fit, self.deviation):
                return
            self._grid, self._of = grid, (first, second)
            if fresh:
                self.shown_limit = steady_limit(result.values, quantity, labels=isinstance(first, Labels))
            self._show(result, grid)
            self._told = (result, first, second, finest)
            self._state(*self._told)

        def values() -> Difference2D:
            return difference(sources, grid, quantity, fit=fit)

        read(
            self.stage.background,
            values,
            then,
            key="difference",
            at_once=isinstance(grid, PlaneGrid) and all(each.in_memory for each in sources),
        )

    def _show(self, result: Difference2D, grid: PlaneGrid | VolumeGrid) -> None:
        self._hide()
        if isinstance(grid, PlaneGrid):
            self._patch.show(result.values, grid, self._look())
            return
        values = np.nan_to_num(result.values, nan=0.0, posinf=0.0, neginf=0.0)
        above, below = self._volumes
        above.show(np.maximum(values, 0), grid, self._look_in_3d(ABOVE))
        if self.quantity != "deviations":
            below.show(np.maximum(-values, 0), grid, self._look_in_3d(BELOW))

    def _wear(self) -> None:
        """Show again what was computed, with the colours and names of now."""
        if isinstance(self._grid, PlaneGrid):
            self._patch.reveal()
            self._patch.wear(self._look())
            return
        signed = self.quantity != "deviations"
        for patch, colours in zip(self._volumes[: 1 + signed], (ABOVE, BELOW), strict=False):
            patch.reveal()
            patch.wear(self._look_in_3d(colours))

    def _look_in_3d(self, colours: Any) -> dict[str, Any]:
        side = "" if self.quantity == "deviations" else f", {colours.name}"
        return {
            "name": f"{self._name()}{side}",
            "colormap": "magma" if self.quantity == "deviations" else colours,
            "contrast_limits": (0.0, self.limit or self.shown_limit),
            "blending": "additive",
            "rendering": "mip",
        }

    def _look(self) -> dict[str, Any]:
        limit = self.limit or self.shown_limit
        signed = self.quantity != "deviations"
        return {
            "name": self._name(),
            "colormap": DIVERGING if signed else "magma",
            "contrast_limits": (-limit if signed else 0.0, limit),
            "blending": "translucent_no_depth",
        }

    def _name(self) -> str:
        first, second = (layer.name for layer in self.stage.pair)
        words = f"{second} − {first}"
        return {
            "absolute": words,
            "relative": f"({words}) / {first}",
            "deviations": f"|{words}| / deviation",
        }[self.quantity]

    def _caption(self) -> None:
        """Write what is shown, and what its colours mean."""
        limit, unit = self.limit or self.shown_limit, " %" if self.quantity == "relative" else ""
        signed = self.quantity != "deviations"
        ends = (f"−{limit:.4g}{unit}", f"+{limit:.4g}{unit}") if signed else ("0", f"{limit:.4g}")
        at = np.linspace(0, 1, 33)
        if not signed:
            colours = ensure_colormap("magma").map(at)
        elif isinstance(self._grid, VolumeGrid):
            colours = BELOW.map(np.maximum(1 - 2 * at, 0)) + ABOVE.map(np.maximum(2 * at - 1, 0))
        else:
            colours = DIVERGING.map(at)
        scale = tuple(tuple(min(float(part), 1.0) for part in each[:3]) for each in colours)
        self.stage.overlay.caption([Caption(self._name())], ColourScale(scale, *ends))

    def _state(self, result: Difference2D, first: Any, second: Any, finest: Any) -> None:
        """Say what was subtracted, how it was fitted, and on which pixels."""
        self._caption()
        if not np.isfinite(result.values).any():
            self.stage.say(
                f"No pixel in view has a value in both {first.name!r} and {second.name!r}: they are NaN or infinite.",
                True,
            )
            return
        name = f"{second.name!r}"
        if self.fit and not isinstance(first, Labels):
            name = (
                f"{result.scale:.4g} × {name} {'+' if result.offset >= 0 else '−'} {abs(result.offset):.4g}"
            )
            name += " (fitted to the reference on what is in view)"
        where = (
            _in_voxels(result.values.shape)
            if finest is None
            else f"at the pixels of {finest.name!r}; the other is interpolated where its pixels lie elsewhere"
        )
        words = [f"{name} minus {first.name!r}, {where}."]
        if isinstance(first, Labels):
            rest = "white" if finest is not None else "dark"
            words = [
                f"Red: only in {second.name!r}; blue: only in {first.name!r}; {rest}: in both or in none."
            ]
        if any(getattr(layer, "rgb", False) for layer in (first, second)):
            words.append("Colours count as their luminance.")
        if self.quantity == "relative":
            words.append(
                "In percent of the reference, where that is above a hundredth of its bright pixels in view."
            )
        if self.quantity == "deviations":
            finite = result.values[np.isfinite(result.values)]
            share = float((finite > 2).mean()) if finite.size else 0.0
            words.append(
                f"{share:.1%} of the pixels in view are off by more than 2 deviations "
                "(about 5 % if it is honest and of many samples)."
            )
        self.stage.say(" ".join(words), False)

    def _say_apart(self, first: Any, second: Any) -> None:
        self._grid = None
        self._hide()
        self.stage.overlay.caption([])
        if self.viewer.dims.ndisplay == 3 and (flat := _no_volume(self.viewer, (first, second))):
            self.stage.say(
                f"{flat.name!r} is no volume along the axes that the window shows; switch the viewer to 2D.",
                True,
            )
            return
        self.stage.say(
            f"Nothing that both {first.name!r} and {second.name!r} cover is in view, so there is no difference; "
            "move it into the window, or check the pixel sizes and places of the layers.",
            True,
        )


def _in_voxels(shape: tuple[int, ...]) -> str:
    size = " × ".join(map(str, shape))
    return (
        f"at {size} points of the volume that both cover: red where it is above, blue where it is below, the strongest "
        "along the line of sight; switch to 2D for each pixel"
    )


def _no_volume(viewer: Any, layers: tuple[Any, ...]) -> Any:
    """The first layer that has not all axes that the window shows, or that shows colours; ``None`` for none."""
    first = viewer.dims.ndim - np.array([layer.ndim for layer in layers])
    flat = [
        layer
        for layer, lacking in zip(layers, first.tolist(), strict=True)
        if min(viewer.dims.displayed) < lacking or getattr(layer, "rgb", False)
    ]
    return flat[0] if flat else None


def difference(
    sources: list[Pixels], grid: PlaneGrid | VolumeGrid, quantity: Quantity, *, fit: bool
) -> Difference2D:
    """The second source minus the first one at the points of a grid.

    Parameters
    ----------
    sources
        Reference, other, and for ``deviations`` the deviation.
    quantity
        In units of intensity, in percent of the reference, or the error without sign in units of the deviation.
    fit
        Bring the other to the reference by the straight line of least squares first.
    """
    if sources[0].labels and sources[1].labels:
        first, second = ((sampled_on(each, grid) > 0).astype(np.float32) for each in sources[:2])
        return Difference2D(second - first)
    first, second = (_grey(each, grid) for each in sources[:2])
    scale, offset = fitted_line(second, first) if fit else (1.0, 0.0)
    values = np.float32(scale) * second + np.float32(offset) - first if fit else second - first
    if quantity == "relative":
        bright = np.nanquantile(np.abs(first), 0.99) if np.isfinite(first).any() else 0.0
        strong = np.abs(first) > FAINTEST * bright
        values = np.divide(100 * values, np.abs(first), out=np.full_like(values, np.nan), where=strong)
    if quantity == "deviations":
        deviation = sampled_on(sources[2], grid, linear=True)
        values = np.divide(np.abs(values), deviation, out=np.full_like(values, np.nan), where=deviation > 0)
    return Difference2D(values, scale, offset)


def _grey(source: Pixels, grid: PlaneGrid | VolumeGrid) -> np.ndarray:
    values = sampled_on(source, grid, linear=True)
    return luminance(values) if source.rgb else values


def fitted_line(image: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Scale and offset that bring an image nearest to a reference, in the sense of least squares.

    Returns
    -------
    tuple
        ``(1, 0)`` where the image is constant or nothing is left to fit.
    """
    both = np.isfinite(image) & np.isfinite(reference)
    x, y = image[both].astype(float), reference[both].astype(float)
    if x.size < 2:
        return 1.0, 0.0
    spread = x - x.mean()
    power = float(spread @ spread)
    if power <= 1e-12 * max(float(x @ x), 1e-300):
        return 1.0, 0.0
    scale = float(spread @ (y - y.mean())) / power
    return scale, float(y.mean() - scale * x.mean())


def steady_limit(values: np.ndarray, quantity: Quantity, *, labels: bool = False) -> float:
    """Where the colours end at first: at all but the largest differences in view."""
    if quantity == "deviations":
        return DEVIATIONS
    finite = np.abs(values[np.isfinite(values)])
    if labels or finite.size == 0:
        return 1.0
    limit = float(np.percentile(finite, 99.5))
    return limit if limit > 0 else float(finite.max()) or 1.0
