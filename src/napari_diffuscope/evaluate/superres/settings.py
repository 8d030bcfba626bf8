"""What decides an evaluation of super-resolution. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.evaluate import declared as common
from napari_diffuscope.evaluate.declared import Evaluation, EvaluationSettings
from napari_diffuscope.methods.checks import is_whole, listed
from napari_diffuscope.methods.common_settings import device, parse_planes
from napari_diffuscope.methods.declared import Text, declared
from napari_diffuscope.methods.superres.settings import MOST_ZOOM

Variant = Literal["estimate", "sample", "sample-averaged", "two-samples", "mean", "as-published"]


def _first_and_end(text: str) -> tuple[int, int]:
    numbers = parse_planes(text)
    return min(numbers), max(numbers) + 1


def _checked_ends(value: Any) -> tuple[int, ...]:
    ends = listed(value)
    if ends is None or len(ends) != 2 or not all(map(is_whole, ends)):
        raise DiffuscopeError(
            f"The planes need two whole numbers, the first and the one after the last, not {quoted(value)}."
        )
    return tuple(map(int, ends))


@dataclass(frozen=True)
class SuperresEvaluationSettings(EvaluationSettings):
    """What is tested, and how; each is declared here.

    Notes
    -----
    Variants: ``estimate``: one evaluation per slice, both directions averaged. ``sample``: with consensus after every
    step. ``sample-averaged``: two independent chains, averaged at the end, at equal evaluations. ``two-samples``: the
    mean of two samples with consensus and half the steps each, at equal evaluations. ``mean``: of ``samples`` samples.
    ``as-published``: the paper's sampler, where the model has one.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared.
    """

    LATER = ("models", "variants", "factors", "device")

    data: str = common.data("Volume with equal voxels, whose planes are all known.")
    models: tuple[str, ...] = common.models()
    variants: tuple[Variant, ...] = declared(
        ("estimate", "sample", "sample-averaged"),
        "Variants",
        "How models are used; repeat; estimate, sample and sample-averaged by default.",
    )
    factors: tuple[int, ...] = declared(
        (2, 4, 8),
        "Factors",
        "Every so many planes are kept; repeat; 2, 4 and 8 by default.",
        low=2,
        high=MOST_ZOOM,
    )
    planes: tuple[int, int] | None = declared(
        None,
        "Planes",
        "Planes A to B - 1 of the volume; all by default.",
        check=_checked_ends,
        text=Text("A:B", _first_and_end, lambda ends: "{}:{}".format(*ends)),
    )
    size: int = common.whole(128, "Size", "Edge in pixels of the middle part that is used.", 16)
    steps: int = common.steps(10)
    samples: int = common.samples(4, "Number of samples of a mean.")
    seed: int = common.seed("Seed of the samples.")
    patch: int = common.whole(32, "Patch", "Edge of the patches whose distribution is compared.", 20)
    axial_fwhm: float = declared(
        0.0,
        "Axial blur",
        "Blur along z before planes are taken away: full width at half maximum in pixels.",
        low=0.0,
    )
    noise: float = declared(
        0.0, "Noise", "Noise on the planes that are kept, as a share of the range.", low=0.0
    )
    device: str = device()

    def check(self) -> None:
        """Refuse an evaluation of nothing."""
        if not self.factors:
            raise DiffuscopeError("At least one of the factors is needed.")


SUPERRES = Evaluation(
    "superres",
    "Take planes away from a volume and compare how models and classical methods put them back.",
    SuperresEvaluationSettings,
    findings="napari_diffuscope.evaluate.superres.evaluation:superres_findings",
    report="superres.md",
)
