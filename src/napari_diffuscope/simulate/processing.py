"""What happens to images between camera and file, and correlates their noise.

Every step is a small frozen dataclass, called with an image; the same linear step applied to a noisy image
and to its expectation keeps both at equal blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.fft import dctn, idctn


@dataclass(frozen=True)
class Resample:
    """Shift, turn or squeeze by less than a few per cent, as registration, unwarping and stitching do.

    ``shift`` (y, x) in pixels, ``angle`` in radians, ``zoom`` relative; linear (order 1) or cubic (3).
    """

    shift: tuple[float, float] = (0.5, 0.5)
    angle: float = 0.0
    zoom: float = 1.0
    order: int = 1

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The resampled image (Y, X), float32; mirrored beyond the borders."""
        cos, sin = np.cos(self.angle) / self.zoom, np.sin(self.angle) / self.zoom
        matrix = np.array([[cos, -sin], [sin, cos]])
        centre = (np.asarray(image.shape) - 1) / 2
        offset = centre - matrix @ centre + self.shift
        return np.asarray(
            ndimage.affine_transform(image, matrix, offset, order=self.order, mode="mirror"), dtype=np.float32
        )


@dataclass(frozen=True)
class Smooth:
    """Averaging of neighbours: a Gaussian of ``sigma`` (y, x) pixels, as colour filters and scanners do."""

    sigma: tuple[float, float] = (0.6, 0.6)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The smoothed image (Y, X), float32."""
        return np.asarray(ndimage.gaussian_filter(image, self.sigma, mode="mirror", truncate=3), np.float32)


@dataclass(frozen=True)
class Sharpen:
    """Unsharp mask of ``sigma`` pixels: boosts middle frequencies by ``amount``, as deconvolution does."""

    sigma: float = 1.5
    amount: float = 1.0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The sharpened image (Y, X), float32."""
        smooth = ndimage.gaussian_filter(image, 0.5, mode="mirror", truncate=3)
        wide = ndimage.gaussian_filter(image, self.sigma, mode="mirror", truncate=3)
        return np.asarray(smooth + self.amount * (smooth - wide), dtype=np.float32)


@dataclass(frozen=True)
class Enlarge:
    """Digital zoom: the image is taken ``factor`` times smaller and interpolated back to its size."""

    factor: float = 1.5
    order: int = 1

    def small_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Size of the picture that the camera takes."""
        rows, columns = (max(8, round(n / self.factor)) for n in shape)
        return rows, columns

    def reduce(self, image: np.ndarray) -> np.ndarray:
        """The image as the camera sees it, averaged over its larger pixels: (y, x) float32."""
        rows, columns = (
            area_matrix(n, m) for n, m in zip(image.shape, self.small_shape(image.shape), strict=True)
        )
        return np.asarray(rows @ image.astype(np.float32) @ columns.T)

    def __call__(self, small: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The small image interpolated to ``shape``, float32."""
        zoom = np.asarray(small.shape) / np.asarray(shape)
        offset = 0.5 * zoom - 0.5
        return np.asarray(
            ndimage.affine_transform(small, zoom, offset, shape, order=self.order, mode="mirror"),
            dtype=np.float32,
        )


@dataclass(frozen=True)
class Compress:
    """Lossy compression: the cosine transform of 8 × 8 blocks, rounded to steps, as JPEG does.

    ``strength`` is the step of the lowest frequency relative to the range of the image; the steps grow
    towards the highest one to ``1 + slope`` times that.
    """

    strength: float = 0.02
    slope: float = 5.0

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """The compressed image (Y, X), float32."""
        rows, columns = image.shape
        padded = np.pad(image, ((0, -rows % 8), (0, -columns % 8)), mode="edge")
        blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8).transpose(0, 2, 1, 3)
        frequency = np.add.outer(np.arange(8), np.arange(8)) / 14
        low, high = np.percentile(image, [0.5, 99.5])
        step = np.float32(8 * self.strength * max(high - low, 1e-6)) * (1 + self.slope * frequency).astype(
            np.float32
        )
        spectrum = dctn(blocks - low, axes=(2, 3), norm="ortho")
        rounded = idctn(np.rint(spectrum / step) * step, axes=(2, 3), norm="ortho") + low
        whole = rounded.transpose(0, 2, 1, 3).reshape(padded.shape)
        return np.asarray(whole[:rows, :columns], dtype=np.float32)


@dataclass(frozen=True)
class Stretch:
    """Contrast stretch to 8 bits: ``low`` … ``high`` (counts) to 0 … 255, clipped, rounded or not."""

    low: float
    high: float

    def __call__(self, counts: np.ndarray, *, rounded: bool = True) -> np.ndarray:
        """Grey values 0 … 255, float32."""
        grey = np.clip((counts - self.low) * np.float32(255 / max(self.high - self.low, 1e-6)), 0, 255)
        return (np.rint(grey) if rounded else grey).astype(np.float32)


def stitch(first: np.ndarray, second: np.ndarray, seam: float, overlap: float) -> np.ndarray:
    """Blend two pictures of one place across a vertical seam, as overlapping tiles are: (Y, X) float32.

    ``seam`` and ``overlap`` are shares of the width; in the overlap the noise of both is averaged.
    """
    place = (np.arange(first.shape[1]) + 0.5) / first.shape[1]
    weight = np.clip((place - seam) / max(overlap, 1e-6) + 0.5, 0, 1).astype(np.float32)
    return np.asarray((1 - weight) * first + weight * second, dtype=np.float32)


def area_matrix(length: int, small: int) -> np.ndarray:
    """Averages over ``small`` equal parts of ``length`` pixels: (small, length) float32, rows sum to 1."""
    edges = np.arange(small + 1) * (length / small)
    left, right = edges[:-1, None], edges[1:, None]
    pixel = np.arange(length)
    covered = np.clip(np.minimum(right, pixel + 1) - np.maximum(left, pixel), 0, None)
    return np.asarray(covered / (right - left), dtype=np.float32)
