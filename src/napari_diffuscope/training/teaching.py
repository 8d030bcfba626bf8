"""A training on one's own images from the choice to the model among the others, as one job. Free of torch at first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.training.learnable import Learnable, learnable_of
from napari_diffuscope.training.log import earlier_rows
from napari_diffuscope.training.new_model import Learned, NewModel
from napari_diffuscope.training.plans import PATIENCE
from napari_diffuscope.training.recipe import Optimisation, Recipe, read_recipe
from napari_diffuscope.training.run_files import CHECKPOINT, RECIPE_FILE
from napari_diffuscope.training.watching import Ended, Validated, Watch, value_before
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.folders import model_folders, user_folder

Staging = Callable[[Path], Job[Learned]]
"""Puts images into the folder of a training where they are in no file yet, and says what is learned from."""


def trainings_folder() -> Path:
    """Where trainings are kept, beside the user's models."""
    return user_folder().with_name("trainings")


def check_new(name: str, run: Path) -> None:
    """Refuse names that are taken.

    Raises
    ------
    DiffuscopeError
        If there is a model or a training of that name.
    """
    if name in model_folders() or (user_folder() / name).exists():
        raise DiffuscopeError(f"There is a model {name!r} already; give the new one another name.")
    if run.is_dir() and any(run.iterdir()):
        raise DiffuscopeError(
            f"The folder {run} is not empty: Go on with the training in it, or give the new model another name."
        )


def new_model_job(
    what: Learnable,
    chosen: NewModel,
    stage: Staging,
    run: Path,
    *,
    workers: int = 0,
    watch: Watch | None = None,
) -> Job[Ended]:
    """Train a model on a user's images; it is stored among the user's models if it is better than what was begun with.

    Parameters
    ----------
    what, chosen
        What is learned, and how.
    stage
        Gives the images.
    run
        New folder of the training; taken away again where it ends before the first checkpoint.
    workers, watch
        As of :func:`~napari_diffuscope.training.loop.training_job`.

    Raises
    ------
    DiffuscopeError
        For names that are taken, images that do not do, and as the training itself.
    """
    check_new(chosen.name, run)
    try:
        learned = yield from stage(run)
        from napari_diffuscope.training.own_recipe import own_recipe, small_note

        recipe = own_recipe(what, chosen, learned)
        if remark := small_note(what, chosen, learned, recipe.data.patch):
            yield Update(0, 0, remark, warning=True)
        return (yield from _trained(recipe, run, device=chosen.device, workers=workers, watch=watch))
    finally:
        if not (run / CHECKPOINT).exists():  # nothing could be gone on with
            with suppress(OSError):
                rmtree(run)


def further_job(run: Path, chosen: NewModel, *, workers: int = 0, watch: Watch | None = None) -> Job[Ended]:
    """Go on with a training, for longer where it was at its end.

    Parameters
    ----------
    run
        Folder of the training.
    chosen
        How much longer.
    workers, watch
        As of :func:`new_model_job`; rows of the log up to now are told first.

    Raises
    ------
    DiffuscopeError
        If there is nothing to go on with, and as the training itself.
    """
    recipe = resumed_recipe(run, chosen)
    if watch is not None:
        for row in earlier_rows(run):
            watch(Validated(row))
    return (yield from _trained(recipe, run, device=chosen.device, workers=workers, watch=watch, resume=True))


def begun_recipe(run: Path) -> Recipe:
    """The recipe in the folder of a training, as it was begun.

    Raises
    ------
    DiffuscopeError
        If the folder holds no training that can be gone on with.
    """
    if not (run / RECIPE_FILE).is_file() or not (run / CHECKPOINT).is_file():
        raise DiffuscopeError(
            f"There is no training to go on with in {run}: choose a folder that holds {RECIPE_FILE} and {CHECKPOINT}."
        )
    return read_recipe(run / RECIPE_FILE)


def resumed_recipe(run: Path, chosen: NewModel) -> Recipe:
    """The recipe in the folder of a training, longer where that was at its end.

    Raises
    ------
    DiffuscopeError
        As :func:`begun_recipe`.
    """
    recipe = begun_recipe(run)
    plan, rows = recipe.optimisation, earlier_rows(run)
    if not rows or not _is_over(plan, rows, learnable_of(recipe.data.kind)):
        return recipe
    done, seconds = int(rows[-1]["step"]), rows[-1]["seconds"]
    longer = replace(plan, patience=plan.patience + PATIENCE if plan.patience else 0)
    if plan.time_budget_minutes is None:
        longer = replace(longer, steps=done + chosen.steps)
    else:
        longer = replace(longer, time_budget_minutes=seconds / 60 + chosen.minutes)
    return replace(recipe, optimisation=longer)


def _is_over(plan: Optimisation, rows: Sequence[Mapping[str, float]], what: Learnable) -> bool:
    """Whether a training has had its steps, its time, or its patience."""
    last, budget = rows[-1], plan.time_budget_minutes
    if (last["step"] >= plan.steps) if budget is None else (last["seconds"] >= 60 * budget):
        return True
    best, waited = float("-inf"), 0
    for row in rows:
        value = row.get(f"validation_{what.measured.column}", float("nan"))
        best, waited = (value, 0) if value > best + plan.min_gain else (best, waited + 1)
    return 0 < plan.patience <= waited


def _trained(
    recipe: Recipe, run: Path, *, device: str, workers: int, watch: Watch | None, resume: bool = False
) -> Job[Ended]:
    from napari_diffuscope.methods.device import choose_device
    from napari_diffuscope.training.loop import training_job
    from napari_diffuscope.training.result import is_better, is_of

    what, out = learnable_of(recipe.data.kind), user_folder() / recipe.name
    start = "" if recipe.start_from is None else read_card(find_model(recipe.start_from)).title
    card = yield from training_job(
        recipe,
        run,
        out,
        resume=resume,
        overwrite=resume and is_of(out, recipe),
        device=choose_device(device),
        workers=workers,
        only_better=True,
        watch=watch,
    )
    measured = what.measured
    return Ended(
        recipe.name,
        is_better(card, measured.column),
        float(card.metrics[f"validation_{measured.column}"]),
        value_before(earlier_rows(run), measured),
        start,
    )
