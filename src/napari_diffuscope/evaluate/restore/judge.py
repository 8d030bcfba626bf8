"""Numbers of one result: image quality, sharpness, honesty of the deviation."""

from __future__ import annotations

import math

import numpy as np

from napari_diffuscope.evaluate.restore.cases import Case
from napari_diffuscope.evaluate.restore.models import Candidate, Timed, middle
from napari_diffuscope.evaluate.tables import KEY, Value
from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.measure.deviations import LEVELS
from napari_diffuscope.measure.quality import compare
from napari_diffuscope.measure.spectrum import band_power_ratio
from napari_diffuscope.measure.uncertainty import coverage, error_by_deviation, standardised_errors
from napari_diffuscope.methods.error_bars import given_deviation, interval_widths, measured_noise
from napari_diffuscope.weights.card import ModelCard

MEASURES = ("psnr", "ssim", "ms_ssim", "nrmse", "pearson", "sharpness")
"""Of every result, in the order of the tables."""

WHOLE, MIDDLE = "whole", "middle"
"""The region that is judged: all of the field, or the part that samples are drawn of."""

BINS = 10

Judged = dict[str, Value]


def keys(case: Case) -> Judged:
    """Columns that name a case."""
    return dict(zip(KEY, case.name.key, strict=True))


def quality(case: Case, image: np.ndarray, crop: int | None = None) -> Judged:
    """All measures of a result against the target.

    Parameters
    ----------
    case
        Gives the target, and whether the result is first fitted to it by a straight line.
    image
        Of the whole field or, with ``crop``, of its middle part.
    crop
        Edge of that part.

    Returns
    -------
    dict
        :data:`MEASURES`; the range of intensities is that of the target. ``sharpness`` is the power between half
        the cut-off frequency and the cut-off, relative to that of the target: 1 is as sharp, above 1 there is
        noise or invented detail.
    """
    truth = case.clean if crop is None else case.clean[middle(case.clean.shape, crop)]
    measured = compare(truth, image, affine=case.affine)
    sharp = band_power_ratio(truth, fitted(truth, image, case.affine), low=case.cutoff / 2, high=case.cutoff)
    return {**{name: measured[name] for name in MEASURES[:-1]}, "sharpness": sharp}


def fitted(truth: np.ndarray, image: np.ndarray, affine: bool) -> np.ndarray:
    """The image, or its best straight line to the truth."""
    if not affine:
        return image
    slope, shift = line_to(truth, image)
    return slope * image.astype(np.float64) + shift


def line_to(truth: np.ndarray, image: np.ndarray) -> tuple[float, float]:
    """Slope and shift that bring an image nearest to the truth."""
    if np.ptp(image) == 0:
        return 0.0, float(truth.mean())
    slope, shift = np.polyfit(image.ravel().astype(np.float64), truth.ravel().astype(np.float64), 1)
    return float(slope), float(shift)


def running_means(case: Case, drawn: np.ndarray, crop: int, model: str) -> list[Judged]:
    """Quality of the mean of the first 1, 2, … samples."""
    rows = []
    for count in range(1, len(drawn) + 1):
        mean = drawn[:count].mean(0, dtype=np.float64)
        rows.append({**keys(case), "model": model, "samples": count, **quality(case, mean, crop)})
    return rows


def honesty(case: Case, drawn: Timed, crop: int, model: Candidate) -> tuple[list[Judged], list[Judged]]:
    """Rows on the coverage of predictive intervals, and on errors in bins of the predicted deviation.

    Of the samples as they are, with the intervals of a normal distribution, and as the model's card has measured them.
    """
    truth = case.clean[middle(case.clean.shape, crop)].astype(np.float64)
    mean, deviation = drawn.image.mean(0, dtype=np.float64), drawn.image.std(0, ddof=1, dtype=np.float64)
    measures = measured_noise(case.noisy / drawn.scale, model.card)
    scale = IntensityMap(0.0, drawn.scale)
    given = given_deviation(deviation / drawn.scale, scale, model.card, measures=measures)
    if case.affine:
        slope, shift = line_to(truth, mean)
        mean, deviation, given = slope * mean + shift, abs(slope) * deviation, abs(slope) * given
    named: Judged = {**keys(case), "model": model.label}
    shares = _shares(truth, mean, deviation, given, model.card, len(drawn.image))
    bins = [
        error_by_deviation(truth, mean, spread, bins=BINS, samples=len(drawn.image))
        for spread in (deviation, given)
    ]
    size = float(np.ptp(truth))
    errors: list[Judged] = [
        {
            **named,
            "bin": number,
            "deviation": float(bins[0].deviation[number]),
            "given": float(bins[1].deviation[number]),
            "error": float(bins[0].error[number]),
            "range": size,
        }
        for number in range(len(bins[0].error))
    ]
    return [{**named, **row} for row in shares], errors


def _shares(
    truth: np.ndarray,
    mean: np.ndarray,
    deviation: np.ndarray,
    given: np.ndarray,
    card: ModelCard,
    samples: int,
) -> list[Judged]:
    """Coverage before and after calibration; ``needed`` is the half width that would hold the nominal share."""
    widths = interval_widths(card, samples)
    levels = tuple(widths) if widths else LEVELS
    drawn = coverage(truth, mean, deviation, samples=samples, levels=levels)
    half_widths = tuple(widths.values()) if widths else None
    matched = coverage(truth, mean, given, samples=samples, levels=levels, half_widths=half_widths)
    relative = standardised_errors(truth, mean, given, samples=samples) * math.sqrt(1 + 1 / samples)
    return [
        {
            "samples": samples,
            "scale": calibration_in_words(card),
            "nominal": level,
            "found": drawn[level],
            "found_scaled": matched[level],
            "width": widths[level] if widths else "",
            "needed": float(np.quantile(relative, level)),
        }
        for level in levels
    ]


def calibration_in_words(card: ModelCard) -> str:
    """How deviations are matched with errors: ``measured``, or the factor."""
    return "measured" if card.deviation_fit is not None else f"{card.deviation_scale:g}"
