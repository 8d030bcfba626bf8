"""Images as pictures for a page: grey values, differences in colours, and places worth a closer look."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.measure.arrays import vanishes

JPEG_QUALITY = 88
PLACES = 9
"""About so many places along the longer side of a plane are told apart."""

SMALLEST_PLACE, LARGEST_PLACE = 32, 128

BLUE, WHITE, RED = (33, 102, 172), (247, 247, 247), (178, 24, 43)
"""Of a difference: lower than the reference, equal, higher."""


@dataclass(frozen=True)
class Place:
    """A square of a plane: first row, first column, side."""

    top: int
    left: int
    side: int

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Its pixels."""
        return pixels[self.top : self.top + self.side, self.left : self.left + self.side]


def worst_and_median_place(truth: np.ndarray, images: list[np.ndarray]) -> tuple[Place, Place]:
    """Where images are farthest from the truth, and where they are as far as in most places.

    Parameters
    ----------
    truth, images
        Real arrays ``(Y, X)`` of one shape.
    """
    side = int(np.clip(max(truth.shape) // PLACES, SMALLEST_PLACE, LARGEST_PLACE))
    side = min(side, *truth.shape)
    rows, columns = (length // side for length in truth.shape)
    error = np.zeros((rows, columns))
    for image in images:
        square = np.nan_to_num((image - truth) ** 2)[: rows * side, : columns * side]
        means = square.reshape(rows, side, columns, side).mean((1, 3))
        error += means / max(float(means.mean()), np.finfo(float).tiny)
    order = np.argsort(error, axis=None, kind="stable")
    worst, middle = (np.unravel_index(order[at], error.shape) for at in (-1, (len(order) - 1) // 2))
    first, second = (Place(int(row) * side, int(column) * side, side) for row, column in (worst, middle))
    return first, second


def limits_of(pixels: np.ndarray) -> tuple[float, float]:
    """Contrast: from the 0.1st to the 99.9th percentile of the finite pixels."""
    values = pixels[np.isfinite(pixels)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, (0.1, 99.9)))
    if vanishes(high - low, max(abs(low), abs(high))):
        low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low, low + 1)


def reduced(pixels: np.ndarray, most: int) -> np.ndarray:
    """Means over whole squares, so that no side is longer than ``most``."""
    factor = -(-max(pixels.shape[:2]) // most)
    if factor <= 1:
        return pixels
    height, width = (length // factor * factor for length in pixels.shape[:2])
    rest = pixels.shape[2:]
    blocks = pixels[:height, :width].reshape(height // factor, factor, width // factor, factor, *rest)
    means: np.ndarray = blocks.mean((1, 3))
    return means


def grey(pixels: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """uint8 grey values between two limits; pixels without a value are black."""
    low, high = limits
    share = np.clip((np.nan_to_num(pixels, nan=low) - low) / (high - low), 0, 1)
    return np.asarray(np.rint(255 * share), dtype=np.uint8)


def difference_colours(difference: np.ndarray, most: float) -> np.ndarray:
    """uint8 ``(Y, X, 3)``: blue at ``-most``, white at 0, red at ``most``."""
    share = np.clip(np.nan_to_num(difference) / most, -1, 1)[..., None]
    white = np.array(WHITE, dtype=float)
    colours = np.where(
        share < 0, white + -share * (np.array(BLUE) - white), white + share * (np.array(RED) - white)
    )
    return np.asarray(np.rint(colours), dtype=np.uint8)


def label_colours(labels: np.ndarray) -> np.ndarray:
    """uint8 ``(Y, X, 3)``: black for 0, a colour of its own for every label, always the same one."""
    number = labels.astype(np.int64)
    hue = (number * 0.618034) % 1.0
    colours = np.stack(
        [0.55 + 0.45 * np.cos(2 * np.pi * (hue + shift)) for shift in (0, 1 / 3, 2 / 3)], axis=-1
    )
    return np.asarray(np.rint(255 * np.where(number[..., None] == 0, 0, colours)), dtype=np.uint8)


def data_url(pixels: np.ndarray, *, exact: bool) -> str:
    """Pixels as an address that holds them: PNG if exact, else JPEG."""
    import imageio.v3

    if exact:
        data = imageio.v3.imwrite("<bytes>", pixels, extension=".png")
        return "data:image/png;base64," + base64.b64encode(data).decode("ascii")
    data = imageio.v3.imwrite("<bytes>", pixels, extension=".jpg", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")
