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


class Pace:
    """How fast a job goes, from the first piece of work that was done to the last; of a single piece, from before it.

    What comes before the first piece (loading weights, reading the file) happens only once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: float | None = None
        self._first: tuple[float, float] | None = None
        self._last: tuple[float, float] | None = None

    def take(self, done: int, total: int) -> None:
        """Note how far the job is."""
        now = self._clock()
        if done <= 0 or total <= 0:
            self._before = now
            return
        share = done / total
        self._first = self._first or (now, share)
        if self._last is None or share > self._last[1]:
            self._last = (now, share)

    @property
    def share_per_second(self) -> float | None:
        """Share of the whole work in a second, ``None`` while nothing is known."""
        if self._first is None or self._last is None:
            return None
        (began, first), (ended, last) = self._first, self._last
        if last > first and ended > began:
            return (last - first) / (ended - began)
        if self._before is None or began <= self._before:
            return None
        return first / (began - self._before)


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
