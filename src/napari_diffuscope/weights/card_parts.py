"""What a model card says of the images and cells that were learned from. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card_checks import check_number, check_range, check_whole


@dataclass(frozen=True)
class CellFeatures:
    """What the training cells of a model of shapes look like in their plane, so that others can be told from them.

    Parameters
    ----------
    names
        Of the features.
    mean, deviation
        Of each feature over the cells; deviations are positive.
    correlation
        Of each pair of features: a symmetric, positive definite matrix.
    limit
        Distance below which 95 % of the cells lie, each compared with the others.
    cells
        How many there were.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    limit: float
    cells: int

    def __post_init__(self) -> None:
        count = len(self.names)
        lengths = {len(self.mean), len(self.deviation), len(self.correlation), *map(len, self.correlation)}
        numbers = (
            *self.mean,
            *self.deviation,
            self.limit,
            *(value for row in self.correlation for value in row),
        )
        if lengths != {count} or not all(map(math.isfinite, numbers)):
            raise DiffuscopeError("The cell_features of the card need one finite number for each name.")
        if min(*self.deviation, self.limit) <= 0 or not _positive_definite(self.correlation):
            raise DiffuscopeError("The cell_features of the card describe no spread that cells can have.")


def _positive_definite(matrix: tuple[tuple[float, ...], ...]) -> bool:
    """By elimination, for this module needs no library of arrays."""
    rows = [list(row) for row in matrix]
    for place, row in enumerate(rows):
        if not row[place] > 0:
            return False
        for below in rows[place + 1 :]:
            share = below[place] / row[place]
            for column in range(place, len(row)):
                below[column] -= share * row[column]
    return True


@dataclass(frozen=True)
class ValueScale:
    """What the network's values are in units of the training data.

    Parameters
    ----------
    low, high
        What stands for the lowest and for the highest value of the card's ``data_range``.
    unit
        In words: ``localisations per pixel``.
    power
        Values are low + (high - low) · u ** power, where u runs from 0 to 1 over ``data_range``; other than 1 for
        networks that were trained on roots of the values. Then u below 0 counts as 0.
    """

    low: float
    high: float
    unit: str = ""
    power: float = 1.0

    def __post_init__(self) -> None:
        check_range("values", (self.low, self.high))
        check_number("values.power", self.power, 0, 16, above=True)


@dataclass(frozen=True)
class Density:
    """How densely the training images of a generator are filled, where it was told.

    Its network's first two numbers are (1, d) with d from -1 (``low``) to 1 (``high``) where a density is asked for,
    and (0, 0) where none is.

    Parameters
    ----------
    low, high
        Smallest and largest density of the training images.
    meaning
        What it is, in words: ``share of pixels that are brighter than half of the brightest``.
    """

    low: float
    high: float
    meaning: str

    def __post_init__(self) -> None:
        check_range("density", (self.low, self.high))

    def numbers(self, value: float | None) -> tuple[float, float]:
        """What the network is told of a density."""
        if value is None:
            return 0.0, 0.0
        return 1.0, 2 * (value - self.low) / (self.high - self.low) - 1


MOST_KNOTS = 64
"""Of a curve in a card."""


@dataclass(frozen=True)
class DeviationTerm:
    """A factor on the fitted deviation that follows a number measured on each image.

    Parameters
    ----------
    measure
        Name of the number: ``noise_colour``, the correlation of the noise of neighbours, or ``noise_level``, its
        decadic logarithm in values of the network; ``zoom``, the binary logarithm of how many times finer a volume
        gets, or ``distance``, that of how many planes the next measured one is away.
    points
        Numbers, rising.
    factors
        Of the deviation at these; between them straight in their logarithm, beyond them they stay. An image of which
        the number cannot be measured has the factor 1.
    """

    measure: str
    points: tuple[float, ...]
    factors: tuple[float, ...]

    def __post_init__(self) -> None:
        sized = len(self.points) == len(self.factors) and 2 <= len(self.points) <= MOST_KNOTS
        rising = all(a < b for a, b in pairwise(self.points)) and all(map(math.isfinite, self.points))
        if not (self.measure and sized and rising and all(1e-3 < factor < 1e3 for factor in self.factors)):
            raise DiffuscopeError(
                "A term of the deviation_fit of the card needs a measure, two or more points that rise, and as many "
                "positive factors; correct it."
            )


@dataclass(frozen=True)
class DeviationFit:
    """How deviations of samples were matched with errors on kept-out data: by their size, and by the shares inside.

    Parameters
    ----------
    samples
        Samples behind each deviation.
    deviation
        Deviations of samples in values of the network, rising.
    fitted
        What stands for them, likewise; between them both grow as powers of each other, beyond them in proportion.
    shares
        Shares of the true values, rising.
    widths
        Half widths of the intervals around the mean that hold these shares, in fitted deviations.
    terms
        Factors on the fitted deviations, by numbers that are measured on each image; none in earlier cards.
    """

    samples: int
    deviation: tuple[float, ...]
    fitted: tuple[float, ...]
    shares: tuple[float, ...]
    widths: tuple[float, ...]
    terms: tuple[DeviationTerm, ...] = ()

    def __post_init__(self) -> None:
        check_whole("deviation_fit.samples", self.samples, 2, 10_000)
        _check_curve("deviation and fitted", self.deviation, self.fitted)
        _check_curve("shares and widths", self.shares, self.widths)
        if max(self.shares) >= 1:
            raise DiffuscopeError(
                "The deviation_fit of the card has shares of 1 or more; they must lie below."
            )


def _check_curve(names: str, first: tuple[float, ...], second: tuple[float, ...]) -> None:
    """Refuse what is no rising curve through positive numbers."""
    numbers = (*first, *second)
    sized = len(first) == len(second) and 1 <= len(first) <= MOST_KNOTS
    finite = all(1e-12 < number < 1e12 for number in numbers)
    if not (sized and finite and all(a < b for values in (first, second) for a, b in pairwise(values))):
        raise DiffuscopeError(
            f"The deviation_fit of the card must have as many {names}, all positive and rising; correct it."
        )
