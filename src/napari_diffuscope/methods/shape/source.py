"""The plane of an image, and the labels that belong to it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.common_settings import MOST_LENGTH
from napari_diffuscope.methods.shape.settings import ShapeSettings

SQUARE = 0.02
"""How far the edges of a pixel may differ."""


@dataclass(frozen=True, eq=False)
class LabelledPlane:
    """What shapes are predicted from.

    Parameters
    ----------
    plane
        ``(Y, X)``, pixel type as stored.
    labels
        ``(Y, X)``.
    pixel_size
        In µm; ``None`` where unknown.
    """

    plane: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)
    pixel_size: float | None


def labelled_plane(image: Image, labels: Image, settings: ShapeSettings) -> LabelledPlane:
    """The plane of an image that the settings name, and its labels.

    Parameters
    ----------
    image
        Of any axes; channels, times and heights are planes of their own.
    labels
        With the same leading axes as the image, or fewer: an axis that they lack has the same labels everywhere.

    Raises
    ------
    DiffuscopeError
        If no plane is named among several, there is no such plane, the labels do not fit the image, or its pixels
        are not square.
    """
    if settings.plane is None and image.plane_count > 1:
        raise DiffuscopeError(
            f"{image.name!r} has {image.plane_count} planes ({image.axes}, {image.shape}); say which one with plane, "
            "counted from 0."
        )
    index = image.plane_index(settings.plane or 0)
    place = dict(zip(image.axes, index, strict=False))
    return LabelledPlane(
        image.pixels((*index, slice(None), slice(None))),
        _labels_at(image, labels, place),
        square_pixel_size(image, settings.pixel_size),
    )


def _labels_at(image: Image, labels: Image, place: dict[str, int]) -> np.ndarray:
    """The plane of the labels for a place of the image."""
    if labels.plane_shape != image.plane_shape:
        raise DiffuscopeError(
            f"The labels {labels.name!r} have planes of {labels.plane_shape}, but the image {image.name!r} of "
            f"{image.plane_shape} pixels; they must agree."
        )
    index = []
    for letter, length in zip(labels.axes[:-2], labels.leading_shape, strict=True):
        same = letter in place and image.shape[image.axes.index(letter)] == length
        if not same and length > 1:
            raise DiffuscopeError(
                f"The labels {labels.name!r} have the axes {labels.axes} {labels.shape}, which do not fit the image's "
                f"{image.axes} {image.shape}; give labels of its planes."
            )
        index.append(place[letter] if same else 0)
    return labels.pixels((*index, slice(None), slice(None)))


def square_pixel_size(image: Image, chosen: float | None = None) -> float | None:
    """Edge of a pixel in µm; ``None`` where the image does not say.

    Parameters
    ----------
    image
        Its scale along Y and X counts.
    chosen
        Taken instead, if given.

    Raises
    ------
    DiffuscopeError
        If the pixels are not square and none was chosen.
    """
    if chosen is not None:
        return chosen
    sizes = [
        to_micrometres(step, unit) for step, unit in zip(image.scale[-2:], image.units[-2:], strict=True)
    ]
    height, width = (
        step if known is None else known for step, known in zip(image.scale[-2:], sizes, strict=True)
    )
    if abs(height - width) > SQUARE * max(height, width):
        raise DiffuscopeError(
            f"The pixels of {image.name!r} are not square ({height:.4g} x {width:.4g}); resample the image, or give "
            "its pixel size if the file is wrong."
        )
    if None in sizes:
        return None
    if not 1 / MOST_LENGTH <= min(height, width) <= max(height, width) <= MOST_LENGTH:
        raise DiffuscopeError(
            f"Pixels of {height:.4g} µm, as {image.name!r} says, are no size of a real image; give its pixel size."
        )
    return float(np.sqrt(height * width))
