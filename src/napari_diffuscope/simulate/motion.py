"""Moving specimens: emitters that drift and diffuse from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_diffuscope.simulate.emitters import Emitters, PixelSize


def drift(
    rng: np.random.Generator,
    owners: int,
    *,
    frames: int,
    interval_s: float,
    speed_um_s: float = 0.0,
    diffusion_um2_s: float = 0.0,
) -> np.ndarray:
    """Displacements of structures, each with its own direction at constant speed, and diffusing.

    The mean squared displacement after a time t is (v t)² + 4 D t.

    Parameters
    ----------
    rng
        Source of all randomness.
    owners
        Number of structures.
    frames, interval_s
        Number of frames and the time between them in seconds.
    speed_um_s, diffusion_um2_s
        Speed v in µm/s and diffusion coefficient D in µm²/s.

    Returns
    -------
    ndarray
        (frames, owners, 2) in µm, 0 in the first frame.
    """
    direction = rng.standard_normal((owners, 2))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    time = np.arange(frames)[:, None, None] * interval_s
    kicks = np.sqrt(2 * diffusion_um2_s * interval_s) * rng.standard_normal((frames, owners, 2))
    kicks[0] = 0
    return np.asarray(speed_um_s * time * direction + np.cumsum(kicks, axis=0))


def timelapse(
    emitters: Emitters, shifts_um: np.ndarray, shape: Sequence[int], pixel_size_um: PixelSize
) -> np.ndarray:
    """Emitter density of moving structures: float32 (T, …shape).

    ``shifts_um`` (T, owners, D) moves each owner of the emitters as a whole, as of :func:`drift`.
    """
    return np.stack([emitters.moved(shift).render(shape, pixel_size_um) for shift in shifts_um])
