"""What is chosen of a training beside its recipe. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, declared
from napari_diffuscope.methods.restore.settings import DEFAULT_MODEL
from napari_diffuscope.training.learnable import LEARNABLES
from napari_diffuscope.training.plans import in_minutes

if TYPE_CHECKING:
    from napari_diffuscope.training.recipe import Recipe

OF_IMAGES = [each for each in LEARNABLES.values() if each.material != "pairs"]

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
        None, "Name", "Of the new model, where there is no recipe.", check=lambda name: _folder_name(name)
    )
    start_from: str | None = declared(
        None,
        "Begin with",
        f"Model to begin with, or '{NOTHING}'; on pairs {DEFAULT_MODEL} by default, on images the starter that fits, "
        "else as the recipe says.",
        also=("from",),
    )
    learn: Literal["denoise", "superres", "generate", "shape"] | None = declared(
        None,
        "Learn",
        f"What is learned from --images: {', '.join(f'{each.name} ({each.title})' for each in OF_IMAGES)}.",
        unset="as the recipe says",
    )
    minutes: float | None = declared(
        None,
        "Minutes",
        "Time to train, validation aside, instead of a number of steps.",
        low=0.05,
        high=100_000,
        unset="as the recipe says",
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

    def check_one_of(self, file: Path | None, pairs: Path | None, images: Path | None = None) -> None:
        """Refuse what is neither a recipe, nor images with a name for the model and what is to be learned.

        Raises
        ------
        DiffuscopeError
            If so, or if several are given.
        """
        if sum(place is not None for place in (file, pairs, images)) != 1:
            raise DiffuscopeError(
                "Give either a recipe, or a folder of pairs with --pairs, or one of images with --images."
            )
        if file is None and self.name is None:
            raise DiffuscopeError("--pairs and --images need a --name for the new model.")
        if (images is None) != (self.learn is None):
            raise DiffuscopeError("--images and --learn go together: images, and what is learned from them.")
        if self.steps is not None and self.minutes is not None:
            raise DiffuscopeError("Give either --steps or --minutes.")

    def recipe(self, file: Path | None, pairs: Path | None, images: Path | None = None) -> Recipe:
        """The recipe of a file or for a folder of pairs or images, with what was chosen.

        Raises
        ------
        DiffuscopeError
            As :meth:`check_one_of`, and if the recipe cannot be read.
        """
        self.check_one_of(file, pairs, images)
        if images is not None:
            return self._of_images(images)
        from napari_diffuscope.training.recipe import read_recipe

        recipe = self._of_pairs(pairs) if pairs is not None else read_recipe(Path(str(file)))
        if pairs is None and self.start_from is not None:
            recipe = replace(recipe, start_from=self._start())
        if self.minutes is not None:
            recipe = replace(recipe, optimisation=in_minutes(recipe.optimisation, self.minutes))
        if self.steps is not None:
            recipe = replace(recipe, optimisation=replace(recipe.optimisation, steps=self.steps))
        return recipe

    def _of_images(self, images: Path) -> Recipe:
        from napari_diffuscope.training.new_model import Learned, NewModel
        from napari_diffuscope.training.own_recipe import own_recipe

        what = LEARNABLES[str(self.learn)]
        chosen = NewModel(name=str(self.name), until="minutes" if self.steps is None else "steps")
        if self.minutes is not None:
            chosen = replace(chosen, minutes=self.minutes)
        if self.steps is not None:
            chosen = replace(chosen, steps=self.steps)
        return own_recipe(what, chosen, Learned((images,), self._start(what.starter or None)))

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
