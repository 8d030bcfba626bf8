"""Which planes of an output are finished, counted and in words. Free of Qt and napari."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np

from napari_diffuscope.methods.method import Output
from napari_diffuscope.methods.restore.outputs import SAMPLE_AXIS
from napari_diffuscope.viewer.results import Plane

#: Groups of planes that are named; more are counted.
MOST_GROUPS = 4


def split_samples(output: Output, planes: Iterable[Plane]) -> dict[Plane, int]:
    """How many samples of each plane there are, planes named without the axis of the samples."""
    at = output.axes.find(SAMPLE_AXIS)
    counts: dict[Plane, int] = defaultdict(int)
    for plane in planes:
        counts[plane if at < 0 else (*plane[:at], *plane[at + 1 :])] += 1
    return counts


def samples_of(output: Output) -> int:
    """Samples of every plane; 1 where the output has no such axis."""
    at = output.axes.find(SAMPLE_AXIS)
    return 1 if at < 0 else int(output.shape[at])


def planes_of_output(output: Output) -> list[Plane]:
    """All planes, without the axis of the samples."""
    return list(split_samples(output, np.ndindex(tuple(output.shape[:-2]))))


def finished_planes(output: Output, finished: Collection[Plane]) -> set[Plane]:
    """Planes of which all samples are finished."""
    samples = samples_of(output)
    return {plane for plane, count in split_samples(output, finished).items() if count == samples}


def counted(number: int, noun: str = "plane") -> str:
    """``1 plane``, ``3 planes``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def planes_in_words(axes: str, planes: Iterable[Plane], origin: Sequence[float] = ()) -> str:
    """``z 3–8``, ``t 1: z 3–8; t 2: z 0–8``: planes as the sliders count them, from 0.

    Parameters
    ----------
    axes
        Letters of the leading axes.
    planes
        An index along each.
    origin
        Added to the indices.
    """
    start = [round(at) for at in origin] or [0] * len(axes)
    groups: dict[Plane, list[int]] = defaultdict(list)
    for plane in sorted(planes):
        moved = tuple(at + first for at, first in zip(plane, start, strict=True))
        groups[moved[:-1]].append(moved[-1])
    parts = []
    for lead, last in groups.items():
        head = ", ".join(f"{letter.lower()} {at}" for letter, at in zip(axes[:-1], lead, strict=True))
        parts.append(f"{head}: " * bool(head) + f"{axes[-1].lower()} {_ranges(last)}")
    if len(parts) > MOST_GROUPS:
        parts = [*parts[:MOST_GROUPS], f"and {len(parts) - MOST_GROUPS} more groups"]
    return "; ".join(parts)


def _ranges(numbers: Sequence[int]) -> str:
    """``0–2, 5`` of ascending numbers."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [f"{low}" if low == high else f"{low}–{high}" for low, high in runs]
    if len(words) > MOST_GROUPS * 2:
        words = [*words[: MOST_GROUPS * 2], "…"]
    return ", ".join(words)
