"""The deviation that a user gets from that of samples, and what intervals around the mean hold. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.measure.deviations import factor_of, half_widths, on_curve
from napari_diffuscope.measure.seen_noise import seen_noise
from napari_diffuscope.methods.common_settings import ErrorBars
from napari_diffuscope.weights.card import ModelCard

UNCALIBRATED = (
    "The deviation is the spread of the model, not an error bar: this model was not calibrated on images whose truth "
    "is known."
)

_COUNTED_ON = {
    "restore": "over many images like those that were kept out of the training; in a single image the shares can be "
    "quite different.",
    "superres": "on planes of one specimen that were kept out of the training; in another specimen, or a single plane, "
    "the shares can be quite different.",
}
"""Of each task that has error bars, what the shares were found on."""

SLACK = 0.1
"""How far beyond the range of a term numbers still count as those of images like those, as a share of it."""

USUAL_SAMPLES = 8
"""What a card speaks of, and what is advised."""

FEW_SAMPLES = 4
"""Of fewer the spread is hardly known: intervals are twice as wide as of the usual number, or more."""

SPOKEN_OF = (0.68, 0.9, 0.95)
"""Shares that a card speaks of."""


def given_deviation(
    deviation: np.ndarray,
    line: IntensityMap,
    card: ModelCard,
    how: ErrorBars = "measured",
    measures: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Deviation of samples, in values of the network, as intensities and matched with errors as the card says.

    Parameters
    ----------
    deviation
        float32, any shape.
    line
        Between intensities and values of the network.
    card
        Of the model.
    how
        ``factor`` for what earlier versions gave.
    measures
        What was measured on the image that the network was shown, as by :func:`measured_noise`.
    """
    fit = card.deviation_fit
    if how == "factor" or fit is None:
        return line.inverse_spread(deviation) * card.deviation_scale
    factor = np.float32(factor_of(fit.terms, measures or {}))
    return line.inverse_spread(on_curve(deviation, fit.deviation, fit.fitted) * factor)


def measured_noise(plane: np.ndarray, card: ModelCard, how: ErrorBars = "measured") -> dict[str, float]:
    """What the card's fit asks of the noise of a plane; nothing where it asks nothing.

    Parameters
    ----------
    plane
        ``(Y, X)``, whole, as the network is shown it.
    card
        Of the model.
    how
        As for :func:`given_deviation`.
    """
    asked = {term.measure for term in card.deviation_fit.terms} if card.deviation_fit else set()
    if how == "factor" or not asked:
        return {}
    return {name: value for name, value in seen_noise(plane).items() if name in asked}


def unlike_measured(measures: Mapping[str, float], card: ModelCard) -> bool:
    """Whether numbers of a plane lie beyond those of the images that the card's fit was made on."""
    for term in card.deviation_fit.terms if card.deviation_fit else ():
        low, high = term.points[0], term.points[-1]
        slack = SLACK * (high - low)
        if not low - slack <= measures.get(term.measure, low) <= high + slack:
            return True
    return False


def unlike_sentence(planes: int, of: int) -> str:
    """What the user must be told of planes whose noise no fit was made on."""
    which = "the noise" if of == 1 else f"the noise of {planes:,} of {of:,} planes"
    return (
        f"Error bars: {which} is unlike that of all images that they were measured on (its strength, or how far "
        "neighbouring pixels share it); intervals may hold other shares than they say."
    )


def interval_widths(card: ModelCard, samples: int) -> dict[float, float] | None:
    """Half widths of the intervals around the mean that hold these shares of true values, in deviations.

    ``None`` where they were not measured.
    """
    fit = card.deviation_fit
    if fit is None or samples < 2:
        return None
    widths = half_widths(fit.shares, fit.widths, of=fit.samples, samples=samples)
    return dict(zip(fit.shares, widths, strict=True))


def note_error_bars(record: dict[str, Any], card: ModelCard, settings: Any) -> str | None:
    """Add to the record of a deviation which intervals hold what; returns what the user must be told."""
    widths = interval_widths(card, settings.samples) if settings.error_bars == "measured" else None
    if widths is not None:
        record["intervals"] = [
            {"share": share, "half_width": round(width, 4)} for share, width in widths.items()
        ]
        said = (
            f"Error bars: of the true values lie {_in_words(widths)} deviations of the mean, counted "
            f"{_COUNTED_ON[card.task]}"
        )
        if settings.samples < FEW_SAMPLES:
            said += f" {settings.samples} samples hardly tell how they vary: draw {USUAL_SAMPLES} or more."
        return said
    return uncalibrated(card)


def uncalibrated(card: ModelCard) -> str | None:
    """What must be said of the deviation of a model that was not calibrated."""
    calibrated = card.deviation_fit or card.deviation_scale != 1 or "deviation_calibration" in card.metrics
    return None if calibrated else UNCALIBRATED


def error_bars_in_words(card: ModelCard) -> str:
    """What the deviation of samples says; empty for models that give none."""
    if card.task not in ("restore", "superres") or card.diffusion.estimate_only:
        return ""
    widths = interval_widths(card, USUAL_SAMPLES)
    if widths is None:
        return uncalibrated(card) or f"The deviation is that of samples, times {card.deviation_scale:g}."
    return (
        f"Of the true values lie around the mean of {USUAL_SAMPLES} samples: {_in_words(widths)} deviations; counted "
        f"{_COUNTED_ON[card.task]}"
    )


def _in_words(widths: Mapping[float, float]) -> str:
    shares = [share for share in SPOKEN_OF if share in widths] or list(widths)
    return ", ".join(f"{share:.0%} within ± {widths[share]:.2f}" for share in shares)


def intervals_of(record: dict[str, Any]) -> dict[float, float] | None:
    """The intervals of a record, or ``None`` for those of a normal distribution."""
    noted = record.get("intervals")
    try:
        return {float(each["share"]): float(each["half_width"]) for each in noted or ()} or None
    except (LookupError, TypeError, ValueError):  # written by somebody else
        return None
