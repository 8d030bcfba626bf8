"""What can be drawn of a comparison, as numbers: lines with names and units, whatever draws them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.placing import Box, Placed
from napari_diffuscope.comparison.sampling import own_plane, sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.singles import (
    frames_curve,
    pair_curve,
    pixel_size,
    pixel_sizes,
    split_curve,
)
from napari_diffuscope.comparison.values import structured, usable
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import fit_affine
from napari_diffuscope.measure.correlation import RingCurve
from napari_diffuscope.measure.deviations import LEVELS
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.measure.spectrum import radial_power_spectrum
from napari_diffuscope.measure.uncertainty import coverage, error_by_deviation

Style = Literal["line", "dashed", "points"]

BINS = 128
"""Of a histogram."""


@dataclass(frozen=True)
class Line:
    """One curve.

    Parameters
    ----------
    name
        Of the image, or of a threshold.
    x, y
        As many numbers each; NaN where the curve has a gap.
    style
        How it is drawn; ``"dashed"`` is for what the others are held against.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    style: Style = "line"


@dataclass(frozen=True)
class Curves:
    """Curves in one pair of axes.

    Parameters
    ----------
    title, x_label, y_label
        With units.
    lines
        The curves.
    log_y
        Whether y is drawn on a logarithmic scale.
    notes
        What must be known of it: one sentence each, why a curve is missing among them.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    log_y: bool = False
    notes: tuple[str, ...] = field(default=())

    def to_csv(self) -> str:
        """One row for each point: name of the curve, x, y; above it, behind ``#``, title and notes."""
        buffer = io.StringIO(newline="")
        for line in (self.title, *self.notes):
            buffer.write(f"# {line}\n")
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["curve", self.x_label, self.y_label])
        for each in self.lines:
            writer.writerows(
                [each.name, repr(float(x)), repr(float(y))] for x, y in zip(each.x, each.y, strict=True)
            )
        return buffer.getvalue()


def histograms(placed: Sequence[Placed], plane: Box) -> Curves:
    """How often each intensity occurs in a plane, in bins that all images share."""
    values = [usable(own_plane(each, plane), each.name).ravel() for each in placed]
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    lines = tuple(
        Line(each.name, middles, _positive(np.histogram(pixels, edges)[0] / pixels.size))
        for each, pixels in zip(placed, values, strict=True)
    )
    return Curves("Histogram", "intensity", "share of pixels", lines, log_y=True)


def ring_correlations(scene: Scene, settings: CompareSettings) -> Curves:
    """Ring (or shell) correlation of each image with the reference, and its threshold."""
    fields = {other.name: scene.field_of(other) for other in scene.others}

    def curve_of(other: Placed) -> RingCurve:
        box = fields[other.name]
        return pair_curve(scene.reference, other, box, scene.plane_of(box), settings)

    title = f"Fourier ring correlation with {scene.reference.name}"
    return _correlations(title, scene.others, curve_of, scene.reference, lambda other: scene.reference)


def split_correlations(scene: Scene, settings: CompareSettings) -> Curves:
    """Ring correlation of the two halves of each image, and its threshold."""

    def curve_of(each: Placed) -> RingCurve:
        pixels = structured(own_plane(each, scene.plane_of(scene.common)), each.name)
        return split_curve(each, pixels, settings)

    title = "Fourier ring correlation of two halves of each image"
    return _correlations(title, (scene.reference, *scene.others), curve_of, scene.reference)


def frame_correlations(scene: Scene, settings: CompareSettings) -> Curves:
    """Ring correlation of a frame, or a sample, of each image with the next one, and its threshold."""
    plane = scene.plane_of(scene.common)
    title = "Fourier ring correlation of two frames or samples of each image"
    images = (scene.reference, *scene.others)
    return _correlations(title, images, lambda each: frames_curve(each, plane, settings), scene.reference)


def _correlations(
    title: str,
    images: Iterable[Placed],
    curve_of: Callable[[Placed], RingCurve],
    reference: Placed,
    sizes_of: Callable[[Placed], Placed] = lambda each: each,
) -> Curves:
    """A curve and its resolution of each image that has one, in the pixels of another where that is said."""
    lines, notes = [], []
    for each in images:
        try:
            curve = curve_of(each)
        except DiffuscopeError as error:
            notes.append(str(error))
            continue
        lines.append(Line(each.name, curve.frequency, curve.correlation))
        notes.append(_resolution_words(each.name, curve.resolution, sizes_of(each)))
    return _with_threshold(title, lines, notes, reference)


def _resolution_words(name: str, resolution: float | None, placed: Placed) -> str:
    if resolution is None:
        return f"{name}: above the threshold up to the last ring."
    if not math.isfinite(resolution):
        return f"{name}: they do not even agree at the lowest frequencies."
    unit = short_unit(pixel_size(placed)[1])
    return f"{name}: {resolution:.3g} {unit} at the threshold."


def _with_threshold(title: str, lines: Sequence[Line], notes: Sequence[str], reference: Placed) -> Curves:
    unit = short_unit(pixel_size(reference)[1])
    most = max((float(line.x[-1]) for line in lines), default=1.0)
    threshold = Line("threshold 1/7", np.array([0.0, most]), np.array([1 / 7, 1 / 7]), "dashed")
    drawn = (*lines, threshold) if lines else ()
    return Curves(title, f"spatial frequency (1/{unit})", "correlation", drawn, notes=tuple(notes))


def error_spectra(scene: Scene, settings: CompareSettings) -> Curves:
    """Power of the difference over the power of the reference, ring by ring: where 1 is reached, all is error."""
    lines, notes = [], []
    (_, unit), size = pixel_size(scene.reference), pixel_sizes(scene.reference)
    for other in scene.others:
        plane = scene.plane_of(scene.field_of(other))
        try:
            truth, image = (structured(sampled(each, plane), each.name) for each in (scene.reference, other))
            image = fit_affine(truth, image) if settings.affine else image
            known = radial_power_spectrum(truth, pixel_size=size)
            error = radial_power_spectrum(truth - image, pixel_size=size)
        except DiffuscopeError as error_message:
            notes.append(str(error_message))
            continue
        ratio = np.divide(
            error.power, known.power, out=np.full_like(known.power, np.nan), where=known.power > 0
        )
        lines.append(Line(other.name, known.frequency, _positive(ratio)))
    ends = [0.0, max((float(line.x[-1]) for line in lines), default=1.0)]
    whole = Line("all is error", np.array(ends), np.ones(2), "dashed")
    label = "power: difference / reference"
    drawn = (*lines, whole) if lines else ()
    return Curves(
        "Error against frequency",
        f"spatial frequency (1/{short_unit(unit)})",
        label,
        drawn,
        log_y=True,
        notes=tuple(notes),
    )


def quality_by_samples(truth: np.ndarray, samples: Iterable[np.ndarray], name: str) -> Curves:
    """PSNR of the mean of the first n samples, against n.

    Parameters
    ----------
    truth
        Real array ``(Y, X)``.
    samples
        Arrays of the same shape, two or more.
    name
        Of the image that they belong to.

    Raises
    ------
    DiffuscopeError
        For fewer than two samples, or shapes that differ.
    """
    total, values = np.zeros(truth.shape), []
    for number, sample in enumerate(samples, 1):
        if sample.shape != truth.shape:
            raise DiffuscopeError(
                f"Samples of {name} are {sample.shape}, the reference is {truth.shape}: they must be equal."
            )
        total += sample
        values.append(psnr(truth, total / number))
    if len(values) < 2:
        raise DiffuscopeError(f"{name} has no samples to average: choose a layer with a slider of samples.")
    line = Line(name, np.arange(1, len(values) + 1, dtype=float), np.array(values), "points")
    return Curves("Quality against averaged samples", "averaged samples", "PSNR (dB)", (line,))


def calibration(
    truth: np.ndarray,
    mean: np.ndarray,
    deviation: np.ndarray,
    *,
    samples: int,
    intervals: Mapping[float, float] | None = None,
) -> tuple[Curves, Curves]:
    """Error against predicted deviation, and coverage of predictive intervals.

    Parameters
    ----------
    truth, mean, deviation
        Real arrays of one shape.
    samples
        Number of samples behind mean and deviation, 2 or more.
    intervals
        Measured half widths of the intervals that hold these shares of the truth, in deviations, as the record of the
        deviation has them; those of a normal distribution without.
    """
    bins = error_by_deviation(truth, mean, deviation, bins=min(20, truth.size), samples=samples)
    ends = np.array([0.0, float(max(bins.deviation.max(), bins.error.max()))])
    reliability = Curves(
        "Error against predicted deviation",
        "predicted deviation",
        "root mean squared error",
        (Line("found", bins.deviation, bins.error, "points"), Line("honest", ends, ends, "dashed")),
        notes=(f"Expected calibration error {bins.calibration_error:.4g} in units of the image.",),
    )
    shares = tuple(intervals) if intervals else LEVELS
    widths = tuple(intervals.values()) if intervals else None
    found = coverage(truth, mean, deviation, samples=samples, levels=shares, half_widths=widths)
    levels = np.array(shares)
    covered = Curves(
        "Coverage of predictive intervals",
        "nominal share",
        "share of pixels inside",
        (
            Line("found", levels, np.array([found[level] for level in shares]), "points"),
            Line("honest", levels, levels, "dashed"),
        ),
        notes=(_interval_words(intervals, samples),),
    )
    return reliability, covered


def _interval_words(intervals: Mapping[float, float] | None, samples: int) -> str:
    if not intervals:
        return f"Intervals of a normal distribution around the mean of {samples} samples."
    widths = ", ".join(f"± {width:.2f} for {share:.0%}" for share, width in intervals.items())
    return f"Intervals in deviations, as measured for this model: {widths}."


def _positive(values: np.ndarray) -> np.ndarray:
    """Values for a logarithmic scale: gaps where there are none."""
    return np.where(values > 0, values, np.nan)


def short_unit(unit: str) -> str:
    """As it is written at an axis."""
    return {"pixel": "px"}.get(unit, unit)


def tried(make: Callable[[], Curves], title: str) -> Curves:
    """Curves, or empty ones that say why there are none."""
    try:
        return make()
    except DiffuscopeError as error:
        return Curves(title, "", "", (), notes=(str(error),))


def has_points(curves: Curves) -> bool:
    """Whether there is anything to draw."""
    return any(np.isfinite(line.y).any() and math.isfinite(float(np.nanmax(line.y))) for line in curves.lines)
