"""What can be learned from one's own images and what that takes: declared once for window, commands and manual.

Free of torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.restore.settings import DEFAULT_MODEL
from napari_diffuscope.training.plans import FINE_TUNING, FRESH
from napari_diffuscope.training.recipe import Optimisation
from napari_diffuscope.weights.card import Task

Material = Literal["images", "pairs", "cells"]
"""What is learned from: images, pairs of low and of high quality, or cells of known shape."""


@dataclass(frozen=True)
class Measured:
    """How good a model is on what was kept out; more is better, and at 0 nothing was learned.

    Parameters
    ----------
    column
        Of the log of a training, without ``validation_``.
    axis
        What it means, as the axis of a plot.
    zero
        What has the value 0.
    sentence
        What a value means, with ``{value}`` in it.
    unit
        Of a value, short.
    hardly
        Less than so much more is hardly better.
    """

    column: str
    axis: str
    zero: str
    sentence: str
    unit: str = "dB"
    hardly: float = 0.1

    def in_words(self, value: float) -> str:
        """``2.31 dB``."""
        return f"{value:.2f} {self.unit}".strip()


@dataclass(frozen=True)
class Learnable:
    """Something that a network can learn from a user's images.

    Parameters
    ----------
    name
        On the command line.
    title
        In a list to choose from.
    needs
        What it takes, one sentence.
    preparation
        What is done to the images before they are learned from.
    task, kind
        Task of the model, and kind of the recipe's data.
    material
        What is learned from.
    starter
        Model to begin with by default; empty where none fits.
    dock
        Where the model is used, as the menu calls it.
    patch
        Largest edge of the patches.
    purpose, limits
        Of the card, where the user writes none.
    measured
        What is measured on what is kept out.
    fresh, tuning
        How it is learned from random weights, and from a model's.
    shown
        What the two pictures of an example are.
    network, data, diffusion
        Further entries of the recipe.
    """

    name: str
    title: str
    needs: str
    preparation: str
    task: Task
    kind: Literal["denoising", "pairs", "slices", "shapes", "classes"]
    material: Material
    dock: str
    patch: int
    purpose: str
    measured: Measured
    starter: str = ""
    limits: str = "Trained on few images; check it on images that were not in its training."
    fresh: Optimisation = FRESH
    tuning: Optimisation = FINE_TUNING
    shown: tuple[str, str] = ("Before", "After")
    network: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    diffusion: Mapping[str, Any] = field(default_factory=dict)


_NEARER = Measured(
    "gain_db",
    "PSNR gained over the noisy image, dB",
    "the noisy images as they are",
    "results are {value} (PSNR) nearer to the clean images than the noisy images are",
)

DENOISE = Learnable(
    "denoise",
    "Denoise, from clean images",
    "Needs two or more clean images, or a stack: noise of cameras is simulated on them, and taking it away is learned.",
    "Every plane is scaled from its 0.5 to its 99.9 percentile; noise of 1 to 1,000 photons at the brightest pixel is "
    "simulated anew for each patch.",
    "restore",
    "denoising",
    "images",
    "Restore",
    patch=128,
    purpose="Takes noise away from images like those of its training.",
    measured=_NEARER,
    starter=DEFAULT_MODEL,
    data={"simulated": 0, "textures": 0, "validation": 48},
)
PAIRS = Learnable(
    "pairs",
    "Denoise, from pairs",
    "Needs the same fields twice, quickly and well imaged, registered to a pixel: two or more pairs, or two stacks.",
    "Both images of a pair are scaled alike; where they differ in gain or offset, the clean one is brought onto the "
    "noisy one by a line first, or, where none fits, each is scaled by its own percentiles.",
    "restore",
    "pairs",
    "pairs",
    "Restore",
    patch=128,
    purpose="Makes images like those of low quality in its training look like those of high quality.",
    measured=_NEARER,
    starter=DEFAULT_MODEL,
    data={"validation": 48},
)
SUPERRES = Learnable(
    "superres",
    "Super-resolution along z",
    "Needs two or more sharp 2D images, or the XY planes of a stack, of what your stacks show: rows are taken away, "
    "and filling them in is learned.",
    "Every image is scaled by the percentiles of its planes; patches are turned and mirrored, and their contrast is "
    "changed a little.",
    "superres",
    "slices",
    "images",
    "Super-resolve volume",
    patch=96,
    purpose="Fills in the planes between measured ones of stacks like the images of its training.",
    measured=Measured(
        "gain_db",
        "PSNR gained over linear interpolation, dB",
        "linear interpolation",
        "filled-in rows are {value} (PSNR) nearer to the true ones than linear interpolation is",
    ),
    starter="superres-fluorescence",
    fresh=replace(FRESH, batch=8, learning_rate=5e-3),
    tuning=replace(FINE_TUNING, batch=8),
    network={
        "dims": 2,
        "widths": [64, 128],
        "encoder_blocks": [2, 2],
        "decoder_blocks": [1],
        "wavelets": 4,
        "wavelet_start": "identity",
    },
    data={"simulated": 0, "validation": 24},
    diffusion={"shift": 0.5},
)
GENERATE = Learnable(
    "generate",
    "Generate images",
    "Needs many images of one kind, or a folder of them for each class, all of one pixel size and with the offset "
    "subtracted; and hours, best of a graphics card.",
    "Values are divided by the brightest one and their roots are learned; patches are turned, mirrored, resized and "
    "bent. Small copies of the training images go into the model: whoever gets it gets to see them.",
    "generate",
    "classes",
    "images",
    "Generate",
    patch=128,
    purpose="Makes new images like those of its training.",
    measured=Measured(
        "denoising_db",
        "How far the error lies below that of knowing nothing, dB",
        "knowing nothing",
        "the error of the network lies {value} below that of knowing nothing of such images",
    ),
    limits="Trained on few images: look for copies of them, and for what no real image shows.",
    fresh=replace(FRESH, batch=8, learning_rate=6e-3, min_gain=0.01),
    tuning=replace(FINE_TUNING, batch=8, min_gain=0.01),
    shown=("With noise", "What is seen in it"),
    network={
        "widths": [48, 64, 128, 192],
        "encoder_blocks": [1, 1, 1, 2],
        "decoder_blocks": [1, 1, 1],
        "smoothed": 4,
        "wavelets": 3,
    },
    data={"validation": 8},
    diffusion={"shift": 1.0, "highest_share": 0.06, "sampling_steps": 20},
)
SHAPES = Learnable(
    "shape",
    "3D shapes of cells",
    "Needs a stack and the labels of its cells in 3D, dozens of them; or a folder of cells whose shape is known, with "
    "its folders image, mask and obj; see the manual.",
    "Cells that lie wholly in the stack are cut out, each in a plane near its middle, and scaled to one "
    "size. Each is turned, mirrored, resized by up to 15 % and changed a little in contrast.",
    "shape",
    "shapes",
    "cells",
    "Predict 3D shape",
    patch=64,
    purpose="Predicts the 3D shape of cells like those of its training from one image and its outline.",
    measured=Measured(
        "iou",
        "Overlap of predicted and true shapes, 0 to 1",
        "no overlap",
        "predicted and true shapes overlap by {value}, 1 being perfect",
        unit="",
        hardly=0.01,
    ),
    starter="shape-red-blood-cells",
    limits="Knows cells like those of its training alone, imaged in the plane of their middle.",
    fresh=replace(FRESH, batch=8, ema=0.99, min_gain=0.001, precision="float32"),
    tuning=replace(FINE_TUNING, batch=8, ema=0.99, min_gain=0.001, precision="float32"),
    shown=("In its plane", "Its shape, from the side"),
    network={
        "dims": 3,
        "widths": [64, 96, 160],
        "encoder_blocks": [1, 1, 2],
        "decoder_blocks": [1, 1],
        "pool": [1, 2, 2],
        "kernel": [1, 3, 3],
        "smoothed": 4,
        "embedding": 64,
    },
    diffusion={"shift": 20.0, "highest_share": 0.5, "sampling_steps": 12},
)
LEARNABLES = {each.name: each for each in (DENOISE, PAIRS, SUPERRES, GENERATE, SHAPES)}
"""By name, in the order in which they are offered."""


def learnable_of(kind: str) -> Learnable:
    """What a recipe with a kind of data makes.

    Raises
    ------
    DiffuscopeError
        For an unknown kind.
    """
    for each in LEARNABLES.values():
        if each.kind == kind:
            return each
    raise DiffuscopeError(f"Nothing is known that is learned from data of the kind {kind!r}.")
