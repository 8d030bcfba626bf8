"""Noise schedules by what a model card says of them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_diffuscope.diffusion.schedule import (
    CosineSchedule,
    DiscreteSchedule,
    cosine_alpha_bar,
    linear_alpha_bar,
    scaled_linear_alpha_bar,
)
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import ScheduleKind, ScheduleSpec

# Below this ᾱ an ε network's error is amplified more than fifty-fold; see docs/design.md.
LOWEST_ALPHA_BAR = 4e-4


def build_schedule(spec: ScheduleSpec, *, lowest_alpha_bar: float = 0.0) -> CosineSchedule | DiscreteSchedule:
    """Schedule that a card describes."""
    if spec.kind == "continuous-cosine":
        return CosineSchedule(spec.shift)
    return DiscreteSchedule(_table(spec), lowest_alpha_bar)


def _table(spec: ScheduleSpec) -> tuple[float, ...]:
    first, last = spec.betas or (1e-4 * 1000 / spec.count, 0.02 * 1000 / spec.count)
    match spec.kind:
        case "linear":
            scale = spec.count / 1000  # undoes the scaling that linear_alpha_bar does
            return linear_alpha_bar(spec.count, first * scale, last * scale)
        case "scaled-linear":
            return scaled_linear_alpha_bar(spec.count, first, last)
        case _:
            return cosine_alpha_bar(spec.count)


def schedule_of_table(alpha_bar: Tensor) -> ScheduleSpec | None:
    """The schedule that a table of ᾱ from a checkpoint is, or ``None``."""
    table = alpha_bar.double().numpy()
    if table.ndim != 1 or not 2 <= len(table) <= 100_000 or not np.all((table > 0) & (table < 1)):
        return None
    count = len(table)
    betas = (float(1 - table[0]), float(1 - table[-1] / table[-2]))
    candidates: list[tuple[ScheduleKind, tuple[float, float] | None]] = [("cosine", None), ("linear", None)]
    candidates += [("linear", betas), ("scaled-linear", betas)]
    for kind, ends in candidates:
        try:
            spec = ScheduleSpec(kind, count=count, betas=ends)
        except DiffuscopeError:  # no table of that kind has these ends
            continue
        if np.allclose(_table(spec), table, rtol=1e-3, atol=0):
            return spec
    return None
