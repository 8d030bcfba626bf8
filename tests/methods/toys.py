"""Two methods of a few lines: one brightens an image, one draws stripes out of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.declared import Settings, declared
from napari_diffuscope.methods.method import Input, Inputs, Method, Output
from napari_diffuscope.methods.work import Work


@dataclass(frozen=True)
class BrightenSettings(Settings):
    gain: float = declared(2.0, "Gain", "How many times brighter.", low=0.0, high=100.0)
    offset: int | None = declared(None, "Offset", "What is added.", low=0, high=9, advanced=True)
    way: Literal["plain", "inverted"] = declared("plain", "Way", "Which way round.")
    twice: bool = declared(False, "Twice", "Do it two times.")


def brightened(inputs: Inputs, settings: BrightenSettings) -> list[Output]:
    image = inputs["image"]
    return [Output("bright", VolumeSpec(image.shape, image.axes, scale=image.scale, units=image.units))]


def brighten(work: Work) -> Job[None]:
    settings = work.settings
    factor = (-1 if settings.way == "inverted" else 1) * settings.gain ** (2 if settings.twice else 1)
    for block in work.blocks():
        pixels = work.read(block) * np.float32(factor) + np.float32(settings.offset or 0)
        yield from work.write(block, {"bright": pixels})


BRIGHTEN = Method(
    "brighten", "Brighten", "Make an image brighter.", BrightenSettings, brightened, brighten,
    inputs=(Input(help="Image to brighten."),), doing="Brightening", result="brightening",
)  # fmt: skip


@dataclass(frozen=True)
class StripeSettings(Settings):
    size: int = declared(64, "Size", "Edge of the image.", low=8, high=512, unit="px")
    period: int = declared(4, "Period", "Pixels from one stripe to the next.", low=2, high=64, unit="px")


def striped(inputs: Inputs, settings: StripeSettings) -> list[Output]:
    return [Output("stripes", VolumeSpec((3, settings.size, settings.size), "ZYX"))]


def stripe(work: Work) -> Job[None]:
    for block in work.blocks():
        values = (
            np.arange(work.settings.size, dtype=np.float32) % work.settings.period + block.region[0].start
        )
        yield from work.write(block, {"stripes": np.broadcast_to(values, block.shape)})


STRIPES = Method("stripes", "Stripes", "Draw stripes.", StripeSettings, striped, stripe, inputs=())
