"""How far a job is and how long it still takes, in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Work done and planned, the seconds left (``None`` until they can be told) and a sentence."""

    done: int
    total: int
    seconds_left: float | None = None
    message: str = ""


class TimeLeft:
    """Seconds left, from the pace since the first update.

    The first update is the origin: what came before it (loading weights, reading the file) happens only once.
    Nothing is told within the first second, when one slow evaluation would decide the answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._origin: tuple[float, int] | None = None

    def estimate(self, done: int, total: int) -> float | None:
        """Seconds left after ``done`` of ``total``, or ``None`` as long as nobody knows."""
        now = self._clock()
        if self._origin is None:
            if done > 0:
                self._origin = (now, done)
            return None
        began, first = self._origin
        if done <= first or now - began < 1.0:
            return None
        return max(0.0, (now - began) / (done - first) * (total - done))


def in_words(seconds: float) -> str:
    """``12 s``, ``4 min``, ``1 h 20 min``: no more digits than an estimate deserves.

    Examples
    --------
    >>> in_words(12.3), in_words(200), in_words(5000)
    ('12 s', '3 min', '83 min')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
