"""Where the window of a model lies in the plane, and what is seen in it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.cells import Cell
from napari_diffuscope.methods.shape.conditions import SIDE

CELL_EXTENT = 50 / 64
"""Share of the window's edge for models whose card is silent: the median of the published red blood cells."""


@dataclass(frozen=True)
class ShapeWindow:
    """The window of a model around one cell: a cube whose plane ``side // 2`` lies in the image plane.

    Parameters
    ----------
    corner
        Place ``(y, x)`` of the centre of its voxel (0, 0) in pixels of the plane.
    step
        Edge of a voxel in pixels of the plane.
    pixel_size
        Edge of a pixel: in µm, or 1 where unknown.
    side
        Voxels along each edge.
    """

    corner: tuple[float, float]
    step: float
    pixel_size: float = 1.0
    side: int = SIDE

    @classmethod
    def around(
        cls, cell: Cell, *, pixel_size: float | None = None, extent: float | None = None, side: int = SIDE
    ) -> ShapeWindow:
        """The window in whose middle a cell lies, and whose edge it fills to a share.

        Parameters
        ----------
        cell
            Its box decides.
        pixel_size
            In µm, ``None`` where unknown.
        extent
            Share of the edge that the cell's larger extent fills: ``cell_extent`` of the model's card.
        side
            Voxels along each edge.

        Raises
        ------
        DiffuscopeError
            If the share is not between 0 and 1.
        """
        share = CELL_EXTENT if extent is None else extent
        if not 0 < share <= 1:
            raise DiffuscopeError(
                f"The model's cell_extent must be more than 0 and at most 1, not {share}; correct its card."
            )
        y0, y1, x0, x1 = cell.box
        step = cell.extent / (share * side)
        half = (side - 1) / 2 * step
        return cls(((y0 + y1 - 1) / 2 - half, (x0 + x1 - 1) / 2 - half), step, pixel_size or 1.0, side)

    @classmethod
    def of_plane(
        cls, shape: tuple[int, ...], *, pixel_size: float | None = None, side: int = SIDE
    ) -> ShapeWindow:
        """The plane itself as the window.

        Raises
        ------
        DiffuscopeError
            If it has another size.
        """
        if tuple(shape) != (side, side):
            raise DiffuscopeError(
                f"The plane has {' x '.join(map(str, shape))} pixels and cannot be the window itself, which has "
                f"{side} x {side}; leave window at 'cell'."
            )
        return cls((0.0, 0.0), 1.0, pixel_size or 1.0, side)

    @property
    def voxel_size(self) -> float:
        """Edge of a voxel, in units of the pixel size."""
        return self.step * self.pixel_size

    @property
    def origin(self) -> tuple[float, float, float]:
        """Place ``(z, y, x)`` of the centre of voxel (0, 0, 0).

        In units of the pixel size, counted from the centre of the image's first pixel; z is 0 in the image plane.
        """
        y, x = self.corner
        return -(self.side // 2) * self.voxel_size, y * self.pixel_size, x * self.pixel_size

    def mask(self, cell: Cell) -> np.ndarray:
        """The cell in the window, bool ``(side, side)``: voxels of which it covers at least half."""
        margin = 2
        padded = np.pad(cell.mask, margin).astype(np.float32)
        found = self._sampled(padded, (cell.box[0] - margin, cell.box[2] - margin), mode="constant")
        return np.asarray(found >= 0.5)

    def image(self, plane: np.ndarray) -> np.ndarray:
        """What is seen in the window, float32 ``(side, side)``; beyond the plane its last pixels go on.

        Parameters
        ----------
        plane
            ``(Y, X)``. Pixels that are not finite take the median of what is seen.
        """
        reach = int(np.ceil(2 * self.step)) + 2
        parts = []
        for start, size in zip(self.corner, plane.shape, strict=True):
            low = int(np.floor(start)) - reach
            high = int(np.ceil(start + (self.side - 1) * self.step)) + reach + 1
            parts.append(slice(min(max(low, 0), size - 1), max(min(high, size), 1)))
        seen = plane[tuple(parts)].astype(np.float32)
        finite = np.isfinite(seen)
        if not finite.all():
            seen = np.where(finite, seen, np.median(seen[finite]) if finite.any() else 0)
        return self._sampled(seen, (parts[0].start, parts[1].start), mode="nearest")

    def _sampled(self, pixels: np.ndarray, first: tuple[int, int], mode: str) -> np.ndarray:
        """Values at the voxels by linear interpolation, of means over a voxel where it is larger than a pixel."""
        if self.step == 1.0 and all(float(start).is_integer() for start in self.corner):
            whole = [int(start) - at for start, at in zip(self.corner, first, strict=True)]
            return _cut(pixels, whole, self.side, mode)
        if self.step > 1:
            # A box as wide as a voxel and the pixel's own box have together a variance of (step² - 1) / 12 more.
            pixels = ndimage.gaussian_filter(pixels, np.sqrt((self.step**2 - 1) / 12), mode=mode)
        offset = [start - at for start, at in zip(self.corner, first, strict=True)]
        found: np.ndarray = ndimage.affine_transform(
            pixels,
            np.full(2, self.step),
            offset,
            (self.side, self.side),
            order=1,
            mode="grid-constant" if mode == "constant" else mode,
        )
        return found


def _cut(pixels: np.ndarray, offset: list[int], side: int, mode: str) -> np.ndarray:
    """Whole pixels: nothing is interpolated."""
    wanted = [np.arange(start, start + side) for start in offset]
    inside = [(rows >= 0) & (rows < size) for rows, size in zip(wanted, pixels.shape, strict=True)]
    clipped = [np.clip(rows, 0, size - 1) for rows, size in zip(wanted, pixels.shape, strict=True)]
    found: np.ndarray = pixels[np.ix_(*clipped)]
    return found if mode == "nearest" else np.where(inside[0][:, None] & inside[1], found, 0)
