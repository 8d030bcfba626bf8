"""An image that knows its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging import axes as _axes
from napari_diffuscope.imaging.failures import reading_pixels
from napari_diffuscope.imaging.memory import check_room
from napari_diffuscope.imaging.stamps import Stamp
from napari_diffuscope.imaging.views import ArrayLike, AxisView, LuminanceView, MaskedView, is_masked

__all__ = ["RGB", "ArrayLike", "Image", "full_resolution"]

RGB = Literal["luminance", "channels"]
"""What becomes of red, green and blue."""

COLOURS = ("red", "green", "blue")
"""Names of the channels that a colour image becomes."""

_MOST_PIXELS = 2**60


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels with their axes and physical size; ``data`` is read plane by plane.

    A plane is all of Y and X at one position of the leading axes; planes are numbered ("flat") in C order of
    the leading axes.

    Parameters
    ----------
    data
        numpy, dask or zarr array, or anything with ``shape``, ``dtype`` and slicing.
    axes
        One letter of ``TCZYX`` per dimension, in the order of the data; Y and X are the last two.
    scale
        Distance between neighbouring elements along each axis, in ``units``; ones where unknown.
    units
        One unit per axis, ``"pixel"`` where unknown.
    name, source
        What to call it, and the file it came from, if any.
    translate
        Position of the centre of the first pixel along each axis, in ``units``; zeros where unknown.
    notes
        What the user must be told of how it was read: one sentence each, which names the file. Jobs announce
        them at their start and keep them in the record.
    series
        Number of the image in its source, where that holds several.
    scene
        Its name there; empty where it has none, or the source holds no other.
    typed_axes
        Axes that somebody named for it by hand, as its source stores them; empty where nobody did.
    channels
        Names of the channels, one for each; empty where they are not known.
    stamp
        What its file was when it was opened; ``None`` where nobody looked.

    Raises
    ------
    DiffuscopeError
        If there are no pixels, the pixels are no real numbers, or axes, scale or units do not fit.
    """

    data: ArrayLike = field(repr=False)
    axes: str
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    name: str = "image"
    source: str | None = None
    translate: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    series: int = 0
    typed_axes: str = ""
    channels: tuple[str, ...] = ()
    scene: str = ""
    stamp: Stamp | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        dimensions = len(self.data.shape)
        _check_pixels(self.data)
        axes = _axes.checked_axes(self.axes, dimensions)
        if not axes.endswith("YX"):
            raise DiffuscopeError(f"The axes {axes!r} do not end in YX; use Image.wrap to reorder them.")
        scale = tuple(float(step) for step in self.scale) or (1.0,) * dimensions
        units = tuple(str(unit) for unit in self.units) or ("pixel",) * dimensions
        translate = tuple(float(start) for start in self.translate) or (0.0,) * dimensions
        _check_scale(scale, units, axes)
        if len(translate) != dimensions:
            raise DiffuscopeError(
                f"The translate {translate} does not fit the axes {axes}; give one value per axis."
            )
        if self.channels and len(self.channels) != (self.shape[axes.index("C")] if "C" in axes else 1):
            object.__setattr__(self, "channels", ())
        for key, value in (("axes", axes), ("scale", scale), ("units", units), ("translate", translate)):
            object.__setattr__(self, key, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis."""
        return tuple(int(length) for length in self.data.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Pixel type as stored."""
        pixel_type: np.dtype[Any] = np.dtype(self.data.dtype)
        return pixel_type

    @property
    def leading_shape(self) -> tuple[int, ...]:
        """Lengths of the axes before Y and X."""
        return self.shape[:-2]

    @property
    def plane_shape(self) -> tuple[int, int]:
        """``(height, width)`` of a plane."""
        height, width = self.shape[-2:]
        return height, width

    @property
    def plane_count(self) -> int:
        """Number of planes: 1 for a single plane."""
        return math.prod(self.leading_shape)

    @property
    def channel_count(self) -> int:
        """Number of channels: 1 without a C axis."""
        return self.shape[self.axes.index("C")] if "C" in self.axes else 1

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each axis, by its letter."""
        return dict(zip(self.axes, self.shape, strict=True))

    def plane_index(self, flat: int) -> tuple[int, ...]:
        """Index into the leading axes of the ``flat``-th plane.

        Raises
        ------
        DiffuscopeError
            If there is no such plane.
        """
        if not 0 <= flat < self.plane_count:
            raise DiffuscopeError(
                f"Plane {flat} does not exist in {self.name!r}; "
                f"choose planes from 0 to {self.plane_count - 1}."
            )
        return tuple(int(position) for position in np.unravel_index(flat, self.leading_shape))

    def channel_of(self, flat: int) -> int:
        """Channel of the ``flat``-th plane, 0 without a C axis."""
        return self.plane_index(flat)[self.axes.index("C")] if "C" in self.axes else 0

    def pixels(self, index: tuple[int | slice, ...]) -> np.ndarray:
        """Pixels as they are stored, not to be changed; reads nothing else.

        Parameters
        ----------
        index
            An integer or a slice for each axis.

        Raises
        ------
        DiffuscopeError
            If they do not fit into memory, or cannot be read: the file behind them may be damaged or gone.
        """
        if isinstance(self.data, np.ndarray):
            return np.asarray(self.data[index])
        with reading_pixels(self.source or self.name):
            lengths = [
                len(range(*part.indices(length)))
                for part, length in zip(index, self.shape, strict=True)
                if isinstance(part, slice)
            ]
            check_room(math.prod(lengths) * self.dtype.itemsize, f"The part of {lengths} pixels to be read")
            return np.asarray(self.data[index])

    def read_plane(self, flat: int) -> np.ndarray:
        """Pixels of the ``flat``-th plane, float32 ``(Y, X)``, in the units stored; reads nothing else.

        The array is the caller's own: changing it does not change the image.
        """
        block = self.pixels((*self.plane_index(flat), slice(None), slice(None)))
        with np.errstate(
            over="ignore"
        ):  # beyond float32 a value becomes infinite, and is treated as no value
            return np.array(block, dtype=np.float32, order="C")

    @classmethod
    def wrap(
        cls,
        data: Any,
        axes: str | None = None,
        *,
        scale: Sequence[float] | None = None,
        units: Sequence[Any] | None = None,
        rgb: RGB = "luminance",
        name: str | None = None,
        source: str | None = None,
        translate: Sequence[float] | None = None,
        notes: Sequence[str] = (),
        series: int = 0,
        scene: str = "",
    ) -> Image:
        """Make an image of anything that holds pixels, reading none of them.

        Parameters
        ----------
        data
            numpy, dask or zarr array, a list of the levels of a multiscale image (its largest is taken),
            nested lists of numbers, or an `Image`, which is returned as it is when nothing else is given.
        axes
            One letter of ``TCZYX`` per dimension of ``data``, in any order, and ``S`` for the red, green and
            blue (and alpha) of a colour image; the image has Y and X last and the other axes in their order.
            By default YX, ZYX, TZYX or TCZYX, by number of dimensions.
        scale, units
            One per letter of ``axes``; ``S`` may be left out. The scale is a distance: its sign is ignored.
        rgb
            A colour image becomes its ``"luminance"``, 0.2126 R + 0.7152 G + 0.0722 B of the values as
            stored, or its three ``"channels"``, named by :data:`COLOURS`, become the axis C. Alpha is left out.
        name, source
            What to call it, and the file it came from; those of an `Image`, else ``"image"``.
        translate
            Position of the first pixel, one per letter of ``axes`` as for the scale.
        notes, series, scene
            As for `Image`; notes of an `Image` are kept before them.

        Raises
        ------
        DiffuscopeError
            As for `Image`; also if the levels of a multiscale image or the number of colours make no sense.
        """
        if isinstance(data, cls):
            if axes is None and scale is None and units is None and translate is None and not notes:
                return data
            if axes is None:
                axes, scale, units = data.axes, scale or data.scale, units or data.units
                translate = translate or data.translate
            name, source = name or data.name, source or data.source
            series, scene = series or data.series, scene or data.scene
            notes, data = (*data.notes, *notes), data.data
        array = full_resolution(data)
        _check_pixels(array)
        if is_masked(array):
            array = MaskedView(array)
            notes = (*notes, f"Masked pixels of {name or 'image'!r} have no value, and none in the result.")
        letters = _axes.default_axes(len(array.shape)) if axes is None else axes
        letters = _axes.checked_axes(letters, len(array.shape), allowed=_axes.LETTERS + _axes.SAMPLES)
        steps = _along(letters, scale, 1.0, "scale")
        kinds = _along(letters, units, "pixel", "units")
        starts = _along(letters, translate, 0.0, "translate")
        split = _axes.SAMPLES in letters and rgb == "channels"
        array, letters = _planes_last(array, letters, rgb)
        return cls(
            array,
            letters,
            scale=tuple(abs(float(steps.get(letter, 1.0))) for letter in letters),
            units=tuple(str(kinds.get(letter, "pixel")) for letter in letters),
            name=name or "image",
            source=source,
            translate=tuple(float(starts.get(letter, 0.0)) for letter in letters),
            notes=tuple(dict.fromkeys(notes)),
            series=series,
            channels=COLOURS if split else (),
            scene=scene,
        )


def full_resolution(data: Any) -> ArrayLike:
    """The array itself, or the largest level of a multiscale image (a list, or an object with ``shapes``).

    Raises
    ------
    DiffuscopeError
        If a list holds no arrays, or arrays of one shape: those are planes, not levels.
    """
    listed = isinstance(data, list | tuple)
    if hasattr(data, "shapes") or (
        listed and len(data) > 0 and all(hasattr(level, "shape") for level in data)
    ):
        return _largest(list(data))
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        array: ArrayLike = data
        return array
    try:
        return np.asarray(data)
    except ValueError as error:
        raise DiffuscopeError(
            "These lists are not the pixels of one image; pass an array with equally long rows."
        ) from error


def _largest(levels: list[Any]) -> ArrayLike:
    if not levels:
        raise DiffuscopeError("The multiscale image has no levels; pass at least one array.")
    shapes = {tuple(level.shape) for level in levels}
    if len(levels) > 1 and len(shapes) == 1 and len(levels[0].shape) > 1:
        raise DiffuscopeError(
            f"A list of {len(levels)} arrays of one shape {levels[0].shape} is no multiscale image; "
            "join them with numpy.stack and name the axes."
        )
    largest: ArrayLike = max(levels, key=lambda level: math.prod(level.shape))
    return largest


def _check_pixels(data: ArrayLike) -> None:
    shape = tuple(data.shape)
    if len(shape) < 2:
        raise DiffuscopeError(f"An image needs at least two dimensions, but this one has {len(shape)}.")
    if any(length != length for length in shape):  # dask does not know what a selection leaves
        raise DiffuscopeError(f"The image does not know its size, {shape}; compute it first.")
    if 0 in shape:
        raise DiffuscopeError(f"The image has no pixels: its shape is {shape}.")
    if math.prod(shape) > _MOST_PIXELS or min(shape) < 0:
        raise DiffuscopeError(f"No image has the shape {quoted(shape)}; its file may be damaged.")
    try:
        kind = np.dtype(data.dtype).kind
    except TypeError:
        kind = "?"
    if kind not in "buif":
        raise DiffuscopeError(
            f"Pixels of type {data.dtype} cannot be used; convert the image to integers or real numbers."
        )


def _check_scale(scale: tuple[float, ...], units: tuple[str, ...], axes: str) -> None:
    for values, what in ((scale, "scale"), (units, "units")):
        if len(values) != len(axes):
            raise DiffuscopeError(f"The {what} {values} do not fit the axes {axes}; give one value per axis.")
    if not all(math.isfinite(step) and step > 0 for step in scale):
        raise DiffuscopeError(f"The scale {scale} is no pixel size; give a positive number for every axis.")


def _along(letters: str, values: Sequence[Any] | None, default: Any, what: str) -> dict[str, Any]:
    """Value for each letter; the colour axis may have been left out."""
    if values is None:
        return dict.fromkeys(letters, default)
    plain = letters.replace(_axes.SAMPLES, "")
    for names in (letters, plain):
        if len(values) == len(names):
            return dict(zip(names, values, strict=True))
    raise DiffuscopeError(
        f"The {what} have {len(values)} values, but the axes {letters} need {len(plain)}; give one per axis."
    )


def _planes_last(array: ArrayLike, letters: str, rgb: RGB) -> tuple[ArrayLike, str]:
    """The array with Y and X last and without a colour axis, and its axes."""
    if _axes.SAMPLES in letters:
        return _without_colour(array, letters, rgb)
    target = _axes.planes_last(letters)
    return (array if target == letters else AxisView(array, _axes.order_of(letters, target))), target


def _without_colour(array: ArrayLike, letters: str, rgb: RGB) -> tuple[ArrayLike, str]:
    colours = array.shape[letters.index("S")]
    if colours not in (3, 4):
        raise DiffuscopeError(
            f"The colour axis S has length {colours}, but colour images have 3 or 4; call the axis C instead."
        )
    if rgb not in get_args(RGB):
        raise DiffuscopeError(f"Colour cannot be taken as {rgb!r}; choose one of {', '.join(get_args(RGB))}.")
    plain = _axes.planes_last(letters.replace("S", ""))
    if rgb == "luminance":
        return LuminanceView(AxisView(array, _axes.order_of(letters, plain + "S"))), plain
    if "C" in letters:
        raise DiffuscopeError(
            "The image has both channels (C) and colours (S); take the luminance of the colours."
        )
    # The place that TCZYX gives to C, so that files and viewers find the usual order.
    target = plain.replace("Z", "SZ") if "Z" in plain else plain.replace("YX", "SYX")
    lengths = {letters.index("S"): 3}
    return AxisView(array, _axes.order_of(letters, target), lengths=lengths), target.replace("S", "C")
