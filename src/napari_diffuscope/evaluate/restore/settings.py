"""What decides an evaluation of restoration. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate import declared as common
from napari_diffuscope.evaluate.declared import Evaluation, EvaluationSettings
from napari_diffuscope.methods.common_settings import device
from napari_diffuscope.methods.declared import declared

Target = Literal["equal-blur", "sharp"]
Noise = Literal["camera", "scanner"]
Level = Literal["low", "medium", "high", "none"]

STANDARD = "standard"
"""The word for the simulated test set."""

LEVELS: dict[str, float] = {"low": 200.0, "medium": 30.0, "high": 5.0}
"""Photons at the brightest pixel of each level of noise."""

WITHOUT = "none"
"""The level of images without any noise, of as many photons as at low noise: does a model leave alone what is clean?"""

PHOTONS: dict[str, float] = {**LEVELS, WITHOUT: LEVELS["low"]}

NOISES: tuple[str, ...] = get_args(Noise)


@dataclass(frozen=True)
class RestoreEvaluationSettings(EvaluationSettings):
    """What is tested, and how; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared.
    """

    LATER = ("models", "methods", "calibrate", "calibration_images", "device")

    data: tuple[str, ...] = common.data(
        "'standard' (simulated), a folder of clean TIFF images or one of them, or a folder with high/ and low/ of "
        "equal names.",
        (STANDARD,),
    )
    models: tuple[str, ...] = common.models("Name or path; repeat for several. The first is compared.")
    target: Target = declared("equal-blur", "Target", "equal-blur, or sharp (a spot half as wide).")
    noises: tuple[Noise, ...] = declared(
        get_args(Noise), "Noises", "Noise of a camera or a scanner; repeat, both by default.", also=("noise",)
    )
    levels: tuple[Level, ...] = declared(
        tuple(LEVELS),
        "Levels",
        "Low, medium or high noise; repeat, these by default. 'none' tells what a model does to a clean image.",
    )
    methods: tuple[str, ...] | None = declared(
        None, "Methods", "gaussian, median, tv, nlm, bm3d, richardson-lucy; repeat, all by default."
    )
    samples: int = common.samples(15, "Number of samples.")
    steps: int = common.steps(25)
    sampled_crop: int = common.whole(128, "Sampled crop", "Edge in pixels of the part that is sampled.", 16)
    limit: int | None = common.whole(
        None, "Limit", "Most fields of a structure (2 by default), and planes of a file.", 1
    )
    limit_sampled: int = common.whole(
        3,
        "Sampled cases",
        "Sampled cases for each data set, noise and level: one of each group, then the next of each.",
        0,
    )
    seed: int = common.seed("Decides structures, noise and samples.")
    size: int = common.whole(256, "Size", "Edge of a field in pixels.", 16)
    shrink: int = common.whole(2, "Shrink", "Factor by which clean real images are averaged down.", 1)
    adapt: bool = declared(
        False, "Adapt", "Best estimates are of the models adapted to each image, as by restore --adapt."
    )
    mirrored: bool = declared(
        False,
        "Average mirror images",
        "Best estimates are means over mirror images, as by restore --mirrored.",
    )
    calibrate: bool = declared(
        False, "Calibrate", "First fit the scale of the deviation and write it to the models' cards."
    )
    calibration_images: int = common.whole(
        36, "Calibration images", "On how many images; 18 are one of every structure, noise and level.", 1
    )
    device: str = device()

    def check(self) -> None:
        """Refuse an evaluation of nothing."""
        for name in ("noises", "levels"):
            if not getattr(self, name):
                raise DiffuscopeError(f"At least one of the {name} is needed.")

    @property
    def crop(self) -> int:
        """Edge of the part that is sampled."""
        return min(self.sampled_crop, self.size)


RESTORE = Evaluation(
    "restore",
    "Compare models with classical methods on noisy images whose truth is known; stop with Ctrl-C and go on later.",
    RestoreEvaluationSettings,
    findings="napari_diffuscope.evaluate.restore.evaluation:restore_findings",
    report="summary.md",
    former=("restoration",),
)
