"""What decides an evaluation of shapes. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError

_NOT_OF_THE_ROWS = (
    "recipe",
    "one_pass",
    "models",
    "only",
    "steps",
    "minutes",
    "classify",
    "repeats",
    "trees",
    "resamples",
    "device",
)


@dataclass(frozen=True)
class ShapeEvaluationSettings:
    """What is tested, and how.

    Parameters
    ----------
    data
        Folder with ``image``, ``mask`` and ``obj``, as for training.
    recipe
        TOML file of the network that is trained anew in every fold; empty for given models alone.
    one_pass
        Whether the same network is also trained as a plain regression, from 2D to 3D in one pass.
    models
        Folders with ``fold-1``, ``fold-2``, …: a model each, trained on the other folds.
    folds
        Number of folds.
    only
        Folds to train now; the others are left to later runs, and nothing is compared. Empty for all.
    steps, minutes
        How long each is trained, instead of what the recipe says; one of the two.
    samples, sampling_steps
        Number of samples of a cell, and network evaluations of each (``None``: the model's own).
    seed
        Of the folds, the trainings and the samples.
    classify, repeats, trees
        Whether cells are classified too, in how many repeated splits, and by how many trees.
    resamples
        Of the bootstrap.
    device
        Where networks run.
    """

    data: str
    recipe: str = ""
    one_pass: bool = True
    models: tuple[str, ...] = ()
    folds: int = 5
    only: tuple[int, ...] = ()
    steps: int | None = None
    minutes: float | None = None
    samples: int = 5
    sampling_steps: int | None = None
    seed: int = 0
    classify: bool = True
    repeats: int = 20
    trees: int = 200
    resamples: int = 10_000
    device: str = "auto"

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("samples", 2), ("seed", 0), ("repeats", 2), ("trees", 1)):
            if getattr(self, name) < least:
                raise DiffuscopeError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if self.steps is not None and self.minutes is not None:
            raise DiffuscopeError("Give the length of a training in steps or in minutes, not both.")
        if wrong := [fold for fold in self.only if not 1 <= fold <= self.folds]:
            raise DiffuscopeError(f"There is no fold {wrong[0]}; there are 1 to {self.folds}.")
        if not self.recipe and not self.models:
            raise DiffuscopeError(
                "Nothing is tested: name a recipe, or folders with the models of the folds."
            )

    def of_the_rows(self) -> dict[str, Any]:
        """What every row of the table depends on, as JSON knows it."""
        return {name: value for name, value in asdict(self).items() if name not in _NOT_OF_THE_ROWS}
