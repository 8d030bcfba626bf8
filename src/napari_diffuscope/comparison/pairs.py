"""The second pass over a pair: errors and similarities, piece by piece."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from napari_diffuscope.comparison.gathering import PairSums
from napari_diffuscope.comparison.measures import ERRORS
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.table import Cell
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.arrays import vanishes
from napari_diffuscope.measure.micro import MicroScale
from napari_diffuscope.measure.moments import Lines, MomentPyramid, box_ssim
from napari_diffuscope.measure.similarity import BOX, ssim_map, window_moments

Piece = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Reference, image, and which pixels belong to the comparison (all for ``None``)."""

Value = TypeVar("Value")
Pieces = Callable[[], Iterator[Piece]]

Part = tuple[float, float] | str
"""A value and its weight, or why there is none."""

PASSES = 2
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WHOLE = ("ms_ssim", "micro_ssim", "micro_ms3im")
"""Measures that need a whole rectangle."""


@dataclass(frozen=True)
class PairBasis:
    """What the numbers of a pair were computed from, in words for the columns."""

    data_range: float | None
    line: tuple[float, float] | None
    micro: MicroScale | None
    every: int


def pair_cells(
    pieces: Pieces, pixels: int, names: tuple[str, str], settings: CompareSettings
) -> Generator[int, None, tuple[dict[str, Cell], PairBasis]]:
    """Errors of an image against its reference; yields the number of pieces done, of ``PASSES`` times as many."""
    wanted = [name for name in ERRORS if name in settings.measures]
    sums = PairSums(pixels, windows=settings.wants(("micro_ssim", "micro_ms3im")), names=names)
    done = 0
    masked = False
    for truth, image, where in pieces():
        masked |= where is not None
        sums.add(truth, image, where)
        done += 1
        yield done
    if not sums.count:
        raise DiffuscopeError(f"No pixel of {names[1]!r} belongs to the chosen part; choose another one.")
    prepared = _Prepared(sums, settings, masked)
    totals = {name: _Mean() for name in (*wanted, "mae", "rmse")}
    for piece in pieces():
        for _, parts in in_parallel(prepared.tasks(piece, wanted)):
            for name, part in (parts or {}).items():
                totals[name].take(part)
            yield done
        done += 1
        yield done
    return prepared.cells(totals, wanted), prepared.basis


def in_parallel(tasks: Iterable[tuple[str, Callable[[], Any]]]) -> Iterator[tuple[str, Any]]:
    """Results of functions by name as they come, on all cores; an empty name ten times a second between them."""
    with ThreadPoolExecutor(CORES) as pool:
        names = {pool.submit(task): name for name, task in tasks}
        waiting = set(names)
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
                yield "", None
                for future in finished:
                    yield names[future], future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Mean:
    """A weighted mean, or why there is none."""

    def __init__(self) -> None:
        self.total, self.weight, self.why = 0.0, 0.0, ""

    def take(self, part: Part) -> None:
        if isinstance(part, str):
            self.why = self.why or part
        else:
            self.total, self.weight = self.total + part[0] * part[1], self.weight + part[1]

    @property
    def value(self) -> float:
        if self.why or not self.weight:
            raise DiffuscopeError(self.why or "Nothing of the chosen part is large enough for it.")
        return self.total / self.weight


class _Prepared:
    """What the second pass knows from the first."""

    def __init__(self, sums: PairSums, settings: CompareSettings, masked: bool) -> None:
        self._sums, self._masked = sums, masked
        self._line, self._only = (sums.line if settings.affine else None), sums.only
        self._range = _tried(lambda: sums.data_range(settings.data_range))
        self._micro = (
            _tried(sums.micro_scale) if settings.wants(("micro_ssim", "micro_ms3im")) and not masked else ""
        )
        sums.forget_windows()
        self.basis = PairBasis(
            None if isinstance(self._range, str) else self._range,
            self._line,
            None if isinstance(self._micro, str) else self._micro,
            sums.every,
        )

    def tasks(self, piece: Piece, wanted: list[str]) -> Iterator[tuple[str, Callable[[], dict[str, Part]]]]:
        """The work of one piece: functions of values and their weights by measure, or why there is none."""
        truth, image, where = piece
        needed = {"rmse" if name in ("nrmse", "psnr") else name for name in wanted}
        if "rmse" in needed or "mae" in needed:
            yield "errors", lambda: self._errors(truth, image, where)
        if needed & {
            "ssim",
            *WHOLE,
        }:  # one after the other: each needs several arrays of the size of the piece
            yield "structure", lambda: self._structure(piece, needed)

    def _structure(self, piece: Piece, needed: set[str]) -> dict[str, Part]:
        truth, image, where = piece
        found: dict[str, Part] = {}
        if "ssim" in needed:
            found["ssim"] = _tried(lambda: self._ssim(truth, image, where))
        whole = [name for name in WHOLE if name in needed]
        if whole and where is not None:
            found |= {name: _no_rectangle(name) for name in whole}
        elif whole:
            found |= self._whole(truth, image, whole)
        return found

    def _fitted(self, image: np.ndarray) -> np.ndarray:
        return image if self._line is None else self._line[0] * image + self._line[1]

    def _errors(self, truth: np.ndarray, image: np.ndarray, where: np.ndarray | None) -> dict[str, Part]:
        difference = truth - self._fitted(image)
        if where is not None:
            difference = difference[where]
        count = difference.size
        if not count:
            return {"mae": (0.0, 0.0), "rmse": (0.0, 0.0)}
        flat = difference.ravel()
        return {
            "mae": (float(np.abs(flat).mean()), count),
            "rmse": (float(np.dot(flat, flat)) / count, count),
        }

    def _ssim(self, truth: np.ndarray, image: np.ndarray, where: np.ndarray | None) -> tuple[float, float]:
        size, lines = _needed(self._range), Lines(image=self._line or (1.0, 0.0))
        if where is None:
            return box_ssim(self._only or window_moments(truth, image), size, lines), truth.size
        inner = (slice(BOX // 2, -(BOX // 2)),) * 2
        whole = _eroded(where)[inner]
        if not whole.any():
            return 0.0, 0.0
        filled = [np.where(where, values, 0.0) for values in (truth, self._fitted(image))]
        return float(ssim_map(*filled, data_range=size)[whole].mean()), int(whole.sum())

    def _whole(self, truth: np.ndarray, image: np.ndarray, names: list[str]) -> dict[str, Part]:
        """Measures in Gaussian windows, which need the same moments."""
        pyramid = _tried(lambda: MomentPyramid(truth, image))
        if isinstance(pyramid, str):
            return dict.fromkeys(names, pyramid)
        fitted = Lines(image=self._line or (1.0, 0.0))

        def micro(measure: Callable[..., float], **how: bool) -> float:
            scale = _needed(self._micro)
            return measure(scale.range_of(truth), scale.lines, **how)

        works: dict[str, Callable[[], float]] = {
            "ms_ssim": lambda: pyramid.ms_ssim(_needed(self._range), fitted),
            "micro_ssim": lambda: micro(pyramid.micro_ssim),
            "micro_ms3im": lambda: micro(pyramid.ms_ssim, whole=True),
        }
        found = {name: _tried(works[name]) for name in names}
        return {
            name: value if isinstance(value, str) else (value, truth.size) for name, value in found.items()
        }

    def cells(self, totals: dict[str, _Mean], wanted: list[str]) -> dict[str, Cell]:
        """All measures of errors."""

        def rmse() -> float:
            return math.sqrt(totals["rmse"].value)

        def psnr() -> float:
            error = rmse()
            equal = vanishes(error, max(abs(self._sums.low), abs(self._sums.high)))
            return math.inf if equal else 20 * math.log10(_needed(self._range) / error)

        derived: dict[str, Callable[[], float]] = {
            "rmse": rmse,
            "nrmse": lambda: rmse() / _needed(self._range),
            "psnr": psnr,
            "pearson": self._sums.pearson,
        }
        return {
            name: cell_of(derived.get(name, lambda name=name: totals[name].value))  # type: ignore[misc]
            for name in wanted
        }


def cell_of(number: Callable[[], float]) -> Cell:
    """The number of a function, or the sentence that it raises."""
    try:
        return Cell(float(number()))
    except DiffuscopeError as error:
        return Cell(None, str(error))


def _tried(work: Callable[[], Value]) -> Value | str:
    try:
        return work()
    except DiffuscopeError as error:
        return str(error)


def _needed(value: Value | str) -> Value:
    if isinstance(value, str):
        raise DiffuscopeError(value)
    return value


def _no_rectangle(name: str) -> str:
    title = ERRORS[name][0]
    return (
        f"{title} needs a whole rectangle of pixels: choose a rectangle instead of a mask or a rotated field."
    )


def _eroded(where: np.ndarray) -> np.ndarray:
    """Pixels whose window lies within the mask."""
    from scipy import ndimage

    return np.asarray(ndimage.minimum_filter(where.astype(np.uint8), BOX), dtype=bool)
