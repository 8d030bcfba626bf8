"""What a user chooses for images made from noise, and what will come of it. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import same_length
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, Text, declared
from napari_diffuscope.methods.method import Output
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, read_card
from napari_diffuscope.weights.catalogue import find_model

GenerateMode = Literal["fast", "as-published"]
Spacing = Literal["noise", "time"]

DEFAULT_MODEL = "generate-structures"
RESULT = "generated"
LEAST_SIZE, MOST_SIZE = 64, 2**20
MOST_IMAGES = 100_000
BLOCK = 2048
"""Longest edge in pixels of what is written at a time; larger planes are written in blocks."""

_MODE_WORDS = {
    "fast": ("Fast", "DPM-Solver++ in a few steps: the same seed gives the same image."),
    "as-published": ("As published", "The sampler of the model's paper, hundreds of steps. Slow."),
}


@dataclass(frozen=True)
class GenerateSettings(Settings):
    """Everything that decides the numbers of images made from noise; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared, or do not go together.

    References
    ----------
    Saguy et al., Small Methods 2024 (doi 10.1002/smtd.202400672).
    """

    model: str = common.model(DEFAULT_MODEL)
    class_: str | None = declared(
        None,
        "Class",
        "Which structure: a class of the model, or a mixture such as microtubules:0.7,mitochondria:0.3. Left out, "
        "whatever the model has learned.",
        unset="any",
    )
    number: int = declared(4, "Images", "How many images to make.", low=1, high=MOST_IMAGES)
    size: int = declared(
        128,
        "Height",
        "Height of an image in pixels, and its width where that is left out. Any size: what is larger than the model's "
        "own images is made in one piece, without seams.",
        low=LEAST_SIZE,
        high=MOST_SIZE,
        unit="px",
    )
    width: int | None = declared(
        None,
        "Width",
        "Width of an image in pixels, where it is not its height.",
        low=LEAST_SIZE,
        high=MOST_SIZE,
        unit="px",
        unset="as high",
    )
    mode: GenerateMode = declared("fast", "Mode", "How an image is made from noise.", words=_MODE_WORDS)
    steps: int | None = common.steps(("fast",))
    spacing: Spacing = declared(
        "noise",
        "Steps are spread",
        "How the steps are spread, in models that were trained here: evenly from far more noise than image to far "
        "less, or evenly in time as earlier versions did, which leaves images too dark and empty.",
        modes=("fast",),
        words={"noise": ("Evenly over the noise", ""), "time": ("Evenly in time", "")},
        advanced=True,
        before="time",
    )
    seed: int = common.seed(())
    other_seed: int | None = declared(
        None,
        "Vary towards seed",
        "Makes a series: the first image is that of the seed, the last one that of this other seed, those between "
        "pass from one to the other.",
        low=0,
        high=2**53,
        unset="no series",
        advanced=True,
    )
    strength: float | None = declared(
        None,
        "Strength",
        "With an image to start from, how much of it is made anew: near 0 almost the image itself, 1 another image. "
        "0.5 by default; 1 where a mask is filled.",
        low=0.01,
        high=1.0,
        unset="as suits",
        step=0.05,
        hidden=True,
    )
    density: float | None = declared(
        None,
        "Density",
        "How densely an image is filled, for models that know; their card says from what to what, and what it means.",
        unset="any",
        step=0.01,
        advanced=True,
    )
    guidance: float = declared(
        1.0,
        "Guidance",
        "How strictly the class is followed: 1 as trained; more gives more typical images, less alike to real ones.",
        low=0.0,
        high=20.0,
        advanced=True,
    )
    as_drawn: bool = declared(
        False,
        "Spectrum as drawn",
        "Leave the sharpness of the images as the network drew it. Otherwise a model whose card says by how much its "
        "details are too faint or too strong, for a class, has them brought to those of its training images.",
        modes=("fast",),
        advanced=True,
        before=True,
    )
    device: str = common.device()
    batch: int | None = common.batch("Images")
    tile: int | None = declared(
        None,
        "Tile",
        "Edge in pixels of what the network is given at a time, of images that are larger. Smaller ones need less "
        "memory.",
        low=64,
        high=common.MOST_TILE,
        decides=False,
        advanced=True,
    )

    def check(self) -> None:
        """Refuse a series of one image, or of one seed."""
        if self.other_seed is not None and self.number < 2:
            raise DiffuscopeError(
                "A series between two seeds needs at least 2 images; choose a larger number."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.size, self.width or self.size

    @property
    def block(self) -> tuple[int, int]:
        """Longest edges of what is written at a time."""
        return BLOCK, BLOCK


@dataclass(frozen=True)
class GenerateStoring(Settings):
    """What is written beside the images."""

    card: str | None = declared(
        None,
        "Card",
        "Also write what is said of the images: are they copies, are they like real ones. A page to read (.html), and "
        "its numbers beside it (.json).",
        text=Text("FILE.html", str, str),
    )


def describe(inputs: Mapping[str, Image], settings: GenerateSettings) -> Sequence[Output]:
    """One output: a plane, or a stack of planes along T, in the units and pixels of the training data.

    Raises
    ------
    DiffuscopeError
        If the model cannot do what is asked for, as far as its card says it, or an image to start from does not fit.
    """
    card = card_of(settings.model)
    if card is not None:
        check_card(card, settings)
    leading = (settings.number,) if settings.number > 1 else ()
    step, unit = pixel_of(card)
    height, width = shape_of(inputs, settings)
    spec = VolumeSpec(
        (*leading, height, width),
        "TYX" if leading else "YX",
        scale=(*(1.0,) * len(leading), step, step),
        units=(*("pixel",) * len(leading), unit, unit),
        name=settings.class_ or RESULT,
    )
    return [Output(RESULT, spec, label=settings.class_ or RESULT)]


def shape_of(inputs: Mapping[str, Image], settings: GenerateSettings) -> tuple[int, int]:
    """Height and width of what is made: those of the image to start from, where there is one.

    Raises
    ------
    DiffuscopeError
        If that is no single plane or too small, the mask is of another shape, or mask or strength have no image.
    """
    like, mask = inputs.get("like"), inputs.get("mask")
    if like is None:
        if settings.strength is not None:
            raise DiffuscopeError(
                "A strength says how much of an image is made anew; give the image as well (--like), or leave it out."
            )
        if mask is not None:
            raise DiffuscopeError(
                "A mask says which part of an image to fill; give the image as well (--like)."
            )
        return settings.shape
    for image, what in ((like, "image to start from"), (mask, "mask")):
        if image is not None and image.plane_count != 1:
            raise DiffuscopeError(
                f"The {what}, {quoted(image.name)}, has {image.plane_count} planes; give a single plane."
            )
    if mask is not None and mask.plane_shape != like.plane_shape:
        raise DiffuscopeError(
            f"The mask is {in_pixels(mask.plane_shape)} pixels, the image to fill {in_pixels(like.plane_shape)}; "
            "draw the mask on that image."
        )
    if min(like.plane_shape) < LEAST_SIZE:
        raise DiffuscopeError(
            f"The image to start from is {in_pixels(like.plane_shape)} pixels; it needs at least {LEAST_SIZE} each way."
        )
    return like.plane_shape


def in_pixels(shape: Sequence[int]) -> str:
    """``128 × 256``."""
    return " × ".join(map(str, shape))


def card_of(model: str) -> ModelCard | None:
    """The card of a model folder, ``None`` for what has none (a checkpoint is looked into when the run begins).

    Raises
    ------
    DiffuscopeError
        If there is no such model.
    """
    place = find_model(model)
    folder = place.parent if place.name in (CARD_FILE, WEIGHTS_FILE) else place
    return read_card(folder) if (folder / CARD_FILE).is_file() else None


def pixel_of(card: ModelCard | None) -> tuple[float, str]:
    """Pixel size and unit: in µm where the training images had one pixel size."""
    if card is None or card.pixel_size is None or not same_length(*card.pixel_size):
        return 1.0, "pixel"
    return card.pixel_size[0], "µm"


def check_card(card: ModelCard, settings: GenerateSettings) -> None:
    """Refuse a model that cannot do what is asked for.

    Raises
    ------
    DiffuscopeError
        If it makes no images, needs a measurement, makes volumes, or knows no such class or density.
    """
    if card.task != "generate":
        from napari_diffuscope.methods.registry import task_in_words

        raise DiffuscopeError(
            f"{card.name} is a model for {task_in_words(card.task)}, not for {task_in_words('generate')}; "
            "choose another model."
        )
    if card.condition_channels:
        raise DiffuscopeError(f"{card.name} makes no images without a measurement; choose another model.")
    if card.axes != "YX":
        raise DiffuscopeError(
            f"{card.name} makes volumes; here single planes are made, so choose a model of 2D images."
        )
    class_weights(card, settings.class_)
    if settings.guidance != 1 and not (card.class_optional and settings.class_):
        why = (
            "was not trained without classes" if card.classes and settings.class_ else "is asked for no class"
        )
        raise DiffuscopeError(
            f"Guidance needs a class to follow, and {card.name} {why}; leave guidance at 1."
        )
    if settings.density is None:
        return
    known = card.density
    if known is None:
        raise DiffuscopeError(f"{card.name} knows no density; leave it out.")
    if not known.low <= settings.density <= known.high:
        raise DiffuscopeError(
            f"{card.name} knows densities from {known.low:g} to {known.high:g} ({known.meaning}), "
            f"not {settings.density:g}."
        )


def class_weights(card: ModelCard, wish: str | None) -> tuple[float, ...] | None:
    """Weight of each class of a model, adding up to 1; zeros for no class, ``None`` for a model without classes.

    Parameters
    ----------
    card
        Of the model.
    wish
        A class, or ``name:weight,name:weight``; ``None`` for none.

    Raises
    ------
    DiffuscopeError
        For a class that the model does not know, or weights that are none.
    """
    if wish is None:
        if card.classes and not card.class_optional:
            raise DiffuscopeError(f"{card.name} needs a class; choose one of {', '.join(card.classes)}.")
        return (0.0,) * len(card.classes) if card.classes else None
    if not card.classes:
        raise DiffuscopeError(
            f"{card.name} knows no classes, so it cannot make {quoted(wish)}; leave the class out."
        )
    weights = dict.fromkeys(card.classes, 0.0)
    for name, weight in _parts(wish, card.classes):
        if name not in weights:
            raise DiffuscopeError(
                f"{card.name} knows no class {quoted(name)}; choose one of {', '.join(card.classes)}."
            )
        weights[name] += weight
    most = max(weights.values())
    shares = [weight / most for weight in weights.values()]  # the sum of huge weights would be infinite
    return tuple(share / sum(shares) for share in shares)


def _parts(wish: str, classes: Sequence[str]) -> list[tuple[str, float]]:
    """Names and weights of a mixture."""
    if wish in classes:  # also a name that looks like a mixture
        return [(wish, 1.0)]
    parts = []
    for part in wish.split(","):
        name, separator, text = part.strip().rpartition(":")
        if not separator:
            name, text = text, "1"
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not (math.isfinite(weight) and weight > 0):
            raise DiffuscopeError(
                f"The mixture {quoted(wish)} is not understood; write weights above 0, "
                "such as microtubules:0.7,mitochondria:0.3."
            )
        parts.append((name, weight))
    return parts
