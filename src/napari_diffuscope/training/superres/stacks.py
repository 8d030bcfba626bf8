"""What learning along z asks of images: one stack of planes that lie above each other, as far apart as pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.lost import lost_planes
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.training.recipe import ImageSource

UNEVEN = 0.1
"""By how much planes may lie further apart than pixels, or nearer, before the user is told."""


def check_stacks(sources: Sequence[ImageSource], images: Mapping[str, Image], beside: int) -> None:
    """Refuse images that are cut along z, or of which slices beside are shown, but are not one stack along z.

    Raises
    ------
    DiffuscopeError
        If planes are times or channels, or there is one alone.
    """
    for source in along_z(sources, beside):
        image = images[source.path]
        lengths = zip(image.axes[:-2], image.leading_shape, strict=True)
        if [axis for axis, length in lengths if length > 1] != ["Z"]:
            asking, remedy = (
                ("slices beside a slice", "beside = 0") if beside else ("slices along z", 'cut = "xy"')
            )
            raise DiffuscopeError(
                f"{quoted(Path(source.path).name)} is not one stack of planes along z, as {asking} need it; take it "
                f"out of the recipe, or set {remedy}."
            )


def check_none_lost(source: ImageSource, planes: Sequence[np.ndarray]) -> None:
    """Refuse a stack in which frames were lost: rows of one value would be learned from.

    Raises
    ------
    DiffuscopeError
        If there are any.
    """
    if lost := lost_planes(planes):
        first = source.planes[0] if source.planes else 0
        name, one = quoted(Path(source.path).name), len(lost) == 1
        numbers = ", ".join(str(first + number) for number in lost[:5]) + (", …" if len(lost) > 5 else "")
        raise DiffuscopeError(
            f"{'Plane' if one else 'Planes'} {numbers} of {name} {'has' if one else 'have'} one value, between planes "
            f"that are alike: lost frames, from which slices along z would learn; fill them in, or name planes without "
            "them (planes = [first, last])."
        )


def along_z(sources: Sequence[ImageSource], beside: int) -> tuple[ImageSource, ...]:
    """Sources of which more is learned along z than their planes alone say."""
    return tuple(source for source in sources if beside or source.cut != "xy")


def uneven_notes(sources: Sequence[ImageSource], images: Mapping[str, Image], beside: int) -> Iterator[str]:
    """What to say of stacks whose planes do not lie as far apart as their pixels, once per file."""
    for path, shrink in dict.fromkeys((source.path, source.shrink) for source in along_z(sources, beside)):
        image = images[path]
        at = [image.axes.index(axis) for axis in "ZY"]
        z, pixel = (to_micrometres(image.scale[axis], image.units[axis]) for axis in at)
        if z and pixel and abs(z / (pixel * shrink) - 1) > UNEVEN:
            yield (
                f"Planes of {quoted(Path(path).name)} lie {z / (pixel * shrink):.2g} times as far apart as its pixels; "
                "slices along z are learned from as if both were equal. Use an isotropic stack, or single planes "
                '(cut = "xy", beside = 0).'
            )
