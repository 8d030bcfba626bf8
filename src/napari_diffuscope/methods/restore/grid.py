"""The pixel size that a model is at home with: planes of another one are resampled for it, and results taken back.

Free of torch until something is resampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.weights.card import ModelCard

SLACK = (0.8, 1.25)
"""How far beyond the pixel sizes of its training a model is still at home."""

MOST_TIMES = 8.0
"""By how much pixels are made smaller or larger at most: beyond, nothing that the model knows is in the image."""


@dataclass(frozen=True)
class Grid:
    """Two grids over one plane: that of the image, and that of the model.

    Parameters
    ----------
    shape, there
        Height and width of the plane in pixels of the image, and of the model.
    region
        The part of the plane that is asked for, in pixels of the image.
    size, target
        Pixel size along x in µm, of the image and of the model.
    """

    shape: tuple[int, int]
    there: tuple[int, int]
    region: Region
    size: float
    target: float

    @property
    def sentence(self) -> str:
        """What the user must know."""
        return (
            f"Resampled for the model from pixels of {self.size:.3g} µm to {self.target:.3g} µm and back: what is "
            f"finer than {2 * max(self.size, self.target):.3g} µm is not in the result."
        )

    @property
    def region_there(self) -> Region:
        """What the model has to work on for the region: a little more, as taking it back needs."""
        (y0, y1), (x0, x1) = (
            self._around(part, here, there)
            for part, here, there in zip(self.region, self.shape, self.there, strict=True)
        )
        return (y0, y1), (x0, x1)

    @staticmethod
    def _around(part: tuple[int, int], here: int, there: int) -> tuple[int, int]:
        times = there / here
        margin = math.ceil(2 * max(times, 1.0)) + 1
        return max(math.floor(part[0] * times) - margin, 0), min(math.ceil(part[1] * times) + margin, there)

    def forward(self, plane: np.ndarray) -> np.ndarray:
        """A whole plane in pixels of the model, float32."""
        return _resampled(plane, self.there)

    def back(self, values: np.ndarray) -> np.ndarray:
        """What the model made of `region_there`, in pixels of the image: the region."""
        (y0, y1), (x0, x1) = self.region_there
        whole = np.pad(values, ((y0, self.there[0] - y1), (x0, self.there[1] - x1)), mode="edge")
        (top, bottom), (left, right) = self.region
        return np.ascontiguousarray(_resampled(whole, self.shape)[top:bottom, left:right])

    def glimpse(
        self, values: np.ndarray, box: Sequence[slice]
    ) -> tuple[np.ndarray, tuple[slice, slice]] | None:
        """What the model made of a part, roughly in pixels of the image: to be shown until the plane is finished.

        Parameters
        ----------
        values
            float32 ``(h, w)``, of the part.
        box
            Where the part lies in `region_there`.

        Returns
        -------
        array, tuple of slice
            Pixels, and where they lie in the region; ``None`` where no pixel of the image lies in the part.
        """
        covered = [
            tuple(round((first[0] + edge) * here / there) - part[0] for edge in (inside.start, inside.stop))
            for inside, first, part, here, there in zip(
                box, self.region_there, self.region, self.shape, self.there, strict=True
            )
        ]
        sizes = [part[1] - part[0] for part in self.region]
        y, x = (
            slice(max(start, 0), min(stop, size)) for (start, stop), size in zip(covered, sizes, strict=True)
        )
        if y.start >= y.stop or x.start >= x.stop:
            return None
        (top, bottom), (left, right) = covered
        whole = _resampled(values, (bottom - top, right - left))
        return whole[y.start - top : y.stop - top, x.start - left : x.stop - left], (y, x)


def _resampled(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    import torch

    from napari_diffuscope.methods.restore.resampling import resampled

    values = torch.from_numpy(np.ascontiguousarray(plane, np.float32))[None, None]
    return np.asarray(resampled(values, shape)[0, 0].numpy())


def grid_for(card: ModelCard, image: Image, region: Region) -> Grid | None:
    """The grids of an image and a model; ``None`` where the image is within the model's range, or nobody knows.

    Raises
    ------
    DiffuscopeError
        If the image is so far outside that resampling would make no sense of it.
    """
    size = to_micrometres(image.scale[-1], image.units[-1])
    across = to_micrometres(image.scale[-2], image.units[-2])
    if card.pixel_size is None or size is None or across is None:
        return None
    low, high = card.pixel_size
    if low * SLACK[0] <= size <= high * SLACK[1]:
        return None
    target = min(max(size, low), high)
    if not 1 / MOST_TIMES <= size / target <= MOST_TIMES:
        raise DiffuscopeError(
            f"Pixels of {size:.3g} µm are too far from the {low:g} to {high:g} µm that {card.name} was made for, so "
            "that they are not resampled; choose a model for such images, or turn resampling off."
        )
    height, width = image.plane_shape
    there = max(round(height * across / target), 1), max(round(width * size / target), 1)
    return Grid((height, width), there, region, size, target)


def why_not(card: ModelCard, image: Image) -> str:
    """Why an image is not resampled though it was asked for; empty where the image is within the range."""
    if card.pixel_size is None:
        return f"{card.name} does not say for which pixel sizes it was made, so that nothing is resampled."
    if to_micrometres(image.scale[-1], image.units[-1]) is None:
        return "The pixel size of the image is unknown, so that nothing is resampled."
    return ""
