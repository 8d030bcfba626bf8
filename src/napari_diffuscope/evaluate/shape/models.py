"""The models of the folds: each was trained without the cells that it is tested on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.shape.settings import ShapeEvaluationSettings
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.recipe import Recipe, read_recipe
from napari_diffuscope.training.result import without_folders
from napari_diffuscope.training.run_files import CHECKPOINT
from napari_diffuscope.training.shape.cells import KnownCell, folds_of
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, read_card
from napari_diffuscope.weights.model import model_place

ONE_PASS = "-one-pass"


@dataclass(frozen=True)
class Contender:
    """A kind of model with one model for each fold.

    Parameters
    ----------
    label
        Its name in tables.
    folder
        Holds ``fold-1``, ``fold-2``, ….
    recipe
        What trains it, or ``None`` where the models are given.
    single
        Whether the folder is that of the one model.
    """

    label: str
    folder: Path
    recipe: Recipe | None = None
    single: bool = False

    def place(self, fold: int) -> Path:
        """Model folder of a fold."""
        return self.folder if self.single else self.folder / f"fold-{fold}"

    def card(self, fold: int) -> ModelCard:
        """Card of the model of a fold."""
        return read_card(self.place(fold))


def contenders(settings: ShapeEvaluationSettings, out: Path) -> tuple[Contender, ...]:
    """All kinds of models of an evaluation; the first is the one that is compared.

    Raises
    ------
    DiffuscopeError
        For a recipe that is none for shapes, or two kinds of one name.
    """
    kinds = []
    if settings.recipe:
        recipe = read_recipe(Path(settings.recipe))
        if recipe.data.kind != "shapes":
            raise DiffuscopeError(
                f'{settings.recipe} is no recipe for shapes: its [data] has no kind = "shapes".'
            )
        kinds.append(Contender(recipe.name, out / "models" / recipe.name, recipe))
        if settings.one_pass and recipe.diffusion.highest_share < 1:
            name = recipe.name + ONE_PASS
            plain = replace(recipe, name=name, diffusion=replace(recipe.diffusion, highest_share=1.0))
            kinds.append(Contender(name, out / "models" / name, plain))
    kinds += [given(place, settings) for place in settings.models]
    labels = [kind.label for kind in kinds]
    if doubled := [label for label in labels if labels.count(label) > 1]:
        raise DiffuscopeError(f"Two kinds of models are called {doubled[0]}; rename a folder or a recipe.")
    return tuple(kinds)


def given(place: str, settings: ShapeEvaluationSettings) -> Contender:
    """Models that were trained before: a folder with one for each fold, or the one whose kept-out cells are tested."""
    folder = model_place(place) if settings.kept_out else Path(place)
    return Contender(folder.resolve().name, folder, single=settings.kept_out)


def fold_count(settings: ShapeEvaluationSettings) -> int:
    """Number of models of each kind."""
    return 1 if settings.kept_out else settings.folds


def split(
    cells: Sequence[KnownCell], kinds: Sequence[Contender], settings: ShapeEvaluationSettings
) -> dict[str, int]:
    """Number of the fold, from 1, whose model is tested on each cell; 0 for cells that none is tested on.

    Raises
    ------
    DiffuscopeError
        If there are more folds than cells, or none of the cells was kept out of the one model.
    """
    names = [cell.name for cell in cells]
    if not settings.kept_out:
        return folds_of(names, settings.folds, seed=settings.seed)
    kept = set(kinds[0].card(1).training.get("kept_out", ()))
    if not kept & set(names) or kept >= set(names):
        raise DiffuscopeError(
            f"The card of {kinds[0].label} must name some of the cells in {settings.data} as kept out, and not all: "
            "fits are tuned on the others."
        )
    return {name: int(name in kept) for name in names}


def fold_recipe(recipe: Recipe, fold: int, settings: ShapeEvaluationSettings) -> Recipe:
    """The recipe of a fold: which cells are kept out, and how long it is trained."""
    plan = replace(recipe.optimisation, seed=settings.seed)
    if settings.steps is not None:
        plan = replace(plan, steps=settings.steps, time_budget_minutes=None)
    if settings.minutes is not None:
        plan = replace(plan, time_budget_minutes=settings.minutes)
    data = replace(recipe.data, folder=str(Path(settings.data).resolve()), fold=(fold, settings.folds))
    return replace(recipe, name=f"{recipe.name}-fold-{fold}", data=data, optimisation=plan)


def train_folds(contender: Contender, settings: ShapeEvaluationSettings, out: Path) -> Job[None]:
    """Train the models of a kind that are not there yet; a training that was interrupted goes on.

    Raises
    ------
    DiffuscopeError
        If a folder holds a model of another training, or another process trains the same fold.
    """
    assert contender.recipe is not None
    for fold in settings.only or range(1, settings.folds + 1):
        recipe = fold_recipe(contender.recipe, fold, settings)
        if (contender.place(fold) / CARD_FILE).is_file():
            _check_same(contender, fold, recipe)
            continue
        run = out / "runs" / contender.label / f"fold-{fold}"
        for update in _training(recipe, run, contender.place(fold), settings.device):
            yield replace(update, message=f"{recipe.name} {update.message}".strip())


def _training(recipe: Recipe, run: Path, place: Path, device: str) -> Job[None]:
    resume = (run / CHECKPOINT).exists()
    yield from training_job(recipe, run, place, resume=resume, device=choose_device(device), workers=0)


def _check_same(contender: Contender, fold: int, recipe: Recipe) -> None:
    made, wanted = contender.card(fold).training.get("recipe"), without_folders(recipe.to_dict())
    for part in ("network", "data", "diffusion", "optimisation"):
        if not isinstance(made, Mapping) or _plain(made.get(part)) != _plain(wanted[part]):
            raise DiffuscopeError(
                f"{contender.place(fold)} was trained by a recipe with another [{part}]; name another folder for this "
                "evaluation."
            )


def _plain(value: object) -> object:
    """As JSON gives it back."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def check_unseen(contender: Contender, fold: int, names: Collection[str]) -> None:
    """Refuse a model that may have seen the cells it is tested on.

    Raises
    ------
    DiffuscopeError
        If there is no model, it is of another task, or its card does not say that it never saw them.
    """
    card = contender.card(fold)
    if card.task != "shape":
        raise DiffuscopeError(f"{contender.place(fold)} is a model for {card.task}, not for shapes.")
    if seen := sorted(set(names) - set(card.training.get("kept_out", ()))):
        raise DiffuscopeError(
            f"{contender.place(fold)} is tested on cells that its training did not keep out, {seen[0]} first; train "
            f"it with fold = [{fold}, n] and the seed of this evaluation."
        )


def pending(contender: Contender, settings: ShapeEvaluationSettings) -> list[int]:
    """Folds without a model."""
    folds = range(1, fold_count(settings) + 1)
    return [fold for fold in folds if not (contender.place(fold) / CARD_FILE).is_file()]
