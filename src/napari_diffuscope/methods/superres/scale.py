"""How many planes go between two measured ones, and where they lie. Free of torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.superres.settings import MOST_ZOOM, SuperresSettings

TOLERANCE = 0.02
"""Relative difference to a whole number up to which a factor is taken for it."""


@dataclass(frozen=True)
class ZScale:
    """Planes before and after.

    Parameters
    ----------
    planes
        Measured planes.
    factor
        Whole number of steps from one measured plane to the next, in the fine volume that the network fills.
    stride
        Distance of the output's planes in planes of the fine volume; 1 where the output is the fine volume.
    step
        Distance of the output's planes, in the unit of the input's z axis.
    """

    planes: int
    factor: int
    stride: float
    step: float

    @property
    def exact(self) -> bool:
        """Whether measured planes are planes of the output."""
        return self.stride == 1.0

    @property
    def fine(self) -> int:
        """Planes of the fine volume, from the first measured plane to the last."""
        return (self.planes - 1) * self.factor + 1

    @property
    def output(self) -> int:
        """Planes of the output; the last one lies at the last measured plane or before it."""
        return self.fine if self.exact else math.floor((self.fine - 1) / self.stride + 1e-9) + 1

    def needed(self, start: int, stop: int) -> tuple[int, int]:
        """Fine planes, from the first up to the one before the last number, that output planes depend on."""
        if self.exact:
            return start, stop
        low = min(math.floor(start * self.stride), self.fine - 2)
        return low, min(math.ceil((stop - 1) * self.stride), self.fine - 1) + 1

    def resampled(self, fine: np.ndarray, start: int, stop: int) -> np.ndarray:
        """Output planes from ``needed`` fine ones, by linear interpolation along the first axis."""
        if self.exact:
            return fine
        low, _ = self.needed(start, stop)
        place = np.minimum(np.arange(start, stop) * self.stride, self.fine - 1)
        first = np.minimum(np.floor(place).astype(int), self.fine - 2)
        weight = (place - first).astype(np.float32)[:, None, None]
        found: np.ndarray = (1 - weight) * fine[first - low] + weight * fine[
            np.minimum(first - low + 1, len(fine) - 1)
        ]
        alone = np.flatnonzero(weight == 0)  # and whatever the next plane holds, were it no value
        found[alone] = fine[(first - low)[alone]]
        return found


def plan_scale(image: Image, settings: SuperresSettings) -> ZScale:
    """The z-scale that the settings ask for.

    Raises
    ------
    DiffuscopeError
        For an image without a z axis or with one plane, an unknown z-step or pixel size, pixels that are not
        square, a z-step that is not coarser than the target, or planes too far apart.
    """
    planes = _planes(image)
    if settings.zoom is not None:
        ratio = settings.zoom
    else:
        ratio = _known_step(image, settings) / _target(image, settings)
        if ratio < 1 + TOLERANCE:
            raise DiffuscopeError(
                f"The z-step of {image.name!r} is already {1 / ratio:.3g} times as fine as the target; "
                "there is nothing to fill in. Give a smaller target step if you want more planes."
            )
    whole = round(ratio)
    exact = whole >= 2 and abs(ratio - whole) <= TOLERANCE * whole
    factor = whole if exact else math.ceil(ratio)
    if factor > MOST_ZOOM:
        raise DiffuscopeError(
            f"The planes of {image.name!r} are {ratio:.3g} times further apart than wanted, more than "
            f"{MOST_ZOOM} times; give a larger target step."
        )
    here = _z_scale(image, settings)
    stride = 1.0 if exact else factor / ratio
    return ZScale(planes, factor, stride, here / factor * stride)


def _planes(image: Image) -> int:
    if image.shape[-1] in (3, 4) and image.axes.endswith("ZYX"):
        raise DiffuscopeError(
            f"{image.name!r} looks like a colour image, for its last axis has length {image.shape[-1]}; "
            "end the axes in S (ZYXS for a colour stack)."
        )
    if "Z" not in image.axes:
        raise DiffuscopeError(
            f"{image.name!r} has the axes {image.axes} and no z axis; super-resolution needs a stack of planes "
            "(say with axes which axis is Z)."
        )
    planes = image.shape[image.axes.index("Z")]
    if planes < 2:
        raise DiffuscopeError(f"{image.name!r} has one plane; there is nothing between planes to fill in.")
    return planes


def _z_scale(image: Image, settings: SuperresSettings) -> float:
    """Distance between the input's planes in the unit of its z axis."""
    axis = image.axes.index("Z")
    if settings.z_step is None:
        return image.scale[axis]
    micrometre = to_micrometres(1.0, image.units[axis])
    return settings.z_step if micrometre is None else settings.z_step / micrometre


def z_unit(image: Image, settings: SuperresSettings) -> str:
    """Unit of the output's z axis: that of the input where it has one, else µm where a z-step was given."""
    unit = image.units[image.axes.index("Z")]
    unknown = to_micrometres(1.0, unit) is None
    return "micrometer" if unknown and settings.z_step is not None else unit


def plane_grid(image: Image, settings: SuperresSettings) -> tuple[tuple[float, float], tuple[str, str]]:
    """Scale and units of the output's y and x axes."""
    scale, units = image.scale[-2:], image.units[-2:]
    if settings.pixel_size is None:
        return (scale[0], scale[1]), (units[0], units[1])
    sizes, names = [], []
    for unit in units:
        micrometre = to_micrometres(1.0, unit)
        sizes.append(settings.pixel_size if micrometre is None else settings.pixel_size / micrometre)
        names.append("micrometer" if micrometre is None else unit)
    return (sizes[0], sizes[1]), (names[0], names[1])


def _known_step(image: Image, settings: SuperresSettings) -> float:
    """Z-step in µm."""
    axis = image.axes.index("Z")
    known = settings.z_step or to_micrometres(image.scale[axis], image.units[axis])
    if known is None:
        raise DiffuscopeError(
            f"The distance between the planes of {image.name!r} is unknown; give it with --z-step in µm "
            "(z_step in Python), or give --zoom."
        )
    return known


def _target(image: Image, settings: SuperresSettings) -> float:
    """Wanted z-step in µm."""
    if settings.target_step is not None:
        return settings.target_step
    if settings.pixel_size is not None:
        return settings.pixel_size
    sizes = [to_micrometres(s, u) for s, u in zip(image.scale[-2:], image.units[-2:], strict=True)]
    height, width = sizes
    if height is None or width is None:
        raise DiffuscopeError(
            f"The pixel size of {image.name!r} is unknown; give it with --pixel-size in µm "
            "(pixel_size in Python), or give --zoom."
        )
    if abs(height / width - 1) > TOLERANCE:
        raise DiffuscopeError(
            f"The pixels of {image.name!r} are not square ({height:g} x {width:g} µm); resample the planes first, "
            "or say with --target-step what the z-step shall be."
        )
    return height
