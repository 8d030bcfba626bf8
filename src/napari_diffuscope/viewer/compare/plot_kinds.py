"""What the page *Plots* can draw, each from a scene; computed off the thread of the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from napari_diffuscope.comparison.curves import (
    Curves,
    calibration,
    error_spectra,
    frame_correlations,
    histograms,
    quality_by_samples,
    ring_correlations,
    split_correlations,
)
from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.placing import Placed
from napari_diffuscope.comparison.sampling import sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.values import usable
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods.error_bars import intervals_of

PROFILE = "profile"
KINDS = (
    ("Line profile", PROFILE),
    ("Histogram", "histogram"),
    ("Ring correlation with the reference", "rings"),
    ("Ring correlation of two frames or samples", "frames"),
    ("Ring correlation of two halves", "halves"),
    ("Error against frequency", "spectrum"),
    ("Quality against averaged samples", "samples"),
    ("Calibration: error and deviation", "calibration"),
    ("Calibration: coverage", "coverage"),
)


def curves_of(kind: str, scene: Scene, settings: CompareSettings, extra: Any = None) -> Curves:
    """The curves of a kind.

    Parameters
    ----------
    kind
        One of `KINDS` but the profile.
    scene, settings
        What is compared and how.
    extra
        For ``"samples"``, the arrays of samples and their name; for calibration, ``(mean, deviation, samples)``.

    Raises
    ------
    DiffuscopeError
        If there is nothing to draw, one sentence why.
    """
    plane = scene.plane_of(scene.common)
    makers: dict[str, Callable[[], Curves]] = {
        "histogram": lambda: histograms((scene.reference, *scene.others), plane),
        "rings": lambda: ring_correlations(scene, settings),
        "frames": lambda: frame_correlations(scene, settings),
        "halves": lambda: split_correlations(scene, settings),
        "spectrum": lambda: error_spectra(scene, settings),
        "samples": lambda: _samples(scene, extra),
        "calibration": lambda: _calibration(scene, extra)[0],
        "coverage": lambda: _calibration(scene, extra)[1],
    }
    return makers[kind]()


def _samples(scene: Scene, extra: Any) -> Curves:
    if extra is None:
        raise DiffuscopeError(
            "No compared layer has samples to average: restore with the mode samples, and choose that layer."
        )
    name, count, placed_at = extra
    plane = scene.plane_of(scene.common)
    truth = usable(sampled(scene.reference, plane), scene.reference.name)

    def planes() -> Iterator[np.ndarray]:
        for number in range(count):
            yield usable(sampled(placed_at(number), plane), name)

    return quality_by_samples(truth, planes(), name)


def _calibration(scene: Scene, extra: Any) -> tuple[Curves, Curves]:
    if extra is None:
        raise DiffuscopeError(
            "Calibration needs a truth as the reference, a mean of samples, and its deviation among the compared "
            "layers."
        )
    mean, deviation, samples = extra
    plane = scene.plane_of(scene.common)
    truth, middle, spread = (
        usable(sampled(each, plane), each.name) for each in (scene.reference, mean, deviation)
    )
    return calibration(truth, middle, spread, samples=samples, intervals=intervals_of(deviation.record or {}))


def mean_and_deviation(scene: Scene) -> tuple[Placed, Placed, int] | None:
    """A deviation among the others, the mean that belongs to it, and the number of samples; ``None`` without one."""
    for deviation in scene.others:
        record = deviation.record or {}
        if record.get("output") != "deviation":
            continue
        means = [
            other
            for other in scene.others
            if other is not deviation and other.record and _same_run(other.record, record)
        ]
        if not means:
            raise DiffuscopeError(
                f"The mean that belongs to {quoted(deviation.name)} is not among the compared layers; choose "
                "it as well."
            )
        samples = (record.get("settings") or {}).get("samples")
        if not isinstance(samples, int):
            raise DiffuscopeError(
                f"The record of {quoted(deviation.name)} does not say how many samples it comes from."
            )
        return means[0], deviation, samples
    return None


def _same_run(one: dict[str, Any], other: dict[str, Any]) -> bool:
    keys = ("method", "model", "settings", "input")
    return all(one.get(key) == other.get(key) for key in keys)
