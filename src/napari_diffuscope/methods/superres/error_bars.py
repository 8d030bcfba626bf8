"""Error bars of super-resolved volumes: deviations of samples matched with errors as the card says. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from napari_diffuscope.imaging.intensity_map import IntensityMap
from napari_diffuscope.imaging.lost import REACH
from napari_diffuscope.measure.deviations import factor_of
from napari_diffuscope.methods.error_bars import given_deviation, note_error_bars, unlike_measured
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import ModelCard

ZOOM = "zoom"
"""Number of a volume that a card's fit may ask for: the binary logarithm of how many times finer it gets."""


DISTANCE = "distance"
"""Of a plane: the binary logarithm of how many fine planes the next measured one is away, 0 where it is no more."""


def zoom_measures(factor: int) -> dict[str, float]:
    """What a card's fit may ask of a volume that gets so many times finer."""
    return {ZOOM: math.log2(factor)}


def distance_measures(
    place: float, factor: int, left_out: Callable[[int], bool] = lambda plane: False
) -> dict[str, float]:
    """What a card's fit may ask of a plane.

    Parameters
    ----------
    place
        Of the plane, in fine planes from the first measured one; may lie between two.
    factor
        Fine planes from one measured plane to the next.
    left_out
        Whether a measured plane, by its number, tells nothing; none but those beside such planes are asked for.
    """
    low, high = math.floor(place / factor), math.ceil(place / factor)
    below = next((plane for plane in range(low, low - REACH - 1, -1) if not left_out(plane)), low - REACH)
    above = next((plane for plane in range(high, high + REACH + 1) if not left_out(plane)), high + REACH)
    return {DISTANCE: math.log2(max(1.0, min(place - factor * below, factor * above - place)))}


def matched_deviation(
    drawn: np.ndarray,
    line: IntensityMap,
    card: ModelCard,
    settings: SuperresSettings,
    scale: ZScale,
    first: int,
    left_out: Callable[[int], bool],
) -> np.ndarray:
    """Deviation of samples in intensities, matched with errors.

    Parameters
    ----------
    drawn
        float32 ``(Z, Y, X)``, of the samples, in intensities.
    line
        Between intensities and values of the network.
    card, settings
        Of the model, and of the run.
    scale
        Planes before and after.
    first
        Number of the first plane in the output.
    left_out
        As of :func:`distance_measures`.
    """
    if settings.error_bars == "factor" or card.deviation_fit is None:
        # Not by way of `given_deviation`: to network values and back, the last bit of results on record would change.
        return drawn * np.float32(card.deviation_scale)
    values = (drawn.astype(np.float64) / line.scale).astype(np.float32)
    places = (np.arange(first, first + len(drawn)) * scale.stride).tolist()
    factors = [
        factor_of(card.deviation_fit.terms, distance_measures(at, scale.factor, left_out)) for at in places
    ]
    matched = given_deviation(values, line, card, measures=zoom_measures(scale.factor))
    return matched * np.array(factors, np.float32)[:, None, None]


def noted_error_bars(
    record: dict[str, Any], card: ModelCard, settings: SuperresSettings, factor: int
) -> Iterator[str]:
    """Add to the record which intervals hold what; gives what the user must be told of the deviation."""
    if settings.mode not in ("mean", "deviation"):
        return
    if said := note_error_bars(record, card, settings):
        yield said
    if "intervals" not in record:
        return
    if unlike_measured(zoom_measures(factor), card):
        yield (
            f"Error bars: none were measured at {factor} times finer; intervals may hold other shares than they say."
        )
    if settings.blur or not settings.consensus:
        yield (
            "Error bars: they were measured on samples that are not blurred and whose directions agree after every "
            "step; intervals may hold other shares than they say."
        )
