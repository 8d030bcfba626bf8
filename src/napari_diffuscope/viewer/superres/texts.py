"""What the dock for super-resolution says, in a microscopist's words."""

from __future__ import annotations

from typing import Literal

from napari_diffuscope.methods.superres.settings import SuperresMode

Target = Literal["isotropic", "zoom", "step"]

MODE_TEXTS: dict[SuperresMode, tuple[str, str]] = {
    "estimate": (
        "Best estimate",
        "The average of all volumes that fit your planes. The most accurate answer, and the fastest; "
        "where the planes do not tell, it is smooth.",
    ),
    "sample": (
        "One sample",
        "One plausible volume, as sharp along z as a real one. Its finest details between planes are guesses: "
        "another seed makes others.",
    ),
    "mean": (
        "Mean of samples + uncertainty",
        "Draws several plausible volumes and shows their average, and how much they disagree at each voxel.",
    ),
    "deviation": (
        "Uncertainty only",
        "How much several plausible volumes disagree at each voxel, in units of intensity.",
    ),
    "as-published": (
        "As published",
        "With the sampler of the model's paper, both directions averaged at the end. Slow.",
    ),
}
SAMPLED: tuple[SuperresMode, ...] = ("mean", "deviation")
STEPPED: tuple[SuperresMode, ...] = ("sample", "mean", "deviation")
SEEDED: tuple[SuperresMode, ...] = (*STEPPED, "as-published")

TARGET_TEXTS: dict[Target, str] = {
    "isotropic": "Cubic voxels",
    "zoom": "A number of times finer",
    "step": "A z-step",
}
NOTHING = (
    "There is no stack to fill in; open an image with File › Open, or take one from the samples "
    "(labels cannot be filled in)."
)
