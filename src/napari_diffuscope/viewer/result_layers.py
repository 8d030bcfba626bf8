"""The layers that show the results of a run: how they look, where they lie, and which planes they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_diffuscope.methods.method import Output
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.contrast import joined
from napari_diffuscope.viewer.layers import (
    Placed,
    appearance,
    free_keywords,
    new_axes,
    other_steps,
    output_keywords,
    same_view,
    view_for_layer,
)
from napari_diffuscope.viewer.results import Plane
from napari_diffuscope.viewer.run_plan import RunPlan

SPREAD_COLORMAP = "inferno"
COLOURS = ("red", "green", "blue")


@dataclass(eq=False)
class ResultLayer:
    """One layer of an output: all of it, or one of its colours.

    Parameters
    ----------
    output
        What it shows.
    plan
        The run that makes it.
    part
        Index along the axis of the colours of an RGB layer, ``None`` for all of the output.
    """

    output: Output
    plan: RunPlan
    part: int | None = None
    layer: Any = None
    limits_set: tuple[float, ...] = ()
    name_given: str = field(default="", init=False)

    @property
    def key(self) -> str:
        """The output's name, with the colour where there are several."""
        return self.output.name if self.part is None else f"{self.output.name} {COLOURS[self.part]}"

    @property
    def source(self) -> Any:
        """The input layer, ``None`` where there is none."""
        return self.plan.layer

    @property
    def keeps_contrast(self) -> bool:
        """Whether it is shown with the contrast of the input; a grey image of colours has other intensities."""
        if self.source is None or not self.output.same_contrast or self.output.spread:
            return False
        return not self.source.rgb or "C" in self.output.axes

    @property
    def shown(self) -> Placed | Output:
        """Axes and place of what it shows."""
        if self.part is None:
            return self.output
        at = self.output.axes.index("C")
        axes, origin = self.output.axes, self.output.origin
        return Placed(axes[:at] + axes[at + 1 :], origin[:at] + origin[at + 1 :])

    def pixels(self, array: Any) -> Any:
        """Its part of the array of the output, numpy's or lazy, the same memory, in the order of the layer."""
        if self.part is not None:
            array = np.moveaxis(array, self.output.axes.index("C"), 0)[self.part]
        return view_for_layer(array, self.shown.axes, self.plan.axes)

    def add(self, viewer: Any, array: Any, *, over: bool) -> None:
        """Add the layer; ``over`` says whether there is an image of this run below it."""
        plan = self.plan
        if self.source is None:
            keywords = free_keywords(self.output)
        else:
            grid = other_steps(self.output, plan.image)
            keywords = output_keywords(
                self.source, self.shown, axes=plan.axes, grid=grid, typed=plan.typed_sizes
            )
        keywords |= self._look(over)
        metadata = {
            **keywords.pop("metadata", {}),
            RECORD_KEY: {"output": self.output.name, "running": True},
        }
        limits = self._first_limits()
        with same_view(viewer):
            self.layer = viewer.add_image(
                self.pixels(array),
                name=self.name(),
                contrast_limits=limits,
                metadata=metadata,
                **keywords,
            )
        if self.keeps_contrast:
            self.layer.contrast_limits_range = self.source.contrast_limits_range
        self.limits_set = tuple(self.layer.contrast_limits)
        self.name_given = self.layer.name

    def name(self) -> str:
        """Name of the input, what was made of it, and the colour."""
        colour = f" {COLOURS[self.part]}" if self.part is not None else ""
        of = f"{self.source.name} " if self.source is not None else ""
        return f"{of}{self.output.label}{colour}"

    def rename(self, remark: str) -> None:
        """Add a remark to the name, unless the user gave another one."""
        if self.layer.name == self.name_given:
            self.layer.name = f"{self.name_given} – {remark}"

    def take_limits(self, limits: tuple[float, float] | None) -> None:
        """Set limits chosen from the first pixels, unless the input's stay or the user has set others."""
        current = tuple(self.layer.contrast_limits)
        if self.keeps_contrast or limits is None or current != self.limits_set or limits == current:
            return
        if self.output.spread:  # small beside the intensities, whose range would leave no room to slide
            self.layer.contrast_limits_range = (0.0, 4 * limits[1])
        else:
            self.layer.contrast_limits_range = joined([self.layer.contrast_limits_range, limits])
        self.layer.contrast_limits = limits
        self.limits_set = tuple(self.layer.contrast_limits)

    def in_view(self, viewer: Any, planes: set[Plane]) -> bool:
        """Whether one of some planes of the output is on the screen."""
        letters = new_axes(self.shown.axes, self.plan.axes) + self.plan.axes
        position = self.layer.world_to_data(np.asarray(viewer.dims.point))[-self.layer.ndim :]
        at = {letter: round(float(value)) for letter, value in zip(letters, position, strict=True)}
        if self.part is not None:
            at["C"] = self.part
        first = viewer.dims.ndim - self.layer.ndim
        displayed = {letters[axis - first] for axis in viewer.dims.displayed if axis >= first}
        fixed = [(i, at[a]) for i, a in enumerate(self.output.axes[:-2]) if a not in displayed]
        return any(all(plane[i] == where for i, where in fixed) for plane in planes)

    def _look(self, over: bool) -> dict[str, Any]:
        look = appearance(self.source) if self.source is not None else {}
        if self.output.spread:
            look |= {"gamma": 1.0, "colormap": see_through() if over else SPREAD_COLORMAP}
            look |= {"blending": "translucent_no_depth"} if over else {}
        elif self.part is not None:
            # The lowest colour covers the image, the others are added to it: the colours of the input again.
            look |= {"colormap": COLOURS[self.part], "blending": "additive" if self.part else "translucent"}
        return look

    def _first_limits(self) -> tuple[float, float]:
        """Those of the input; of a spread, until the first pixels, when nothing is seen anyway."""
        if self.source is None:
            return 0.0, 1.0
        low, high = (float(limit) for limit in self.source.contrast_limits)
        return (0.0, max(high - low, 1e-6)) if self.output.spread else (low, max(high, low + 1e-6))


def layers_of(plan: RunPlan) -> Iterator[ResultLayer]:
    """The layers of a run, the lowest first; a spread lies above the image, and lets it be seen."""
    for output in sorted(plan.outputs, key=lambda output: output.spread):
        colours = plan.layer is not None and plan.layer.rgb and "C" in output.axes
        count = output.shape[output.axes.index("C")] if colours else 1
        if count > 1:
            yield from (ResultLayer(output, plan, part) for part in range(count))
        else:
            yield ResultLayer(output, plan)


def see_through() -> Any:
    """From transparent, which lets the image be seen, over red to yellow."""
    from napari.utils.colormaps import Colormap

    colours = [(0.2, 0.0, 0.3, 0.0), (0.8, 0.1, 0.4, 0.35), (1.0, 0.4, 0.1, 0.75), (1.0, 0.95, 0.3, 1.0)]
    return Colormap(colours, name="uncertainty", controls=(0.0, 0.35, 0.7, 1.0))
