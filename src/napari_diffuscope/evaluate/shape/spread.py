"""Whether samples of a shape differ from each other as much as the truth differs from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.evaluate.shape.predictions import SAMPLE, Results
from napari_diffuscope.measure.shapes.errors import surface_voxels
from napari_diffuscope.training.shape.cells import KnownCell

MEASURES: dict[str, Callable[[np.ndarray], float]] = {
    "volume": lambda occupied: float(occupied.sum()),
    "height": lambda occupied: (
        float(np.ptp(np.flatnonzero(occupied.any((1, 2)))) + 1) if occupied.any() else 0.0
    ),
    "surface": surface_voxels,
}
"""In voxels."""


@dataclass(frozen=True)
class SampleSpread:
    """Spread of a measure over the samples of each cell, against the truth.

    Parameters
    ----------
    name
        Of the measure.
    within
        Share of the cells whose truth lies between the smallest and the largest of their samples.
    expected
        That share if the truth were one more sample: (n - 1) / (n + 1) for n samples.
    deviation
        Root mean square over cells of the standard deviation over samples, relative to their mean.
    error
        Root mean square over cells of the difference between the mean of the samples and the truth, as large as
        ``deviation`` · √(1 + 1/n) if the truth were one more sample; relative to the mean as well.
    bias
        Mean of that difference.
    """

    name: str
    within: float
    expected: float
    deviation: float
    error: float
    bias: float


def spreads(cells: Sequence[KnownCell], label: str, count: int, results: Results) -> tuple[SampleSpread, ...]:
    """Compare all measures.

    Parameters
    ----------
    cells
        All that were predicted.
    label
        Of the model.
    count
        Number of samples of each, at least 2.
    results
        Where they are.
    """
    names = list(MEASURES)
    samples, truths = np.empty((len(names), len(cells), count)), np.empty((len(names), len(cells)))
    for place, cell in enumerate(cells):
        volumes = [results.volume(cell.name, label, f"{SAMPLE}-{number}") for number in range(count)]
        for number, name in enumerate(names):
            samples[number, place] = [MEASURES[name](volume) for volume in volumes]
            truths[number, place] = MEASURES[name](cell.occupied)
    return tuple(spread_of(*one) for one in zip(names, samples, truths, strict=True))


def spread_of(name: str, samples: np.ndarray, truths: np.ndarray) -> SampleSpread:
    """Compare a measure of the samples ``(cells, n)`` with the truths ``(cells,)``."""
    mean = samples.mean(1)
    scale = np.where(mean > 0, mean, 1.0)
    differences = (mean - truths) / scale
    within = (samples.min(1) <= truths) & (truths <= samples.max(1))
    count = samples.shape[1]
    return SampleSpread(
        name,
        float(within.mean()),
        (count - 1) / (count + 1),
        float(np.sqrt((samples.var(1, ddof=1) / scale**2).mean())),
        float(np.sqrt((differences**2).mean())),
        float(differences.mean()),
    )
