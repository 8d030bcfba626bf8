"""Parts of an image in which nothing is: they are not shown to the network, and stay as they were measured.

A part is a square of a plane, counted from the corner of the image, whatever is worked on at a time: so tiles and
blocks decide nothing. Free of torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from napari_diffuscope.imaging.tiles import Region

SQUARE = 256
"""Edge of a part, in pixels; of volumes, parts are so many planes deep: :data:`DEPTH`."""

DEPTH = 16
"""Measured planes of a part of a volume."""

Span = tuple[int, int]


def empty_squares(plane: np.ndarray, below: float) -> np.ndarray:
    """Which squares have no pixel that reaches a threshold; pixels without a value do not count.

    Parameters
    ----------
    plane
        ``(Y, X)``, whole.
    below
        The threshold, in the units of the plane.

    Returns
    -------
    ndarray
        bool, ``(rows, columns)`` of squares.
    """
    with np.errstate(invalid="ignore"):
        bright = plane >= below
    rows = np.logical_or.reduceat(bright, np.arange(0, plane.shape[0], SQUARE), axis=0)
    return ~np.logical_or.reduceat(rows, np.arange(0, plane.shape[1], SQUARE), axis=1)


def of_pixels(squares: np.ndarray, rows: Span, columns: Span) -> np.ndarray:
    """For every pixel of a rectangle whether its square is one of those, ``(Y, X)``."""
    pixels: np.ndarray = squares[np.ix_(np.arange(*rows) // SQUARE, np.arange(*columns) // SQUARE)]
    return pixels


def squares_of(squares: np.ndarray, region: Region) -> np.ndarray:
    """The squares that a rectangle touches."""
    rows, columns = (slice(start // SQUARE, -(-stop // SQUARE)) for start, stop in region)
    return squares[rows, columns]


Parts = dict[Any, tuple[int, int]]
"""For each piece that was looked at, by any name, how many of its parts are empty, and how many it has."""


@dataclass
class Skipped:
    """How much was left out.

    Parameters
    ----------
    below
        The threshold; ``None`` where nothing is left out.
    parts
        For each piece that was looked at, by any name, how many of its parts are empty, and how many it has.
    """

    below: float | None
    parts: Parts = field(default_factory=dict)

    def note(self, name: Any, empty: np.ndarray) -> None:
        """Count the parts of a piece; once, however often it is told."""
        self.parts[name] = (int(np.count_nonzero(empty)), int(empty.size))

    def taken(self) -> Parts:
        """What was counted since it was taken last; nothing of it is left here."""
        parts, self.parts = self.parts, {}
        return parts

    def add(self, parts: Parts) -> None:
        """Add what was counted elsewhere."""
        self.parts.update(parts)

    @property
    def empty(self) -> int:
        """Parts that were left out."""
        return sum(empty for empty, _ in self.parts.values())

    @property
    def total(self) -> int:
        """Parts that were looked at."""
        return sum(count for _, count in self.parts.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for the record."""
        return {"below": self.below, "empty_parts": self.empty, "parts": self.total}

    def sentence(self, became: str) -> str:
        """What the user must be told.

        Parameters
        ----------
        became
            What is there instead: ``"they have their measured values"``.
        """
        share = self.empty / self.total if self.total else 0.0
        return (
            f"Not shown to the network, for nothing in them reaches {self.below:g}: {self.empty:,} of {self.total:,} "
            f"parts ({share:.0%}); {became}."
        )


@dataclass
class LeftOut:
    """What a run leaves out: counted piece by piece where it is looked at, and in all where the run is led.

    Parameters
    ----------
    below
        The threshold; ``None`` to leave out nothing.
    """

    became: ClassVar[str]
    """What is there instead, as :meth:`Skipped.sentence` takes it."""

    below: float | None
    skipped: Skipped = field(init=False)
    looked_at: Skipped = field(init=False)

    def __post_init__(self) -> None:
        self.skipped, self.looked_at = Skipped(self.below), Skipped(self.below)

    def taken(self) -> Parts:
        """What was looked at since it was taken last."""
        return self.looked_at.taken()

    def add(self, parts: Parts) -> None:
        """Count what was looked at in a piece of the run."""
        self.skipped.add(parts)

    def note(self, record: dict[str, Any]) -> None:
        """Add to the record how much was left out."""
        if self.below is not None:
            record["skipped"] = self.skipped.to_dict()

    @property
    def sentences(self) -> list[str]:
        """What the user must be told."""
        return [] if self.below is None else [self.skipped.sentence(self.became)]
