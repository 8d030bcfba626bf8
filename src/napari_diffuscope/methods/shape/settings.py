"""What a user chooses for the prediction of shapes: one set of defaults for all. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, declared

ShapeMode = Literal["estimate", "sample", "ensemble", "as-published"]
SHAPE_MODES: tuple[ShapeMode, ...] = get_args(ShapeMode)
ShapeSolver = Literal["ancestral", "dpm-solver++", "ddim", "ancestral-mean"]
Threshold = Literal["model", "half", "otsu"]
WindowKind = Literal["cell", "plane"]
ShapeDefects = Literal["bridge", "ignore"]

DEFAULT_SHAPE_MODEL = "shape-red-blood-cells"

_MODE_WORDS = {
    "estimate": (
        "Best estimate",
        "At every voxel how probable it is that the cell is there. The most accurate answer, and the fastest; "
        "details that the image does not tell are smooth.",
    ),
    "sample": (
        "One sample",
        "One plausible shape. What the image does not tell is made up: another seed makes other shapes.",
    ),
    "ensemble": (
        "Mean of samples + spread",
        "Draws several plausible shapes: their mean at every voxel, and how much each feature varies among them.",
    ),
    "as-published": (
        "As published",
        "With the sampler and the number of steps of the model's paper. Slow, hours for each cell.",
    ),
}


@dataclass(frozen=True)
class ShapeSettings(Settings):
    """Everything that decides the numbers of a prediction of shapes, and how it is computed; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared, or do not go together.

    References
    ----------
    Waibel et al., ISBI 2023 (arXiv 2208.14125).
    """

    model: str = common.model(DEFAULT_SHAPE_MODEL)
    mode: ShapeMode = declared("estimate", "Mode", common.MODE_HELP, words=_MODE_WORDS)
    samples: int = common.samples(5, "shapes of each cell", ("ensemble", "as-published"))
    steps: int | None = common.steps(("sample", "ensemble"))
    solver: ShapeSolver | None = declared(
        None,
        "Solver",
        "The way to the answer; ancestral-mean and ddim for estimates, all but ancestral-mean for samples. The model's "
        "own is fast and good.",
        advanced=True,
        unset="The model's own",
        words={
            "ancestral": ("Ancestral", ""),
            "dpm-solver++": ("DPM-Solver++", ""),
            "ddim": ("DDIM", ""),
            "ancestral-mean": ("Ancestral, without noise", ""),
        },
    )
    seed: int = common.seed(("sample", "ensemble", "as-published"))
    threshold: Threshold = declared(
        "model",
        "Threshold",
        "From which probability on a voxel belongs to the cell. The model's own overlapped best with the cells that it "
        "learned from.",
        advanced=True,
        words={
            "model": ("The model's own", ""),
            "half": ("One half", ""),
            "otsu": ("By Otsu's method", ""),
        },
    )
    largest: bool = declared(
        True, "Keep the largest piece alone", "Leave out pieces that are not connected.", advanced=True
    )
    match_mask: bool = declared(
        False,
        "Middle plane as outlined",
        "Make the plane of the image equal to the outline. How far they agree by themselves is told in any case.",
        advanced=True,
    )
    anyway: bool = declared(
        False,
        "Try refused cells",
        "Also predict cells at the border, tiny, huge, hollow or in pieces. Do not trust their shapes.",
        advanced=True,
    )
    window: WindowKind = declared(
        "cell",
        "Window",
        "What the model sees: cell, around each cell; plane, the whole image, unchanged, for data that was cut out for "
        "such models.",
        advanced=True,
        words={"cell": ("Around each cell", ""), "plane": ("The whole image", "")},
    )
    plane: int | None = declared(
        None,
        "Plane",
        "Which plane of the image, counted from 0, where it has several.",
        low=0,
        high=2**62,
        hidden=True,
    )
    pixel_size: float | None = common.pixel_size()
    defects: ShapeDefects = common.defects("bridge")
    device: str = common.device()
    batch: int | None = common.batch("Samples")

    def check(self) -> None:
        """Refuse solvers that do not fit the mode, and a spread of one sample."""
        if self.solver == "ancestral-mean" and self.mode in ("sample", "ensemble"):
            raise DiffuscopeError(
                "The solver 'ancestral-mean' stays at the estimate and draws no samples; choose the mode "
                "'estimate' or another solver."
            )
        if self.solver in ("ancestral", "dpm-solver++") and self.mode == "estimate":
            raise DiffuscopeError(
                f"The solver {self.solver!r} draws samples and gives no estimate; choose another mode or solver."
            )
        if self.solver is not None and self.mode == "as-published":
            raise DiffuscopeError("The mode 'as-published' has its own solver; leave the solver out.")
        common.enough_samples(self.mode, self.samples, ("ensemble",))

    @property
    def draws(self) -> int:
        """How many results are computed for every cell."""
        return self.samples if self.mode in ("ensemble", "as-published") else 1
