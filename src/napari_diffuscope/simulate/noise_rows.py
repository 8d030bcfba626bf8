"""A noise model as a row of numbers, to be sent to where the noise is made, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.camera import Camera, Exposure
from napari_diffuscope.simulate.degrade import NoiseModel, Step
from napari_diffuscope.simulate.processing import Compress, Enlarge, Resample, Sharpen, Smooth
from napari_diffuscope.simulate.scanning import Scan

LIGHT = ("peak_photons", "background_photons")
SENSOR = (
    "quantum_efficiency",
    "gain",
    "offset",
    "read_noise",
    "multiplication",
    "gain_spread",
    "offset_spread",
    "read_noise_spread",
    "hot_pixels",
    "hot_electrons",
    "bits",
)
PAIRS = ("enlarge", "seam", "compress", "eight_bits")
"""Entries of two numbers, or of none."""

SCAN = ("memory", "flicker", "flicker_lines")

MOST_STEPS = 2
STEP_WIDTH = 6
WIDTH = 2 + len(LIGHT) + len(SENSOR) + 2 * len(PAIRS) + len(SCAN) + MOST_STEPS * STEP_WIDTH
ABSENT = np.nan


def to_row(model: NoiseModel) -> np.ndarray:
    """A noise model as float32 ``(WIDTH,)``; bleaching, which a single picture does not have, is left out.

    Raises
    ------
    ValueError
        For more than ``MOST_STEPS`` linear treatments.
    """
    if len(model.steps) > MOST_STEPS:
        raise ValueError(f"a row holds {MOST_STEPS} linear treatments, not {len(model.steps)}")
    zoom, loss = model.enlarge, model.compress
    pairs: tuple[Sequence[float] | None, ...] = (
        None if zoom is None else (zoom.factor, zoom.order),
        model.seam,
        None if loss is None else (loss.strength, loss.slope),
        model.eight_bits,
    )
    row = [
        float(model.frames),
        float(model.subtract),
        *(getattr(model.exposure, name) for name in LIGHT),
        *(getattr(model.camera, name) for name in SENSOR),
        *(value for pair in pairs for value in (pair or (ABSENT, ABSENT))),
        *(ABSENT if model.scan is None else getattr(model.scan, name) for name in SCAN),
    ]
    for index in range(MOST_STEPS):
        row += _step_row(model.steps[index]) if index < len(model.steps) else [ABSENT] * STEP_WIDTH
    return np.array(row, np.float32)


def to_model(row: Sequence[float]) -> NoiseModel:
    """The noise model of a row, as :func:`to_row` makes it."""
    numbers = iter([float(value) for value in row])
    frames, subtract = int(next(numbers)), bool(next(numbers))
    exposure = Exposure(**{name: next(numbers) for name in LIGHT})
    sensor = {name: next(numbers) for name in SENSOR}
    pairs = {name: (next(numbers), next(numbers)) for name in PAIRS}
    zoom, seam, loss, stretch = (None if np.isnan(pair[0]) else pair for pair in pairs.values())
    scan = {name: next(numbers) for name in SCAN}
    steps = (_step([next(numbers) for _ in range(STEP_WIDTH)]) for _ in range(MOST_STEPS))
    return NoiseModel(
        exposure=exposure,
        camera=Camera(**{**sensor, "bits": int(sensor["bits"])}),  # type: ignore[arg-type]
        frames=frames,
        scan=None if np.isnan(scan["memory"]) else Scan(**scan),
        enlarge=None if zoom is None else Enlarge(zoom[0], int(zoom[1])),
        steps=tuple(step for step in steps if step is not None),
        seam=seam,
        compress=None if loss is None else Compress(*loss),
        eight_bits=stretch,
        subtract=subtract,
    )


def _step_row(step: Step) -> list[float]:
    match step:
        case Resample():
            numbers = [0.0, *step.shift, step.angle, step.zoom, step.order]
        case Smooth():
            numbers = [1.0, *step.sigma]
        case Sharpen():
            numbers = [2.0, step.sigma, step.amount]
    return numbers + [ABSENT] * (STEP_WIDTH - len(numbers))


def _step(numbers: Sequence[float]) -> Step | None:
    match numbers:
        case [0.0, y, x, angle, zoom, order]:
            return Resample((y, x), angle, zoom, int(order))
        case [1.0, y, x, *_]:
            return Smooth((y, x))
        case [2.0, sigma, amount, *_]:
            return Sharpen(sigma, amount)
    return None
