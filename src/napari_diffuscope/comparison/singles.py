"""Measures that need no truth: of single planes of one image, and of two images against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np

from napari_diffuscope.comparison.measures import SINGLE, SQUIRREL
from napari_diffuscope.comparison.pairs import cell_of
from napari_diffuscope.comparison.placing import Box, Placed
from napari_diffuscope.comparison.sampling import (
    native,
    native_factor,
    own_frames,
    own_plane,
    pieces,
    sampled,
)
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.table import Cell
from napari_diffuscope.comparison.values import structured, usable
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

SQUARE = 1e-3
"""Sides of a pixel that differ by no more than this share make it square."""

TOO_COARSE = (
    "The correlation stays above its threshold up to the last ring: the pixels are too large to tell."
)
AGAIN = "Ask again with 'also of results' (--frc-of-results) if that is what you want."

Work = tuple[tuple[str, ...], Callable[[], tuple[Cell, ...]]]
"""Names of measures, and the function of their numbers in one plane."""


def single_tasks(placed: Placed, planes: Sequence[Box], settings: CompareSettings) -> Iterator[Work]:
    """Measures of planes of an image, on its own pixels."""
    for plane in planes:
        yield from _of_one_plane(placed, plane, settings)


def _of_one_plane(placed: Placed, plane: Box, settings: CompareSettings) -> Iterator[Work]:
    @cache
    def own() -> np.ndarray:
        return structured(own_plane(placed, plane), placed.name)

    works: dict[str, Callable[[], float]] = {
        "decorrelation": lambda: published_decorrelation(own(), pixel_size=_square(placed)),
        "frc_frames": lambda: resolution(frames_curve(placed, plane, settings)),
        "frc_split": lambda: resolution(split_curve(placed, own(), settings)),
        "noise": lambda: noise_level(own()),
        "snr": lambda: signal_to_noise(own()),
    }
    for name, work in works.items():
        if name in settings.measures:
            yield (name,), lambda work=work: (cell_of(work),)  # type: ignore[misc]


def pair_tasks(
    reference: Placed,
    other: Placed,
    field: Box,
    planes: tuple[Sequence[Box], Sequence[Box]],
    settings: CompareSettings,
) -> Iterator[Work]:
    """Ring correlation and SQUIRREL of an image and the reference.

    Parameters
    ----------
    field
        What both share.
    planes
        Planes of the field, for the correlation, and of what all images share, for SQUIRREL.
    """
    if settings.wants(tuple(SQUIRREL)):
        for plane in planes[1]:
            yield tuple(SQUIRREL), lambda plane=plane: _squirrel_cells(reference, other, plane)  # type: ignore[misc]
    if "frc" in settings.measures:
        volume = in_shells(reference, field)
        for plane in planes[0][:1] if volume else planes[0]:
            yield (
                ("frc",),
                lambda plane=plane: (  # type: ignore[misc]
                    cell_of(lambda: resolution(pair_curve(reference, other, field, plane, settings))),
                ),
            )


def _squirrel_cells(reference: Placed, other: Placed, plane: Box) -> tuple[Cell, ...]:
    conventions: tuple[Convention, ...] = ("nanoj", "nanopyx")
    if native_factor(other, plane) == 1:  # then both conventions are one
        conventions = ("nanoj",)
    try:
        found = [squirrel_of(reference, other, plane, each) for each in conventions]
    except DiffuscopeError as error:
        return (Cell(None, str(error)),) * len(SQUIRREL)
    cells = tuple(Cell(value) for each in found for value in (each.rse, each.rsp))
    return cells * (2 // len(conventions))


def combined(cells: Sequence[Cell]) -> Cell:
    """One number for several planes: the median of those that have one, and in words what the others lack."""
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) == len(cells) == 1 or not values:
        return cells[0]
    why = next((cell.why for cell in cells if cell.value is None), "")
    return Cell(
        float(np.median(values)), f"{len(values)} of {len(cells)} planes; in another: {why}" if why else ""
    )


def frames_curve(placed: Placed, plane: Box, settings: CompareSettings) -> RingCurve:
    """Ring correlation of a frame with the next one, or of two samples.

    Raises
    ------
    DiffuscopeError
        If there is only one, or for frames that a model has made, unless the settings ask for it all the same.
    """
    axis = placed.frame_axis
    if axis is None:
        raise DiffuscopeError(
            f"{quoted(placed.name)} has no second frame or sample to correlate with the first."
        )
    if placed.record and placed.sample_axis is None and not settings.frc_of_results:
        raise DiffuscopeError(
            f"The frames of {quoted(placed.name)} were made by a model and agree on what it draws. {AGAIN}"
        )
    pair = (structured(each, placed.name) for each in own_frames(placed, plane, axis))
    return fourier_ring_correlation(*pair, pixel_size=pixel_sizes(placed))


def split_curve(placed: Placed, pixels: np.ndarray, settings: CompareSettings) -> RingCurve:
    """Ring correlation of the two halves of one image.

    Raises
    ------
    DiffuscopeError
        For a result of a model, unless the settings ask for it all the same.
    """
    if placed.record and not settings.frc_of_results:
        raise DiffuscopeError(
            f"{quoted(placed.name)} was made by a model: split in two, both halves agree on what the model draws. "
            f"{AGAIN}"
        )
    y, x = pixel_sizes(placed)
    return fourier_ring_correlation(*split_diagonal(pixels), pixel_size=(2 * y, 2 * x))


def in_shells(reference: Placed, field: Box) -> bool:
    """Whether a field is one volume that is not too large for a shell correlation."""
    axes = reference.image.axes
    depth = field.shape[axes.index("Z")] if "Z" in axes and reference.sample_axis != axes.index("Z") else 1
    return depth >= 4 and math.prod(field.shape[:-2]) == depth and math.prod(field.shape) <= MOST_VOXELS


def pair_curve(
    reference: Placed, other: Placed, field: Box, plane: Box, settings: CompareSettings
) -> RingCurve:
    """Ring correlation of two images in one plane, or shell correlation of two volumes.

    Raises
    ------
    DiffuscopeError
        If they are not independent.
    """
    _independent(reference, other, settings)
    if not in_shells(reference, field):
        images = (structured(sampled(each, plane), each.name) for each in (reference, other))
        return fourier_ring_correlation(*images, pixel_size=pixel_sizes(reference))
    axes = reference.image.axes
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
        raise DiffuscopeError(_no_squirrel(other, plane))
    pixels, _ = found
    coarse = usable(sampled(reference, plane), reference.name)
    return squirrel(coarse, usable(pixels, other.name), convention=convention)


def _no_squirrel(other: Placed, plane: Box) -> str:
    name = quoted(other.name)
    if not other.straight:
        return f"SQUIRREL needs pixels along those of the reference; {name} is rotated."
    along = [other.along(axis) for axis in (len(plane.ranges) - 2, len(plane.ranges) - 1)]
    if any(each is not None and each[1] < 0 for each in along):
        return f"SQUIRREL needs pixels along those of the reference; {name} is mirrored."
    if native_factor(other, plane) is None:
        return (
            "SQUIRREL needs pixels that are a whole number of times finer than those of the reference, along both axes "
            f"alike; those of {name} are not."
        )
    return f"{name} does not cover the field to its borders: choose a part that both images cover."


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


def pixel_sizes(placed: Placed) -> tuple[float, float]:
    """Size of a pixel along Y and X, in the unit of :func:`pixel_size`."""
    return _step(placed, -2), _step(placed, -1)


def _square(placed: Placed) -> float:
    y, x = pixel_sizes(placed)
    if abs(y - x) > SQUARE * x:
        raise DiffuscopeError(
            f"Decorrelation analysis needs square pixels; those of {quoted(placed.name)} are {y:.4g} by {x:.4g}."
        )
    return x


def _step(placed: Placed, axis: int) -> float:
    step = to_micrometres(placed.image.scale[axis], placed.image.units[axis])
    return placed.image.scale[axis] if step is None else step


def _volume(placed: Placed, field: Box) -> np.ndarray:
    return structured(np.stack([sampled(placed, piece) for piece in pieces(field)]), placed.name)


def _independent(reference: Placed, other: Placed, settings: CompareSettings) -> None:
    if settings.frc_of_results:
        return
    if reference.record and other.record:
        raise DiffuscopeError(
            f"{quoted(reference.name)} and {quoted(other.name)} were both made by a model and agree on what it draws. "
            f"{AGAIN}"
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


def columns_of(placed: Sequence[Placed], settings: CompareSettings) -> tuple[str, ...]:
    """Measures that have a column: that of frames only where an image has some, or nothing else is asked for."""
    frames = any(each.frame_axis is not None for each in placed) or settings.measures == ("frc_frames",)
    return tuple(name for name in settings.measures if frames or name != "frc_frames")


OF_PLANES = (*SINGLE, *SQUIRREL)
"""Measures of single planes."""
