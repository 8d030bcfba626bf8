"""Noise schedules by what a model card says of them."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from napari_diffuscope.diffusion.denoiser import Prediction
from napari_diffuscope.diffusion.schedule import (
    CosineSchedule,
    DiscreteSchedule,
    cosine_alpha_bar,
    linear_alpha_bar,
    scaled_linear_alpha_bar,
    sigmoid_alpha_bar,
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
        case "sigmoid":
            return sigmoid_alpha_bar(spec.count)
        case "table":
            assert spec.alpha_bar is not None
            return spec.alpha_bar
        case _:
            return cosine_alpha_bar(spec.count)


def prediction_by_weights(alpha_bar: Tensor, weight: Tensor) -> Prediction | None:
    """What a network predicts by the weights of its loss at each level, as denoising-diffusion-pytorch stores them.

    They are 1 for the noise, the ratio r of signal to noise for the clean image, r / (r + 1) for the velocity; or those
    with r cut at 5 in the numerator (Hang et al. 2023, arXiv 2303.09556).
    """
    if alpha_bar.shape != weight.shape or alpha_bar.ndim != 1:
        return None
    table, stored = alpha_bar.double().numpy(), weight.double().numpy()
    ratio = table / (1 - table)
    kinds: tuple[tuple[Prediction, np.ndarray], ...] = (
        ("epsilon", ratio), ("x0", np.ones_like(ratio)), ("v", ratio + 1)
    )  # fmt: skip
    fitting = [
        kind
        for kind, divisor in kinds
        if any(
            np.allclose(stored, part / divisor, rtol=1e-2, atol=1e-12)
            for part in (ratio, np.minimum(ratio, 5))
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def schedule_of_table(alpha_bar: Tensor) -> ScheduleSpec | None:
    """The schedule that a table of ᾱ from a checkpoint is: by name, or the table itself; ``None`` if it is none.

    A table is one that falls from level to level and stays between 1 and 0.
    """
    table = alpha_bar.double().numpy()
    if table.ndim != 1 or not 2 <= len(table) <= 100_000 or not np.all((table > 0) & (table < 1)):
        return None
    count = len(table)
    betas = (float(1 - table[0]), float(1 - table[-1] / table[-2]))
    candidates: list[tuple[ScheduleKind, tuple[float, float] | None]] = [
        ("cosine", None),
        ("sigmoid", None),
        ("linear", None),
    ]
    candidates += [("linear", betas), ("scaled-linear", betas)]
    for kind, ends in candidates:
        try:
            spec = ScheduleSpec(kind, count=count, betas=ends)
        except DiffuscopeError:  # no table of that kind has these ends
            continue
        if np.allclose(_table(spec), table, rtol=1e-3, atol=0):
            return spec
    if not np.all(np.diff(table) < 0):
        return None
    return ScheduleSpec("table", count=count, alpha_bar=tuple(map(float, table)))
