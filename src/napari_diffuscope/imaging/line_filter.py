"""Noise that runs on from one pixel to the next along the lines of a scanner, made white and back.

An amplifier of finite bandwidth, or a filter behind it, lets every pixel carry on a part of the ones before it. Taking
that part away again (the prediction-error filter of an autoregressive process) leaves white noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

REACH = 64
"""Pixels before a pixel that decide what it is made back to."""

RIDGE = 1.02
"""The measured power of the noise counts so much more: steadier where it is hardly known."""


@dataclass(frozen=True)
class LineFilter:
    """A filter along one axis, and its inverse; neither changes an even image.

    Parameters
    ----------
    axis
        0 for Y, 1 for X.
    carried
        Shares of the pixels 1, 2, … before that a pixel carries on.
    """

    axis: int
    carried: tuple[float, ...]

    def forward(self, plane: np.ndarray) -> np.ndarray:
        """The plane ``(Y, X)`` without what its pixels carry on, float32; continued by its mirror image."""
        taps = np.array([1.0, *(-share for share in self.carried)])
        return self._filtered(plane, taps / taps.sum())

    def back(self, plane: np.ndarray) -> np.ndarray:
        """What :meth:`forward` gives ``plane`` for, float32.

        A pixel depends on the `REACH` pixels before it, and is the same in a part as in the whole.
        """
        response = np.zeros(REACH + 1)
        response[0] = 1.0
        for place in range(1, REACH + 1):
            before = response[max(place - len(self.carried), 0) : place][::-1]
            response[place] = float(np.dot(self.carried[: len(before)], before))
        return self._filtered(plane, response / response.sum())

    def _filtered(self, plane: np.ndarray, taps: np.ndarray) -> np.ndarray:
        lines = np.moveaxis(np.asarray(plane, np.float64), self.axis, 1)
        length, before = lines.shape[1], len(taps) - 1
        lines = np.pad(lines, ((0, 0), (before, 0)), mode="symmetric")
        total = taps[0] * lines[:, before:]
        for distance in range(1, before + 1):  # one after the other: the same order for every pixel
            total += taps[distance] * lines[:, before - distance : before - distance + length]
        return np.ascontiguousarray(np.moveaxis(total, 1, self.axis), np.float32)

    def around(self, region: Sequence[tuple[int, int]], shape: Sequence[int]) -> list[tuple[int, int]]:
        """The part of a plane of a shape that :meth:`back` needs for a region: ``REACH`` more before it."""
        wider = list(region)
        first, stop = wider[self.axis]
        first = max(first - REACH, 0)
        wider[self.axis] = (first, max(stop, min(first + REACH, shape[self.axis])))
        return wider

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"axis": "YX"[self.axis], "carried": list(self.carried)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LineFilter:
        """The filter of a record."""
        return cls("YX".index(values["axis"]), tuple(map(float, values["carried"])))


def filter_of(correlation: Sequence[float], axis: int) -> LineFilter:
    """The filter for noise of a correlation, by the equations of Yule and Walker for two pixels before.

    Parameters
    ----------
    correlation
        Of pixels 1 and 2 apart.
    axis
        0 for Y, 1 for X.
    """
    one, two = correlation[:2]
    shares = np.linalg.solve(np.array([[RIDGE, one], [one, RIDGE]]), np.array([one, two]))
    return LineFilter(axis, (float(shares[0]), float(shares[1])))
