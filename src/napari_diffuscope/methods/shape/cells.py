"""The cells of a label image, and which of them a shape can be predicted for. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.settings import ShapeSettings

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class WindowChecks:
    """What a cell must be like.

    Parameters
    ----------
    border
        Whether cells that touch the border of the plane are refused.
    least_extent
        Least extent along y and x in pixels.
    most_share
        Largest part of the plane.
    most_times
        Largest area in areas of the plane's median cell, where there are at least ``FEW`` cells.
    most_hole
        Largest part of the filled outline that may be holes.
    most_second
        Largest second piece, in areas of the first.
    least_solidity
        Least area in areas of the convex hull without a warning.

    Notes
    -----
    The masks of 95 red blood cells, slices through their middles, have holes of up to 0.22 and a solidity from 0.50
    to 0.98 (median 0.88): neither is amiss by itself.
    """

    border: bool = True
    least_extent: int = 8
    most_share: float = 0.75
    most_times: float = 10.0
    most_hole: float = 0.3
    most_second: float = 0.2
    least_solidity: float = 0.55


FEW = 4
"""With fewer cells nothing is said of a cell's size beside that of the others."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One label.

    Parameters
    ----------
    label
        Its number.
    box
        ``(y0, y1, x0, x1)`` in pixels, ends not included.
    mask
        bool, of the box: where the label is.
    complaint
        One sentence on what is amiss with it, or ``None``.
    refused
        Whether no shape should be predicted; otherwise the complaint is a warning.
    """

    label: int
    box: Box
    mask: np.ndarray = field(repr=False)
    complaint: str | None = None
    refused: bool = False

    @property
    def extent(self) -> int:
        """The larger edge of the box."""
        y0, y1, x0, x1 = self.box
        return max(y1 - y0, x1 - x0)


def find_cells(
    labels: Any, *, only: Sequence[int] | None = None, window_checks: WindowChecks | None = None
) -> tuple[Cell, ...]:
    """All cells of a label image, with what is amiss with each.

    Parameters
    ----------
    labels
        ``(Y, X)`` whole numbers, 0 where no cell is. Of truth values every connected piece becomes a cell.
    only
        Labels to look at; all by default.
    window_checks
        What a cell must be like.

    Returns
    -------
    tuple of Cell
        By label.

    Raises
    ------
    DiffuscopeError
        If the labels are no whole numbers from 0 of one plane, or a label that was asked for is not there.
    """
    array = checked_labels(labels)
    numbers, inverse, areas = np.unique(array, return_inverse=True, return_counts=True)
    places = inverse.reshape(array.shape) + (0 if numbers.size and numbers[0] == 0 else 1)
    numbers, areas = numbers[numbers > 0], areas[numbers > 0]
    if only is not None and (absent := sorted(set(only) - set(numbers.tolist()))):
        raise DiffuscopeError(
            f"There is no label {', '.join(map(str, absent))} in this plane; choose others."
        )
    checks, median = window_checks or WindowChecks(), float(np.median(areas)) if len(areas) >= FEW else None
    cells = []
    for number, region in enumerate(ndimage.find_objects(places), start=1):
        label = int(numbers[number - 1])
        if only is not None and label not in only:
            continue
        rows, columns = region
        box = (rows.start, rows.stop, columns.start, columns.stop)
        mask = places[region] == number
        complaint, refused = _looked_at(label, box, mask, array.shape, median, checks)
        cells.append(Cell(label, box, mask, complaint, refused))
    return tuple(cells)


def cells_for(labels: Any, settings: ShapeSettings, *, only: Sequence[int] | None = None) -> tuple[Cell, ...]:
    """All cells that a run with these settings looks at, as :func:`find_cells`.

    Where the model sees the whole plane, a cell at its border is not cut off.
    """
    return find_cells(labels, only=only, window_checks=WindowChecks(border=settings.window == "cell"))


def checked_labels(labels: Any) -> np.ndarray:
    """Labels as whole numbers ``(Y, X)``.

    Raises
    ------
    DiffuscopeError
        If they are something else.
    """
    array = np.asarray(labels)
    if array.ndim != 2:
        raise DiffuscopeError(
            f"The labels must be one plane (Y, X), not an array of shape {array.shape}; choose a plane."
        )
    if array.dtype == bool:
        return np.asarray(ndimage.label(array, np.ones((3, 3)))[0])
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DiffuscopeError(
            f"The labels are of type {array.dtype} and no whole numbers; give a label image, in which every cell "
            "has a number of its own."
        )
    if array.size and array.min() < 0:
        raise DiffuscopeError(f"The labels hold {array.min()}, but labels are numbers from 0.")
    return array


def _looked_at(
    label: int,
    box: Box,
    mask: np.ndarray,
    shape: tuple[int, ...],
    median: float | None,
    checks: WindowChecks,
) -> tuple[str | None, bool]:
    """What is amiss, and whether the cell is refused for it."""
    if refusal := _misplaced(label, box, mask, shape, median, checks) or _malformed(label, mask, checks):
        return refusal, True
    if (solid := solidity(mask)) < checks.least_solidity:
        return (
            f"Cell {label} covers only {solid:.0%} of its convex hull: if it is two cells in one label, separate them.",
            False,
        )
    return None, False


def _misplaced(
    label: int,
    box: Box,
    mask: np.ndarray,
    shape: tuple[int, ...],
    median: float | None,
    checks: WindowChecks,
) -> str | None:
    """Complaints about where it is and how large."""
    y0, y1, x0, x1 = box
    area = int(mask.sum())
    if area > checks.most_share * shape[0] * shape[1]:
        return (
            f"Cell {label} is huge: it covers {area / (shape[0] * shape[1]):.0%} of the plane; perhaps the background "
            "is labelled."
        )
    if checks.border and (min(y0, x0) == 0 or y1 == shape[0] or x1 == shape[1]):
        return (
            f"Cell {label} touches the border of the image, so part of it was not seen; choose a whole cell."
        )
    if min(y1 - y0, x1 - x0) < checks.least_extent:
        return (
            f"Cell {label} is tiny: {y1 - y0} x {x1 - x0} pixels; at least {checks.least_extent} along each axis are "
            "needed."
        )
    if median is not None and area > checks.most_times * median:
        return (
            f"Cell {label} is huge: {area / median:.0f} times as large as the median cell; perhaps several cells "
            "have one label."
        )
    return None


def _malformed(label: int, mask: np.ndarray, checks: WindowChecks) -> str | None:
    """Complaints about its outline."""
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1]
    if count > 1 and sizes[1] > checks.most_second * sizes[0]:
        return f"Cell {label} is in {count} pieces; give each cell a label of its own."
    filled = ndimage.binary_fill_holes(mask)
    hole = 1 - mask.sum() / filled.sum()
    if hole > checks.most_hole:
        return f"Cell {label} is hollow: {hole:.0%} of its outline is a hole; fill its label."
    return None


def solidity(mask: np.ndarray) -> float:
    """Area over that of the convex hull of the pixels."""
    from skimage.morphology import convex_hull_image

    return float(mask.sum() / convex_hull_image(mask).sum())
