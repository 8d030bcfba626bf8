"""What must be said of how images were read that are learned from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from napari_diffuscope.errors import quoted
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import COLOURS, Image
from napari_diffuscope.imaging.views import LuminanceView
from napari_diffuscope.training.recipe import ImageSource

MOST_TOLD = 3
"""Images of which is told one by one how they were read."""


def opened(path: Path) -> Image:
    """An image to learn from, no pixel of which is read: colours are its channels, as in the window.

    Raises
    ------
    DiffuscopeError
        If it cannot be read.
    """
    return open_image(path, rgb="channels")


def opened_sources(sources: Iterable[ImageSource]) -> dict[str, Image]:
    """The images of sources by their path, each opened once, in order.

    Raises
    ------
    DiffuscopeError
        If one cannot be read.
    """
    return {path: opened(Path(path)) for path in dict.fromkeys(source.path for source in sources)}


def reading_notes(images: Iterable[Image]) -> tuple[str, ...]:
    """What to say of images that are learned from: which are in colour, and what their files left open."""
    every = list(images)
    return (*colour_notes(every), *file_notes(every))


def colour_notes(images: Sequence[Image]) -> Iterator[str]:
    """What to say of images some of which are in colour."""
    apart = [image for image in images if image.channels == COLOURS]
    grey = [image for image in images if isinstance(image.data, LuminanceView)]
    for coloured, became in (
        (apart, "red, green and blue of each are learned from as three grey images"),
        (grey, "their brightness alone (luminance) is learned from"),
    ):
        if coloured:
            yield (
                f"{len(coloured)} of {len(images)} images are in colour, {quoted(coloured[0].name)} first: {became}."
            )


def file_notes(images: Sequence[Image]) -> Iterator[str]:
    """What to say of how images were read from their files."""
    told = [image for image in images if image.notes]
    for image in told[:MOST_TOLD]:
        yield from image.notes
    if told[MOST_TOLD:]:
        yield f"{len(told) - MOST_TOLD} more images were read in such a way."
