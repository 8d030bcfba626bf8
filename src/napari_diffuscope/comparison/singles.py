"""Measures that need no truth: of one plane of one image, and of two images against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from napari_diffuscope.comparison.measures import SQUIRREL
from napari_diffuscope.comparison.pairs import cell_of
from napari_diffuscope.comparison.placing import Box, Placed
from napari_diffuscope.comparison.sampling import native, native_factor, own_plane, pieces, sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.table import Cell
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.measure.correlation import (
    RingCurve,
    fourier_ring_correlation,
    fourier_shell_correlation,
)
from napari_diffuscope.measure.decorrelation_published import published_decorrelation
from napari_diffuscope.measure.noise import noise_level, signal_to_noise
from napari_diffuscope.measure.splitting import split_diagonal
from napari_diffuscope.measure.squirrel import Convention, SquirrelResult, squirrel

MOST_VOXELS = 2**23
"""Of a volume whose shell correlation is computed."""

TOO_COARSE = (
    "The correlation stays above its threshold up to the last ring: the pixels are too large to tell."
)


def single_tasks(
    placed: Placed, plane: Box, settings: CompareSettings
) -> Iterator[tuple[tuple[str, ...], Callable[[], tuple[Cell, ...]]]]:
    """Measures of one plane of an image, on its own pixels: their names, and the function of their cells."""

    @cache
    def own() -> np.ndarray:
        return finite(own_plane(placed, plane), placed.name)

    works: dict[str, Callable[[], float]] = {
        "decorrelation": lambda: published_decorrelation(own(), pixel_size=pixel_size(placed)[0]),
        "frc_split": lambda: resolution(split_curve(placed, own(), settings)),
        "noise": lambda: noise_level(own()),
        "snr": lambda: signal_to_noise(own()),
    }
    for name, work in works.items():
        if name in settings.measures:
            yield (name,), lambda work=work: (cell_of(work),)  # type: ignore[misc]


def pair_tasks(
    reference: Placed, other: Placed, field: Box, planes: tuple[Box, Box], settings: CompareSettings
) -> Iterator[tuple[tuple[str, ...], Callable[[], tuple[Cell, ...]]]]:
    """Ring correlation and SQUIRREL of an image and the reference, in their planes of ``field`` and of all images."""

    def rings() -> tuple[Cell, ...]:
        return (cell_of(lambda: resolution(pair_curve(reference, other, field, planes[0], settings))),)

    def errors(conventions: tuple[Convention, ...]) -> tuple[Cell, ...]:
        try:
            found = [squirrel_of(reference, other, planes[1], each) for each in conventions]
        except DiffuscopeError as error:
            return (Cell(None, str(error)),) * 2 * len(conventions)
        return tuple(Cell(value) for each in found for value in (each.rse, each.rsp))

    if settings.wants(tuple(SQUIRREL)):
        alike = native_factor(other, planes[1]) == 1  # then both conventions are one
        if alike:
            yield tuple(SQUIRREL), lambda: errors(("nanoj",)) * 2
        else:
            yield tuple(SQUIRREL), lambda: errors(("nanoj", "nanopyx"))
    if "frc" in settings.measures:
        yield ("frc",), rings


def split_curve(placed: Placed, pixels: np.ndarray, settings: CompareSettings) -> RingCurve:
    """Ring correlation of the two halves of one image.

    Raises
    ------
    DiffuscopeError
        For a result of a model, unless the settings ask for it all the same.
    """
    if placed.record and not settings.frc_of_results:
        raise DiffuscopeError(
            f"{quoted(placed.name)} was made by a model: split in two, both halves agree on what the model draws. Ask "
            "again with 'also of results' (--frc-of-results) if that is what you want."
        )
    return fourier_ring_correlation(*split_diagonal(pixels), pixel_size=2 * pixel_size(placed)[0])


def pair_curve(
    reference: Placed, other: Placed, field: Box, plane: Box, settings: CompareSettings
) -> RingCurve:
    """Ring correlation of two images, or shell correlation of two volumes.

    Raises
    ------
    DiffuscopeError
        If they are not independent, or the volumes are too large.
    """
    _independent(reference, other, settings)
    size = pixel_size(reference)[0]
    axes = reference.image.axes
    depth = field.shape[axes.index("Z")] if "Z" in axes else 1
    if math.prod(field.shape[:-2]) != depth or depth < 4:
        images = (finite(sampled(each, plane), each.name) for each in (reference, other))
        return fourier_ring_correlation(*images, pixel_size=size)
    if math.prod(field.shape) > MOST_VOXELS:
        raise DiffuscopeError(
            f"Volumes of {math.prod(field.shape) / 1e6:.0f} million voxels are too large for a shell correlation: "
            "compare the current plane, or a part."
        )
    steps = [_step(reference, axes.index(letter)) for letter in "ZYX"]
    return fourier_shell_correlation(_volume(reference, field), _volume(other, field), pixel_size=steps)


def squirrel_of(reference: Placed, other: Placed, plane: Box, convention: Convention) -> SquirrelResult:
    """SQUIRREL of one plane, on the pixels of each.

    Raises
    ------
    DiffuscopeError
        If the pixels of the image are not a whole number of times finer.
    """
    found = native(other, plane)
    if found is None:
        raise DiffuscopeError(
            f"SQUIRREL needs pixels that are a whole number of times finer than those of the reference, along both "
            f"axes alike and not rotated; those of {quoted(other.name)} are not."
        )
    pixels, _ = found
    coarse = finite(sampled(reference, plane), reference.name)
    return squirrel(coarse, finite(pixels, other.name), convention=convention)


def resolution(curve: RingCurve) -> float:
    """The resolution of a curve.

    Raises
    ------
    DiffuscopeError
        If the pixels are too large to tell.
    """
    value = curve.resolution
    if value is None:
        raise DiffuscopeError(TOO_COARSE)
    return value


def pixel_size(placed: Placed) -> tuple[float, str]:
    """Size of a pixel along X and its unit: µm, or pixel where it is unknown."""
    image = placed.image
    size = to_micrometres(image.scale[-1], image.units[-1])
    return (image.scale[-1], image.units[-1]) if size is None else (size, "µm")


def finite(pixels: np.ndarray, name: str) -> np.ndarray:
    """The pixels.

    Raises
    ------
    DiffuscopeError
        If some are NaN or infinite.
    """
    if not np.isfinite(pixels).all():
        raise DiffuscopeError(
            f"{quoted(name)} has pixels that are NaN or infinite here, or does not fill the field: choose a part "
            "without."
        )
    return pixels


def _step(placed: Placed, axis: int) -> float:
    step = to_micrometres(placed.image.scale[axis], placed.image.units[axis])
    return placed.image.scale[axis] if step is None else step


def _volume(placed: Placed, field: Box) -> np.ndarray:
    return finite(np.stack([sampled(placed, piece) for piece in pieces(field)]), placed.name)


def _independent(reference: Placed, other: Placed, settings: CompareSettings) -> None:
    if settings.frc_of_results:
        return
    if reference.record and other.record:
        raise DiffuscopeError(
            f"{quoted(reference.name)} and {quoted(other.name)} were both made by a model and agree on what it draws. "
            "Ask again with 'also of results' (--frc-of-results) if that is what you want."
        )
    for result, source in ((other, reference), (reference, other)):
        made_from = (result.record or {}).get("input") or {}
        known = source.image.source
        if (known and made_from.get("source") == known) or (
            not known and made_from and made_from.get("name") == source.name
        ):
            raise DiffuscopeError(
                f"{quoted(result.name)} was made from {quoted(source.name)}, so they share its noise and their "
                "correlation says nothing; compare with another exposure."
            )
