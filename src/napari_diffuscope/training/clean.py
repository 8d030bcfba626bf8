"""Clean images to simulate noise on: a bank of simulated ones, and real images that were averaged down."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.shrink import averaged_down
from napari_diffuscope.training.recipe import Data, ImageSource

TRAINING, VALIDATION, TEXTURES = 0, 1, 2
"""What simulated images are for; each has its own stream of random numbers."""

MOST_WORKERS = 32


def simulated_images(
    data: Data, *, seed: int, purpose: int, count: int, cache: Path | None = None
) -> np.ndarray:
    """Simulated images, rendered once by all cores: values 0 to about 1.

    Parameters
    ----------
    data
        Gives their size, and the spots that specimens are seen through.
    seed, purpose
        Specimens to train on, specimens to validate on, or textures of no specimen.
    count
        How many.
    cache
        File to keep them in, so that a resumed training does not simulate again.

    Returns
    -------
    numpy.ndarray
        float16 ``(count, size, size)``.
    """
    shape = (count, data.size, data.size)
    draw = partial(_rendered, seed=seed, purpose=purpose, size=data.size, fwhm_px=data.specimen_fwhm)
    if cache is not None and cache.is_file():
        stored: np.ndarray = np.load(cache, mmap_mode="r")
        # Those of another seed or program have the same shape: the first and the last tell them apart.
        if stored.shape == shape and all(_alike(stored[number], draw(number)) for number in {0, count - 1}):
            return stored
    workers = min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        MOST_WORKERS,
    )
    if count <= 64 or workers == 1:
        images = np.stack([draw(number) for number in range(count)]) if count else np.empty(shape, np.float16)
    else:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            images = np.stack(list(pool.map(draw, range(count), chunksize=16)))
    if cache is not None:
        _save(cache, images)
    return images


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images are one, whatever processor rendered them."""
    return bool(np.allclose(one, other, atol=0.02))


def _save(cache: Path, images: np.ndarray) -> None:
    with replacing(cache) as file:
        np.save(file, images)


def _rendered(number: int, *, seed: int, purpose: int, size: int, fwhm_px: tuple[float, float]) -> np.ndarray:
    from napari_diffuscope.simulate.specimens import clean_image
    from napari_diffuscope.simulate.textures import texture_image

    rng, shape = np.random.default_rng([seed, purpose, number]), (size, size)
    if purpose == TEXTURES:
        return texture_image(rng, shape).astype(np.float16)
    return clean_image(rng, shape, fwhm_px=fwhm_px)[0].astype(np.float16)


def real_images(source: ImageSource, image: Image, *, smallest: int) -> list[np.ndarray]:
    """The planes of its image that a source names, averaged down; each scaled by its background and bright pixels.

    Raises
    ------
    DiffuscopeError
        If the file cannot be read, has not those planes or pixels that are no numbers, or is smaller than a patch after
        shrinking.
    """
    planes = [_prepared(image.read_plane(flat), source) for flat in named_planes(source, image.plane_count)]
    check_varied(source, planes)
    check_size(source, planes[0], smallest)
    return planes


def check_finite(source: ImageSource, plane: np.ndarray) -> None:
    """Refuse a plane with pixels that have no value.

    Raises
    ------
    DiffuscopeError
        If there are any.
    """
    if not np.isfinite(plane).all():
        raise DiffuscopeError(f"{source.path} has pixels that are no numbers; fill them in.")


def check_varied(source: ImageSource, planes: Sequence[np.ndarray]) -> None:
    """Refuse a source that has the same value everywhere.

    Raises
    ------
    DiffuscopeError
        If it has.
    """
    if not any(np.ptp(plane) > 0 for plane in planes):
        raise DiffuscopeError(f"{source.path} has the same value everywhere; take it out.")


def check_size(source: ImageSource, plane: np.ndarray, patch: int) -> None:
    """Refuse a source whose planes are smaller than a patch.

    Raises
    ------
    DiffuscopeError
        If they are.
    """
    if min(plane.shape) < patch:
        raise DiffuscopeError(
            f"{source.path} is {plane.shape} pixels after shrinking, less than a patch of {patch}."
        )


def named_planes(source: ImageSource, count: int) -> range:
    """Numbers of the planes that a source names, of so many.

    Raises
    ------
    DiffuscopeError
        If they are not among them.
    """
    first, last = source.planes or (0, count)
    if not 0 <= first < last <= count:
        raise DiffuscopeError(
            f"{source.path} has {count} planes; planes {first} to {last - 1} are not among them."
        )
    return range(first, last)


def _prepared(plane: np.ndarray, source: ImageSource) -> np.ndarray:
    check_finite(source, plane)
    plane = averaged_down(plane, source.shrink)
    if source.blur:
        from scipy.ndimage import gaussian_filter

        plane = gaussian_filter(plane, source.blur)
    low, high = np.percentile(plane, [0.5, 99.9])
    return np.asarray(np.clip((plane - low) / max(float(high - low), 1e-6), 0, 1.5).astype(np.float16))
