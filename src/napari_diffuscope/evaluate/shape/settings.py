"""What decides an evaluation of shapes. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import dataclass

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate import declared as common
from napari_diffuscope.evaluate.declared import Evaluation, EvaluationSettings
from napari_diffuscope.methods.common_settings import device
from napari_diffuscope.methods.declared import declared


@dataclass(frozen=True)
class ShapeEvaluationSettings(EvaluationSettings):
    """What is tested, and how; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared, or do not go together.
    """

    LATER = ("recipe", "one_pass", "models", "kept_out", "only", "steps", "minutes", "classify", "repeats", "trees",
             "resamples", "device")  # fmt: skip

    data: str = common.data("Folder with image, mask and obj: cells whose 3D shape is known.")
    recipe: str | None = declared(None, "Recipe", "TOML file of the network to train anew in every fold.")
    one_pass: bool = declared(
        True,
        "One pass",
        "Also train the network of the recipe as a plain regression, from 2D to 3D in one pass.",
    )
    models: tuple[str, ...] = common.models("Folder that holds models fold-1, fold-2, …; repeat for several.")
    kept_out: bool = declared(
        False,
        "Kept out",
        "No folds: test one model, which --models names, on the cells that its card says were kept out.",
    )
    folds: int = common.whole(5, "Folds", "Number of folds.", 2)
    only: tuple[int, ...] = declared(
        (), "Only", "Train this fold alone and compare later; repeat for several.", low=1, also=("fold",)
    )
    steps: int | None = common.whole(
        None, "Steps", "Steps of each training, instead of what the recipe says.", 1
    )
    minutes: float | None = declared(None, "Minutes", "Or its minutes.", low=0.01)
    samples: int = common.samples(5, "Samples of a cell.")
    sampling_steps: int | None = common.whole(
        None, "Sampling steps", "Network evaluations per sample, instead of the model's own.", 1
    )
    seed: int = common.seed("Of folds, trainings and samples.")
    classify: bool = declared(True, "Classify", "Also classify the cells; needs scikit-learn.")
    repeats: int = common.whole(20, "Repeats", "Repeated splits of the classification.", 2)
    trees: int = common.whole(200, "Trees", "Trees of each forest.", 1)
    resamples: int = common.whole(10_000, "Resamples", "Of the bootstrap.", 1, advanced=True)
    device: str = device()

    def check(self) -> None:
        """Refuse two lengths of a training, a fold that there is not, and an evaluation of nothing."""
        if self.steps is not None and self.minutes is not None:
            raise DiffuscopeError("Give the length of a training in steps or in minutes, not both.")
        if wrong := [fold for fold in self.only if fold > self.folds]:
            raise DiffuscopeError(f"There is no fold {wrong[0]}; there are 1 to {self.folds}.")
        if self.kept_out and (len(self.models) != 1 or self.recipe or self.only):
            raise DiffuscopeError(
                "--kept-out tests one trained model: give its folder with --models, and neither --recipe nor --fold."
            )
        if not self.recipe and not self.models:
            raise DiffuscopeError(
                "Nothing is tested: name a recipe, or folders with the models of the folds."
            )


SHAPE = Evaluation(
    "shape",
    "Cross-validate shapes by cell, against fits and a network of one pass; stop with Ctrl-C and go on later.",
    ShapeEvaluationSettings,
    findings="napari_diffuscope.evaluate.shape.evaluation:shape_findings",
    report="shape.md",
    before="napari_diffuscope.evaluate.shape.evaluation:train_models",
)
