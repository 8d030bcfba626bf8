"""What is chosen of a training beside its recipe. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, declared
from napari_diffuscope.methods.restore.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from napari_diffuscope.training.recipe import Recipe

NOTHING = "nothing"
"""Names the model to begin with where there is none."""


@dataclass(frozen=True)
class TrainSettings(Settings):
    """What a recipe leaves to whoever trains with it, or is to be otherwise this time.

    Raises
    ------
    DiffuscopeError
        For a name that cannot be that of a folder.
    """

    name: str | None = declared(
        None, "Name", "Of the new model, where it is trained on pairs.", check=lambda name: _folder_name(name)
    )
    start_from: str | None = declared(
        None,
        "Begin with",
        f"Model to begin with, or '{NOTHING}'; on pairs {DEFAULT_MODEL} by default, else as the recipe says.",
        also=("from",),
    )
    steps: int | None = declared(
        None, "Steps", "Number of steps, instead of the recipe's.", low=1, unset="as the recipe says"
    )
    device: str = common.device()
    threads: int | None = declared(
        None,
        "Threads",
        "Threads of the processor. Where the number of steps is given, the same number makes the same weights.",
        low=1,
        high=4096,
        unset="all",
        decides=False,
    )
    workers: int = declared(1, "Workers", "Processes that simulate the batches.", low=0, decides=False)

    def check_one_of(self, file: Path | None, pairs: Path | None) -> None:
        """Refuse what is neither a recipe nor a folder of pairs with a name for the model.

        Raises
        ------
        DiffuscopeError
            If so, or if both are given.
        """
        if (file is None) == (pairs is None):
            raise DiffuscopeError("Give either a recipe, or a folder of pairs with --pairs.")
        if pairs is not None and self.name is None:
            raise DiffuscopeError("--pairs needs a --name for the new model.")

    def recipe(self, file: Path | None, pairs: Path | None) -> Recipe:
        """The recipe of a file or for a folder of pairs, with what was chosen.

        Raises
        ------
        DiffuscopeError
            As :meth:`check_one_of`, and if the recipe cannot be read.
        """
        self.check_one_of(file, pairs)
        from napari_diffuscope.training.recipe import read_recipe

        recipe = self._of_pairs(pairs) if pairs is not None else read_recipe(Path(str(file)))
        if pairs is None and self.start_from is not None:
            recipe = replace(recipe, start_from=self._start())
        if self.steps is not None:
            recipe = replace(recipe, optimisation=replace(recipe.optimisation, steps=self.steps))
        return recipe

    def _of_pairs(self, pairs: Path) -> Recipe:
        from napari_diffuscope.training.defaults import pairs_recipe

        return pairs_recipe(pairs, str(self.name), start_from=self._start(DEFAULT_MODEL))

    def _start(self, default: str | None = None) -> str | None:
        """Model to begin with; a path is one wherever the training is gone on with."""
        start = self.start_from or default
        if start is not None and Path(start).exists():
            return str(Path(start).resolve())
        return None if start == NOTHING else start


def _folder_name(name: object) -> str:
    if not isinstance(name, str) or not name or Path(name).name != name or name.startswith("."):
        raise DiffuscopeError(f"--name {name!r} cannot be the name of a folder.")
    return name
