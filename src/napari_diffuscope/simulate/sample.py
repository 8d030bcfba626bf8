"""What decides a simulated recording of the sample data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.simulate.camera import Camera, Exposure


@dataclass(frozen=True)
class Sample:
    """One simulated recording and everything that decides its numbers.

    Parameters
    ----------
    name
        Start of its file names.
    seed
        Seed of the specimen; the noise is drawn from (seed, 1).
    scene
        Makes the clean image, relative, from a generator, a shape and a pixel size.
    axes, shape, scale
        Axes of the file, and the size of a step along each: seconds for T, µm for Z, Y and X.
    exposure, camera
        Light and sensor. Bleaching runs along the first axis.
    what, optics
        The specimen and the point spread function in words.
    keep_clean
        Whether the clean image is a file too.
    z_every
        The noisy stack holds the first of so many planes of the clean one, the next first one, and so on.
    """

    name: str
    seed: int
    scene: Callable[[np.random.Generator, tuple[int, ...], tuple[float, ...]], np.ndarray]
    axes: str
    shape: tuple[int, ...]
    scale: tuple[float, ...]
    exposure: Exposure
    camera: Camera
    what: str
    optics: str
    keep_clean: bool = True
    z_every: int = 1

    @property
    def noisy_shape(self) -> tuple[int, ...]:
        """Lengths of the noisy image; those of the clean one are ``shape``."""
        return tuple(
            -(-length // self.z_every) if axis == "Z" else length
            for axis, length in zip(self.axes, self.shape, strict=True)
        )

    @property
    def noisy_scale(self) -> tuple[float, ...]:
        """Steps of the noisy image; those of the clean one are ``scale``."""
        return tuple(
            step * self.z_every if axis == "Z" else step
            for axis, step in zip(self.axes, self.scale, strict=True)
        )

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its images."""
        return (f"{self.name}_noisy", f"{self.name}_clean") if self.keep_clean else (f"{self.name}_noisy",)
