"""The first pass over a pair: its range, the fit, and the scale of MicroSSIM."""

from __future__ import annotations

import math

import numpy as np

from napari_diffuscope.comparison.values import usable
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.measure.arrays import vanishes
from napari_diffuscope.measure.micro import MicroScale, micro_scale
from napari_diffuscope.measure.moments import Moments, box_moments
from napari_diffuscope.measure.similarity import BOX

MOST_WHOLE = 6 * 2**20
"""The scale of MicroSSIM is fitted on all pixels and windows of a pair of up to so many pixels."""

MOST_KEPT = 2**20
"""Of a larger one, on about so many that are spread evenly."""


class PairSums:
    """What all pieces of a pair add up to.

    Parameters
    ----------
    pixels
        How many there will be.
    windows
        Whether windows are kept for the scale of MicroSSIM.
    names
        Of reference and image, for sentences.

    Attributes
    ----------
    only
        Moments of the only piece, where there was one and windows were kept.
    """

    def __init__(self, pixels: int, *, windows: bool, names: tuple[str, str]) -> None:
        self.every = 1 if pixels <= MOST_WHOLE else math.ceil(pixels / MOST_KEPT)
        self.count = 0
        self.low, self.high = math.inf, -math.inf
        self._names, self._windows = names, windows
        self._means = np.zeros(2)
        self._squares = np.zeros(3)
        self._largest = np.zeros(2)
        self._pixels: list[tuple[np.ndarray, np.ndarray]] = []
        self._moments: list[Moments] = []
        self.only: Moments | None = None
        self._last_range = 0.0

    def add(self, truth: np.ndarray, image: np.ndarray, where: np.ndarray | None) -> None:
        """Count one piece: float64 ``(Y, X)``, and which of its pixels belong to the comparison; all for ``None``.

        Raises
        ------
        DiffuscopeError
            If a pixel that belongs to it is NaN or infinite.
        """
        true, seen = (truth.ravel(), image.ravel()) if where is None else (truth[where], image[where])
        if not true.size:
            return
        for values, name in zip((true, seen), self._names, strict=True):
            usable(values, name)
        self._merge(true, seen)
        if self._windows and where is None:
            self._keep(truth, image)

    def _merge(self, true: np.ndarray, seen: np.ndarray) -> None:
        """Means and squared deviations of what was there and of what comes, together."""
        self.low, self.high = min(self.low, float(true.min())), max(self.high, float(true.max()))
        self._largest = np.maximum(self._largest, (np.abs(true).max(), np.abs(seen).max()))
        means = np.array([true.mean(), seen.mean()])
        low_t, low_i = true - means[0], seen - means[1]
        squares = np.array([np.vdot(low_t, low_t), np.vdot(low_i, low_i), np.vdot(low_t, low_i)])
        total = self.count + true.size
        apart = means - self._means
        between = np.array([apart[0] ** 2, apart[1] ** 2, apart[0] * apart[1]])
        self._squares += squares + between * (self.count * true.size / total)
        self._means += apart * (true.size / total)
        self.count = total

    def _keep(self, truth: np.ndarray, image: np.ndarray) -> None:
        some = (truth.ravel()[:: self.every], image.ravel()[:: self.every])
        # copies, or the whole pieces would stay behind them
        self._pixels.append(some if self.every == 1 else (some[0].copy(), some[1].copy()))
        self._last_range = float(np.ptp(truth))
        moments = box_moments(truth, image)
        self.only = moments if self.count == truth.size and self.every == 1 else None
        if moments is not None:
            mean_t, mean_i, var_t, var_i, covariance = (part.ravel()[:: self.every] for part in moments)
            kept = mean_t, mean_i, var_t, var_i, covariance
            self._moments.append(kept if self.every == 1 else _copied(kept))

    @property
    def constant(self) -> bool:
        """Whether all pixels of the reference are alike, but for rounding."""
        return vanishes(self.high - self.low, self._largest[0]) if self.count else True

    def data_range(self, given: float | None) -> float:
        """Range that errors are set against.

        Raises
        ------
        DiffuscopeError
            If the reference is constant and no range was given.
        """
        if given is not None:
            return given
        if self.constant:
            raise DiffuscopeError(
                f"All pixels of the reference {quoted(self._names[0])} are {self.low:g} here, so it has no range: take "
                "a part with structure, or give a data range."
            )
        return self.high - self.low

    @property
    def line(self) -> tuple[float, float]:
        """Factor and offset that bring the image nearest to the reference; factor 0 for a constant image."""
        flat = vanishes(math.sqrt(self._squares[1]), math.sqrt(self.count) * self._largest[1])
        factor = 0.0 if flat else float(self._squares[2] / self._squares[1])
        return factor, float(self._means[0] - factor * self._means[1])

    def pearson(self) -> float:
        """Correlation of the pixels.

        Raises
        ------
        DiffuscopeError
            If one of the two is constant.
        """
        for number, name in enumerate(self._names):
            if vanishes(math.sqrt(self._squares[number]), math.sqrt(self.count) * self._largest[number]):
                raise DiffuscopeError(
                    f"All pixels of {quoted(name)} are alike here: it correlates with nothing."
                )
        return float(np.clip(self._squares[2] / math.sqrt(self._squares[0] * self._squares[1]), -1, 1))

    def micro_scale(self) -> MicroScale:
        """The scale of MicroSSIM over all pieces.

        Raises
        ------
        DiffuscopeError
            If the pieces are too small, or one of the two is constant.
        """
        if not self._moments:
            raise DiffuscopeError(
                f"MicroSSIM needs {BOX} pixels along both axes, and a whole rectangle of them."
            )
        true, seen = (np.concatenate(parts) for parts in zip(*self._pixels, strict=True))
        return micro_scale(true, seen, self._moments, brightest=self.high, last_range=self._last_range)

    def forget_windows(self) -> None:
        """Give the memory of what was kept for the scale back."""
        self._pixels, self._moments = [], []


def _copied(moments: Moments) -> Moments:
    mean_t, mean_i, var_t, var_i, covariance = (part.copy() for part in moments)
    return mean_t, mean_i, var_t, var_i, covariance
