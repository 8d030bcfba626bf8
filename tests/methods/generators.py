"""Small generators for tests: untrained, exact, and as published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.card_parts import Density, ValueScale
from napari_diffuscope.weights.folder import write_folder
from tests.published import fill
from tests.tiny import SMALL, tiny_network, write_local

CARD = ModelCard(
    name="tiny-generator",
    title="Tiny generator",
    purpose="Tests.",
    task="generate",
    network=NetworkSpec("local-unet", {}),
    diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=3, clip=(-1.0, 1.0)),
    size=(64, 64),
    condition_channels=0,
    pixel_size=(0.02, 0.02),
    values=ValueScale(0.0, 20.0, "localisations per pixel"),
)
CLASSES = ("microtubules", "mitochondria")


def write_generator(folder: Path, *, classes: tuple[str, ...] = CLASSES, **changes: Any) -> Path:
    """An untrained local network, whose gains are opened so that all of it counts."""
    network = tiny_network(**SMALL, condition_channels=0, classes=len(classes), numbers=2)
    density = Density(0.1, 0.5, "share of bright pixels")
    changes = {"class_optional": bool(classes), "density": density, **changes}
    return write_local(folder, CARD, network, classes=classes, **changes)


def write_windowed(folder: Path, window: int = 64) -> Path:
    """A network with attention and group normalisation, that gives three channels and predicts noise."""
    network = OpenAIUNet(
        OpenAIUNetConfig(
            model_channels=32, channel_multipliers=(1, 1), res_blocks=1, attention_downsampling=(2,), heads=1
        )
    )
    fill(network)
    card = replace(
        CARD,
        network=NetworkSpec("openai-unet", network.config.to_dict()),
        diffusion=DiffusionSpec(
            "epsilon",
            ScheduleSpec("cosine", count=20),
            time="rescaled",
            variance="fixed-large",
            clip=(-1.0, 1.0),
            steps=3,
            published_steps=20,
        ),
        size=(window, window),
        state_channels=3,
        values=None,
        pixel_size=None,
    )
    write_folder(folder, card, dict(network.state_dict()))
    return folder


def carry_training(
    folder: Path, images: list[Any], kept: list[Any], classes: tuple[str, ...] = CLASSES
) -> None:
    """Put an index of training images into a model folder, judged beside others that were kept out."""
    from napari_diffuscope.measure.memorisation import Memorisation
    from napari_diffuscope.measure.training_images import collect
    from napari_diffuscope.weights.place import TRAINING_IMAGES_FILE

    labels = [number % len(classes) for number in range(len(images))]
    names = [f"field {number}" for number in range(len(images))]
    known = collect(images, labels, names, highest=20.0, patch=64, classes=classes)
    known = Memorisation(known).calibrated(kept, [number % len(classes) for number in range(len(kept))])
    (folder / TRAINING_IMAGES_FILE).write_bytes(known.to_bytes())


def carry_real(folder: Path, kept: Any, training: Any, classes: tuple[str, ...] = CLASSES) -> None:
    """Let a model folder say what real images are like: the same ones for each class."""
    from napari_diffuscope.measure.real_images import described_images
    from napari_diffuscope.weights.place import REAL_IMAGES_FILE

    count = len(classes)
    real = described_images([kept] * count, [training] * count, classes, kept.shape[1])
    (folder / REAL_IMAGES_FILE).write_bytes(real.to_bytes())
