"""What a user chooses for a super-resolution: one set of defaults for all. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.common_settings import RGB, Defects, ErrorBars
from napari_diffuscope.methods.declared import Settings, declared

SuperresMode = Literal["estimate", "sample", "mean", "deviation", "as-published"]
SUPERRES_MODES: tuple[SuperresMode, ...] = get_args(SuperresMode)
SuperresSolver = Literal["dpm-solver++", "ddim"]
Pixels = Literal["float32", "input"]

DEFAULT_SUPERRES_MODEL = "superres-fluorescence"
MOST_ZOOM = 10
MOST_BLUR = 5.0

_SEVERAL = ("mean", "deviation")
_STEPPED = ("sample", *_SEVERAL)
_MODE_WORDS = {
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


@dataclass(frozen=True)
class SuperresSettings(Settings):
    """Everything that decides the numbers of a super-resolution, and how it is computed; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared, or do not go together.

    References
    ----------
    Jiang et al., CVPRW 2024 (arXiv 2404.09425).
    """

    model: str = common.model(DEFAULT_SUPERRES_MODEL)
    mode: SuperresMode = declared("estimate", "Mode", common.MODE_HELP, words=_MODE_WORDS)
    zoom: float | None = declared(
        None,
        "Factor",
        "How many times finer along z, instead of a step: more than 1, at most 10; whole numbers are exact.",
        unit="×",
        hidden=True,
        check=lambda value: common.checked_positive("zoom", value),
    )
    target_step: float | None = common.length(
        "New z-step",
        "Distance of the planes of the result in µm; the pixel size by default, for cubic voxels.",
    )
    z_step: float | None = common.length(
        "Z-step", "Distance of the planes of the image in µm, where the file is silent or wrong."
    )
    pixel_size: float | None = common.pixel_size()
    samples: int = common.samples(8, "volumes", _SEVERAL)
    steps: int | None = common.steps(_STEPPED)
    solver: SuperresSolver | None = declared(
        None,
        "Solver",
        "The way from noise to a volume, for samples. The model's own is fast and good.",
        advanced=True,
        unset="The model's own",
        words={"dpm-solver++": ("DPM-Solver++", ""), "ddim": ("DDIM", "")},
    )
    seed: int = common.seed((*_STEPPED, "as-published"))
    consensus: bool = declared(
        True,
        "Agree after every step",
        "XZ and YZ slices are brought together after every step, so that the volume is of one piece; otherwise two "
        "volumes are made and averaged, as in the paper.",
        advanced=True,
    )
    reimpose: bool | None = declared(
        None,
        "Own planes",
        "What becomes of your own planes: put back bit for bit, or estimated. A model that only fills in keeps them; "
        "one that also sharpens along z has to estimate them, or their blur would come back.",
        advanced=True,
        unset="As suits the model",
        words={True: ("Put back unchanged", ""), False: ("Let the model estimate them", "")},
    )
    blur: float = declared(
        0.0,
        "Blur",
        "Gaussian blur of the result over 3 x 3 x 3 voxels, its standard deviation in voxels; the paper offers 0.5, "
        "0 is none.",
        low=0.0,
        high=MOST_BLUR,
        advanced=True,
    )
    rgb: RGB = common.rgb()
    defects: Defects = common.defects("keep", "where your own planes are")
    skip_below: float | None = common.skip_below("values between those of your planes, and no uncertainty")
    error_bars: ErrorBars = common.error_bars(_SEVERAL)
    pixels: Pixels = declared(
        "float32",
        "Pixels",
        "Kind of numbers of the result: real numbers, or as the image, which rounds whole numbers.",
        advanced=True,
        words={"float32": ("Real numbers (float32)", ""), "input": ("As the image", "")},
    )
    device: str = common.device()
    block: tuple[int, int, int] | None = common.block()
    batch: int | None = common.batch("Slices")

    def check(self) -> None:
        """Refuse two targets at once, a zoom that nothing can be said of, and a deviation of one sample."""
        if self.zoom is not None and self.target_step is not None:
            raise DiffuscopeError("Both a zoom and a target step are given; give one of them.")
        if self.zoom is not None and not 1 < self.zoom <= MOST_ZOOM:
            raise DiffuscopeError(
                f"The zoom must be more than 1 and at most {MOST_ZOOM}, not {self.zoom:g}; "
                "between planes further apart nothing can be said."
            )
        common.enough_samples(self.mode, self.samples, _SEVERAL)

    @property
    def volumes(self) -> int:
        """How many samples are drawn of each volume."""
        return self.samples if self.mode in _SEVERAL else 1

    @property
    def together(self) -> bool:
        """Whether the two directions share one state."""
        return self.consensus and self.mode != "as-published"
