"""What a user chooses for a restoration: one set of defaults for all. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.common_settings import RGB, Defects, ErrorBars
from napari_diffuscope.methods.declared import Settings, declared

Mode = Literal["estimate", "sample", "mean", "deviation", "samples", "sharpened", "as-published"]
MODES: tuple[Mode, ...] = get_args(Mode)
NeighbourAxis = Literal["none", "z", "t"]

DEFAULT_MODEL = "restoration-fluorescence"

ADAPTATION = "adaptation"
"""Entry of the record: what was learned of each channel, empty where the image was too small to adapt to."""

_STEPPED = ("sample", "mean", "deviation", "samples", "sharpened")
_MODE_WORDS = {
    "estimate": (
        "Best estimate",
        "The average of all clean images that fit yours. The most accurate answer, and the fastest; "
        "where the image does not tell, it is smooth.",
    ),
    "sample": (
        "One sample",
        "One plausible clean image, as sharp as a real one. Its finest details are guesses: "
        "another seed makes others.",
    ),
    "mean": (
        "Mean of samples + uncertainty",
        "Draws several plausible images and shows their average, and how much they disagree at each pixel.",
    ),
    "deviation": (
        "Uncertainty only",
        "How much several plausible images disagree at each pixel, in units of intensity.",
    ),
    "samples": (
        "All samples",
        "Every plausible image, on a slider of its own; play it to see what is certain.",
    ),
    "sharpened": (
        "Sharpened estimate",
        "The best estimate with plausible detail added; the strength says how much.",
    ),
    "as-published": ("As published", "With the sampler and the number of steps of the model's paper. Slow."),
}


@dataclass(frozen=True)
class RestoreSettings(Settings):
    """Everything that decides the numbers of a restoration, and how it is computed; what each means is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared, or do not go together.
    """

    model: str = common.model(DEFAULT_MODEL)
    mode: Mode = declared("estimate", "Mode", common.MODE_HELP, words=_MODE_WORDS)
    samples: int = common.samples(8, "images", ("mean", "deviation", "samples"))
    steps: int | None = common.steps(_STEPPED)
    seed: int = common.seed((*_STEPPED, "as-published"))
    strength: float = declared(
        0.5,
        "Strength",
        "How much detail to add to the best estimate: 0 keeps it, 1 makes a new sample of it.",
        low=0.0,
        high=1.0,
        modes=("sharpened",),
        slider=True,
    )
    adapt: bool = declared(
        False,
        "Adapt to this image",
        "Learn from the noise of your image first, without clean images: takes some 10 to 20 s of a core per channel. "
        "Most is won in images of scanners, and in those of little noise.",
        modes=("estimate",),
        unless="neighbours",
        named=True,
    )
    neighbours: NeighbourAxis = declared(
        "none",
        "Neighbours",
        "Let the planes before and after say what they can of a plane: in a stack the slices above and below (z), in a "
        "movie the frames before and after (t). Finely sampled stacks and slow movies gain most. What is in one "
        "plane alone, and faint, may be weakened.",
        modes=("estimate",),
        named=True,
        words={
            "none": ("None, each plane alone", ""),
            "z": ("Above and below (z)", ""),
            "t": ("Before and after (time)", ""),
        },
    )
    mirrored: bool = declared(
        False,
        "Average mirror images",
        "Restore the image and its three mirror images, and average the four answers: slightly more accurate and "
        "smoother, in four times the time.",
        modes=("estimate",),
        advanced=True,
        named=True,
    )
    device: str = common.device()
    planes: tuple[int, ...] | None = common.planes()
    crop: tuple[int, int, int, int] | None = common.crop()
    rgb: RGB = common.rgb()
    resample: bool = declared(
        False,
        "Resample",
        "Bring an image whose pixel size the model does not know to the nearest one that it knows, and the result back "
        "to the pixels of the image. What is finer than either grid is lost.",
        advanced=True,
        named=True,
    )
    defects: Defects = common.defects("keep", "in the result")
    skip_below: float | None = common.skip_below("their measured values, and no uncertainty")
    error_bars: ErrorBars = common.error_bars(("mean", "deviation"))
    tile: int | None = declared(
        None,
        "Tile",
        "Edge in pixels of the square tiles that a large plane is cut into. Smaller tiles need less memory; the "
        "result is the same on a CPU.",
        low=1,
        high=common.MOST_TILE,
        unit="px",
        step=64,
        decides=False,
    )
    batch: int | None = common.batch("Tiles")

    def check(self) -> None:
        """Refuse a single sample where a deviation is asked for."""
        common.enough_samples(self.mode, self.samples, ("mean", "deviation"))

    def fitting(self, lengths: Mapping[str, int]) -> tuple[Self, str]:
        """Without neighbours, where there are no two planes along their axis."""
        letter = self.joined_along
        if letter is None or lengths.get(letter, 1) > 1:
            return self, ""
        image = f"{''.join(lengths)}, {' x '.join(map(str, lengths.values()))}"
        return replace(self, neighbours="none"), (
            f"Neighbours are not used: this image ({image}) has no two planes along {letter.lower()}; each plane is "
            "restored alone."
        )

    @property
    def joined_along(self) -> str | None:
        """The letter of the axis along which planes are joined with their neighbours, if they are."""
        return self.neighbours.upper() if self.mode == "estimate" and self.neighbours != "none" else None

    @property
    def adapts(self) -> bool:
        """Whether anything is learned from the image: for best estimates of planes that are not joined."""
        return self.adapt and self.mode == "estimate" and self.joined_along is None
