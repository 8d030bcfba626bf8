"""The outline of the cell at a click: a threshold from its surroundings, and a watershed between neighbours.

Free of torch, and of the window: the dock calls it in the background, tests and scripts as they like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from napari_diffuscope.errors import DiffuscopeError

Box = tuple[int, int, int, int]

#: Half widths in pixels of the surroundings that are looked at, one after the other, until the cell ends inside.
REACHES = (32, 64, 128, 256, 512)
#: Half width in samples beyond which the surroundings are looked at more coarsely.
FINEST = 128
#: Share of the half width by which a click may miss.
MISS = 0.15
#: How much narrower than the cells, as a share of their half width, a waist has to be to separate two.
WAIST = 0.25
#: From how many times its area on what is connected to a cell counts as cut off.
LEAST_CUT = 1.15
#: A cell has to rise over its background by this many standard deviations of the smoothed background.
LEAST_CONTRAST = 4.0


@dataclass(frozen=True, eq=False)
class Outline:
    """One cell.

    Parameters
    ----------
    box
        ``(y0, y1, x0, x1)`` in the plane.
    mask
        ``(y1 - y0, x1 - x0)`` bool: its pixels in the box, without holes.
    cut
        Whether it was cut off at a waist from something that it touches.
    """

    box: Box
    mask: np.ndarray
    cut: bool = False

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the box lies in the plane."""
        y0, y1, x0, x1 = self.box
        return slice(y0, y1), slice(x0, x1)


def segment_around(
    plane: np.ndarray,
    point: tuple[float, float],
    *,
    sensitivity: float = 0.5,
    bright: bool = True,
    apart: bool = True,
    taken: np.ndarray | None = None,
) -> Outline:
    """Outline the cell at a point.

    The background is what Otsu's threshold of the surroundings leaves below; the outline is where the smoothed
    intensity has fallen to a share of the cell's height over that background, the half by default. Holes are
    filled, and what touches is cut at its waists by a watershed of the distance to the outline. The surroundings
    grow until the cell ends inside them.

    Parameters
    ----------
    plane
        ``(Y, X)``, any unit; values that are not finite count as background.
    point
        ``(y, x)`` in pixels, in the plane.
    sensitivity
        0 … 1: the outline lies at ``0.9 - 0.8 × sensitivity`` of the cell's height over its background.
    bright
        Whether cells are brighter than their surroundings; darker ones otherwise.
    apart
        Whether what touches is cut at its waists.
    taken
        ``(Y, X)`` bool: pixels of other cells, which are left to them.

    Returns
    -------
    Outline
        The cell; it may touch the border of the plane.

    Raises
    ------
    DiffuscopeError
        If the point lies outside the plane, nothing rises over its surroundings there, or what does has no end.
    """
    if not 0 <= sensitivity <= 1:
        raise DiffuscopeError(f"The sensitivity must lie between 0 and 1, not {sensitivity}.")
    height, width = plane.shape
    y, x = (round(float(place)) for place in point)
    if not (0 <= y < height and 0 <= x < width):
        raise DiffuscopeError("The click lies outside the image; click on a cell.")
    if taken is not None and taken[y, x]:
        raise DiffuscopeError("The click lies in a cell that is outlined already.")
    floor = _floor(plane, bright)
    level, ended = 0.9 - 0.8 * sensitivity, True
    for reach in REACHES:
        around = _Surroundings.of(plane, (y, x), reach, bright=bright, taken=taken)
        mask = around.cell(level, floor, apart=apart)
        if mask is not None:
            ended = not around.cut_off(mask)
            if ended:
                cut = apart and _is_cut(mask, around.cell(level, floor, apart=False))
                return replace(around.outline(mask), cut=cut)
        if around.whole:
            break
    if not ended:
        raise DiffuscopeError(
            "What was clicked has no end: it runs into its surroundings; lower the sensitivity, or paint the cell."
        )
    raise DiffuscopeError(
        "There is no cell at the click: nothing stands out there; raise the sensitivity, or paint the cell."
    )


@dataclass(frozen=True, eq=False)
class _Surroundings:
    """A square around the click, smoothed and maybe coarser than the plane; cells are bright in it.

    Parameters
    ----------
    values
        ``(y, x)`` smoothed, NaN nowhere.
    free
        Where no other cell is.
    click
        Of the click in ``values``.
    box, step
        Where it lies in the plane, and pixels of the plane per sample.
    shape
        Of the plane.
    """

    values: np.ndarray
    free: np.ndarray
    click: tuple[int, int]
    box: Box
    step: int
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, plane: np.ndarray, click: tuple[int, int], reach: int, *, bright: bool, taken: np.ndarray | None
    ) -> _Surroundings:
        height, width = plane.shape
        step = max(1, reach // FINEST)
        y0, x0 = (max(0, place - reach) for place in click)
        box = (y0, min(height, click[0] + reach + 1), x0, min(width, click[1] + reach + 1))
        part = (slice(box[0], box[1], step), slice(box[2], box[3], step))
        values = _finite(plane[part], bright)
        smooth = ndimage.gaussian_filter(values, max(1.0, reach / FINEST))
        free = np.ones(values.shape, bool) if taken is None else ~taken[part]
        inside = ((click[0] - y0) // step, (click[1] - x0) // step)
        return cls(smooth, free, inside, box, step, (height, width))

    @property
    def whole(self) -> bool:
        """Whether there is nothing beyond."""
        return self.box == (0, self.shape[0], 0, self.shape[1])

    def cell(self, level: float, floor: float, *, apart: bool) -> np.ndarray | None:
        """Pixels of the cell at the click, or ``None`` where there is none or the square lies inside of one."""
        values = self.values[self.free]
        if not values.size or values.min() == values.max():
            return None
        threshold = float(threshold_otsu(values))
        below = values[values <= threshold]
        background, noise = float(np.median(below)), _spread(below)
        first = self._piece(self.values > threshold, apart=apart)
        if first is None:
            return None
        top = float(np.percentile(self.values[first], 75))
        if top - background < LEAST_CONTRAST * noise or background - floor > 0.5 * (top - floor):
            return None  # noise, or the texture of a cell that reaches beyond the square
        return self._piece(self.values > background + level * (top - background), apart=apart)

    def _piece(self, above: np.ndarray, *, apart: bool) -> np.ndarray | None:
        """What is above a threshold at the click, without holes and cut off from its neighbours."""
        filled = ndimage.binary_fill_holes(above & self.free) & self.free
        found = _nearest(ndimage.binary_opening(filled, iterations=1), self.click, self._miss)
        if found is None:
            return None
        pieces, _ = ndimage.label(filled)
        piece = pieces == pieces[found]
        return _smoothed(_cut_at_waists(piece, found) if apart else piece, found)

    @property
    def _miss(self) -> float:
        return max(3.0, MISS * float(max(self.values.shape)) / 2)

    def cut_off(self, mask: np.ndarray) -> bool:
        """Whether the mask reaches an edge of the square beyond which the plane goes on."""
        y0, y1, x0, x1 = self.box
        edges = (
            (y0 > 0, mask[0]),
            (y1 < self.shape[0], mask[-1]),
            (x0 > 0, mask[:, 0]),
            (x1 < self.shape[1], mask[:, -1]),
        )
        return any(goes_on and edge.any() for goes_on, edge in edges)

    def outline(self, mask: np.ndarray) -> Outline:
        """The mask at the place and in the pixels of the plane."""
        if self.step > 1:
            mask = mask.repeat(self.step, axis=0).repeat(self.step, axis=1)
            mask = mask[: self.box[1] - self.box[0], : self.box[3] - self.box[2]]
        rows, columns = ndimage.find_objects(mask.astype(np.uint8))[0]
        y0, x0 = self.box[0], self.box[2]
        box = (y0 + rows.start, y0 + rows.stop, x0 + columns.start, x0 + columns.stop)
        return Outline(box, mask[rows, columns])


def _is_cut(mask: np.ndarray, uncut: np.ndarray | None) -> bool:
    """Whether something of what is connected at the click was cut off."""
    return uncut is not None and float(uncut.sum()) > LEAST_CUT * float(mask.sum())


def _finite(values: np.ndarray, bright: bool) -> np.ndarray:
    """Float64 values with cells bright and without gaps."""
    values = np.asarray(values, np.float64) * (1.0 if bright else -1.0)
    seen = np.isfinite(values)
    return values if seen.all() else np.where(seen, values, values[seen].min() if seen.any() else 0.0)


def _floor(plane: np.ndarray, bright: bool) -> float:
    """Background of the whole plane: its 5th percentile, from at most 512 × 512 of its pixels."""
    rows, columns = (max(1, -(-length // 512)) for length in plane.shape)
    return float(np.percentile(_finite(plane[::rows, ::columns], bright), 5))


def _spread(values: np.ndarray) -> float:
    """Standard deviation, from the median of the deviations: a neighbour's halo hardly counts."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _nearest(mask: np.ndarray, point: tuple[int, int], most: float) -> tuple[int, int] | None:
    """The pixel of the mask that is nearest to a point, if it is near."""
    if mask[point]:
        return point
    if not mask.any():
        return None
    distance, places = ndimage.distance_transform_edt(~mask, return_indices=True)
    if distance[point] > most:
        return None
    return int(places[0][point]), int(places[1][point])


def _cut_at_waists(piece: np.ndarray, found: tuple[int, int]) -> np.ndarray:
    """The part of a connected piece that belongs to a pixel of it."""
    distance = ndimage.distance_transform_edt(np.pad(piece, 1))[1:-1, 1:-1]
    distance = ndimage.gaussian_filter(distance, 1.0) * piece
    # Lowered so far, tops with a slight waist between them flow together; a marked waist still keeps them apart.
    lowered = reconstruction(np.maximum(distance - WAIST * float(distance.max()), 0), distance)
    tops, count = ndimage.label(local_maxima(lowered))
    if count > 1:
        parts = watershed(-distance, tops, mask=piece)
        piece = parts == parts[found]
    return np.asarray(piece)


def _smoothed(piece: np.ndarray, found: tuple[int, int]) -> np.ndarray:
    """Without single pixels that stick out."""
    smooth = ndimage.binary_opening(piece, iterations=1)
    pieces, _ = ndimage.label(smooth if smooth[found] else piece)
    return np.asarray(pieces == pieces[found])
