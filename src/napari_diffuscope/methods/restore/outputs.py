"""What a restoration will give: names, axes, shapes and places, known before it starts. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import Channel, VolumeSpec
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.answers import answer_label
from napari_diffuscope.methods.method import Inputs, Output
from napari_diffuscope.methods.restore.settings import RestoreSettings

SAMPLE_AXIS = "N"
RESTORED, DEVIATION = "restored", "deviation"
LABELS = {RESTORED: "restored", DEVIATION: "uncertainty"}


@dataclass(frozen=True)
class Selection:
    """Which part of an image is worked on.

    Parameters
    ----------
    planes
        Flat plane indices, ascending.
    crop
        ``(y0, y1, x0, x1)``.
    first, shape
        Bounding box of the planes along the leading axes: first index and length.
    """

    planes: tuple[int, ...]
    crop: tuple[int, int, int, int]
    first: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def region(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """``((y0, y1), (x0, x1))``."""
        y0, y1, x0, x1 = self.crop
        return (y0, y1), (x0, x1)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of the crop."""
        (y0, y1), (x0, x1) = self.region
        return y1 - y0, x1 - x0


def select(image: Image, settings: RestoreSettings) -> Selection:
    """The part of an image that the settings ask for.

    Raises
    ------
    DiffuscopeError
        For planes, a crop or neighbours that the image does not have.
    """
    _check_neighbours(image, settings)
    planes = (
        tuple(range(image.plane_count)) if settings.planes is None else tuple(sorted(set(settings.planes)))
    )
    if not planes:
        raise DiffuscopeError("No plane is chosen; name at least one.")
    indices = (
        [image.plane_index(flat) for flat in (planes[0], planes[-1])]
        if settings.planes is None
        else [image.plane_index(flat) for flat in planes]
    )
    first = tuple(min(axis) for axis in zip(*indices, strict=True))
    last = tuple(max(axis) for axis in zip(*indices, strict=True))
    if settings.planes is None:
        first, last = (0,) * len(first), tuple(n - 1 for n in image.leading_shape)
    shape = tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    return Selection(planes, _checked_crop(image, settings.crop), first, shape)


def _check_neighbours(image: Image, settings: RestoreSettings) -> None:
    letter = settings.joined_along
    if letter is None or settings.fitting(image.lengths)[0] == settings:
        return
    shape = " x ".join(map(str, image.shape))
    raise DiffuscopeError(
        f"No neighbours along {letter.lower()}: the image has the axes {image.axes} ({shape}), and no two planes along "
        f"{letter}. Choose neighbours along another axis or none, or say which axes the image has."
    )


def _checked_crop(image: Image, crop: tuple[int, int, int, int] | None) -> tuple[int, int, int, int]:
    height, width = image.plane_shape
    if crop is None:
        return 0, height, 0, width
    y0, y1, x0, x1 = crop
    if not (0 <= y0 < y1 <= height and 0 <= x0 < x1 <= width):
        raise DiffuscopeError(
            f"The crop {y0}:{y1},{x0}:{x1} does not lie inside the plane of {height} x {width} pixels."
        )
    return y0, y1, x0, x1


def describe_outputs(inputs: Inputs, settings: RestoreSettings) -> list[Output]:
    """Outputs of a restoration: ``restored`` and ``deviation``, float32 in the units of the input's intensities.

    Their axes are those of the input, with ``N`` (samples) in front for the mode ``samples``.

    Raises
    ------
    DiffuscopeError
        As :func:`select`.
    """
    image = inputs["image"]
    part = select(image, settings)
    y0, _, x0, _ = part.crop
    origin = (*part.first, y0, x0)
    lead = (settings.samples,) if settings.mode == "samples" else ()
    new = len(lead)
    places = zip(image.translate, origin, image.scale, strict=True)
    corner = tuple(first + index * step for first, index, step in places)

    channels = _channels_of(image, part)

    def output(name: str) -> Output:
        spec = VolumeSpec(
            (*lead, *part.shape, *part.plane_shape),
            SAMPLE_AXIS * new + image.axes,
            scale=(1.0,) * new + image.scale,
            units=("pixel",) * new + image.units,
            translate=(0.0,) * new + corner,
            name=f"{image.name} {name}",
            channels=channels,
        )
        spread = name == DEVIATION
        label = answer_label(LABELS[name], settings, spread=spread)
        return Output(name, spec, label, (0,) * new + origin, spread=spread)

    wanted = {"mean": (RESTORED, DEVIATION), "deviation": (DEVIATION,)}.get(settings.mode, (RESTORED,))
    return [output(name) for name in wanted]


def _channels_of(image: Image, part: Selection) -> tuple[Channel, ...]:
    """Names of the channels that are worked on, where they are known."""
    if "C" not in image.axes or not image.channels:
        return ()
    axis = image.axes.index("C")
    first, count = part.first[axis], part.shape[axis]
    return tuple(map(Channel, image.channels[first : first + count]))
