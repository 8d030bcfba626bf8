"""The training loop, as a job: it yields updates and returns the card of the finished model."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.memory import is_out_of_memory
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.training.compiling import ready_to_train, uncompiled_note
from napari_diffuscope.training.kinds import task_of
from napari_diffuscope.training.log import add_row, cut_back
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.phases import Phases
from napari_diffuscope.training.place import recipe_stays, training_in
from napari_diffuscope.training.precision import choose_precision
from napari_diffuscope.training.processes import Processes, processes
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.recipe_file import write_recipe
from napari_diffuscope.training.result import circumstances, finished_card, is_better, write_model
from napari_diffuscope.training.run_files import RECIPE_FILE
from napari_diffuscope.training.start import starting_network
from napari_diffuscope.training.state import State
from napari_diffuscope.training.step import Training, check, is_finished, train_step
from napari_diffuscope.training.task import Arrays, Task, Tensors
from napari_diffuscope.training.watching import Watch
from napari_diffuscope.weights.card import ModelCard, NetworkSpec
from napari_diffuscope.weights.folder import build_network


def training_job(
    recipe: Recipe,
    run: Path,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    device: str = "cpu",
    workers: int = 1,
    only_better: bool = False,
    watch: Watch | None = None,
) -> Job[ModelCard]:
    """Train a model from a recipe, or go on from its last checkpoint.

    Closing the job leaves a checkpoint. In each of several processes that ``torchrun`` started, it works on its
    part of every batch; the first one alone writes files.

    Parameters
    ----------
    recipe
        What to do.
    run
        Folder for the recipe, the checkpoint, the log and the simulated specimens.
    out
        Model folder to write at the end.
    resume
        Go on from the checkpoint in ``run``: the same curve as without the interruption.
    overwrite
        Whether an existing model folder is replaced, at the end.
    device
        Where to train; ``cuda`` takes one GPU per process.
    workers
        Processes that make batches; 0 makes them in between.
    only_better
        Whether no model is written that is no better than what it began with; :func:`is_better` tells of its card.
    watch
        Is told of every validation, in the thread of the job.

    Raises
    ------
    DiffuscopeError
        For folders that hold something else, images that cannot be read, a full disk, too little memory, or a loss
        that is no number; the last checkpoint is kept.
    """
    with ExitStack() as stack:
        group = stack.enter_context(processes(device))
        if group.first:
            stack.enter_context(training_in(recipe, run, out, resume=resume, overwrite=overwrite))
        spec = trained_network(recipe)
        torch.manual_seed(recipe.optimisation.seed)
        network = starting_network(recipe, spec) if not resume else build_network(spec)
        state = State.fresh(network.to(group.device).train(), recipe.optimisation)
        if resume:
            state.restore(run, recipe)
        yield Update(0, 0, "Preparing images")
        task = _prepared(recipe, run, group)
        if group.first:
            _begin(recipe, run, state.step, resume=resume)
        for note in task.notes:
            yield Update(0, 0, note, warning=True)
        yield Update(0, 0, "Measuring on the images that are kept out" if state.step == 0 else "Going on")
        made = yield from train(
            task,
            recipe,
            state,
            spec,
            run,
            out,
            overwrite=overwrite,
            group=group,
            workers=workers,
            only_better=only_better,
            watch=watch,
        )
        return made


def _begin(recipe: Recipe, run: Path, step: int, *, resume: bool) -> None:
    if recipe_stays(run / RECIPE_FILE, recipe) is False or not (run / RECIPE_FILE).exists():
        write_recipe(run / RECIPE_FILE, recipe)
    cut_back(run, step if resume else -1)


def _prepared(recipe: Recipe, run: Path, group: Processes) -> Task:
    """The task; the first process prepares alone what the others then find."""
    if not group.first:
        group.wait()
    with _foreseen(recipe, group):
        task = task_of(recipe, run, group.device)
    if group.first:
        group.wait()
    return task


def train(
    task: Task,
    recipe: Recipe,
    state: State,
    spec: NetworkSpec,
    run: Path,
    out: Path,
    *,
    group: Processes,
    overwrite: bool = False,
    workers: int = 1,
    phases: Phases | None = None,
    only_better: bool = False,
    watch: Watch | None = None,
) -> Job[ModelCard]:
    """Train whatever a task says, from a state on.

    Parameters
    ----------
    task
        What is trained.
    recipe
        How.
    state
        Where to begin.
    spec
        The network, for the card.
    run, out, overwrite, workers, only_better, watch
        As in :func:`training_job`.
    group
        This process among all.
    phases
        Is told where the time goes.
    """
    plan = recipe.optimisation
    torch.set_flush_denormal(True)  # vanishing gradients would cost a third of the time on a CPU
    training = Training(
        task=task,
        recipe=recipe,
        state=state,
        network=group.wrap(ready_to_train(state.network, plan, group)),
        group=group,
        part=group.part(plan.batch),
        precision=choose_precision(plan.precision, group.device),
        run=run,
        phases=phases or Phases(group.device),
        watch=watch,
    )
    with _foreseen(recipe, group):
        yield from _steps(training, workers)
        averaged = state.averaged
        if plan.patience and state.best.weights:
            averaged.load_state_dict(state.best.weights)
            state.measures = task.validate(averaged)
        card = finished_card(task, recipe, state, spec=spec, made=circumstances(group, training))
        if not group.first or (only_better and not is_better(card, task.measure)):
            return card
        return write_model(out, card, task, averaged, overwrite=overwrite)


def _steps(training: Training, workers: int) -> Job[None]:
    """All steps, with validation and checkpoints; closing it in between leaves a checkpoint."""
    state = training.state
    if is_finished(training) or _waited_enough(training):
        return
    if state.step == 0 and training.recipe.start_from is not None:
        yield training.update(_validate(training))  # what it began with
    began = time.perf_counter()
    first = True
    try:
        for batch in _batches(training, workers):
            train_step(training, batch)
            state.seconds += time.perf_counter() - began
            if first and (note := uncompiled_note(training.network)):
                yield Update(0, 0, note, warning=True)
            first = False
            last = is_finished(training)
            validating, writing = training.due()
            if last or validating:
                yield training.update(_validate(training))
                last = last or _waited_enough(training)
            if last or writing:
                _checkpoint(training)
            yield training.update()
            if last:
                return
            began = time.perf_counter()
    except GeneratorExit:
        if training.group.world == 1:  # several would have to agree on the step
            _checkpoint(training)
        raise


def _waited_enough(training: Training) -> bool:
    patience = training.recipe.optimisation.patience
    waited = training.group.told(training.state.best.waited)
    return 0 < patience <= waited


def _validate(training: Training) -> str:
    """Validate the averaged network, add a row to the log, and say so in a few words."""
    state, plan, task = training.state, training.recipe.optimisation, training.task
    check(state)
    total = training.group.total(state.losses.clone())
    loss = float(total[0]) / state.counted if state.counted else math.nan
    state.losses.zero_()
    state.counted = 0
    if training.group.first:
        state.measures = task.validate(state.averaged)
        value = state.measures[task.measure]
        if plan.patience:
            state.best.see(value, state.step, state.averaged, min_gain=plan.min_gain)
        measures = {f"validation_{name}": measure for name, measure in state.measures.items()}
        row = {"step": state.step, "loss": loss, **measures, **_pace(training)}
        add_row(training.run, row)
        training.tell(row)
        before = "before the first step" if math.isnan(loss) else f"loss {loss:.3f}"
        return f"{before}, validation {task.measure.replace('_', ' ')} {value:.2f}"
    return ""


def _pace(training: Training) -> dict[str, float]:
    """Learning rate of the last step, time of training; images per second and share of waiting since the last row."""
    state, plan = training.state, training.recipe.optimisation
    step, seconds = training.since
    training.since = (state.step, state.seconds)
    waited = training.phases.since(training.before)["batches"]
    training.before = dict(training.phases.seconds)
    return {
        "learning_rate": state.optimiser.param_groups[0]["lr"],
        "seconds": state.seconds,
        "images_per_second": (state.step - step) * plan.batch / max(state.seconds - seconds, 1e-9),
        "waiting_share": waited / max(state.seconds - seconds, 1e-9),
    }


def _checkpoint(training: Training) -> None:
    state, group = training.state, training.group
    check(state)
    if group.world > 1:  # the first process keeps the sum for all
        total = group.total(state.losses.clone())
        state.losses = total if group.first else torch.zeros_like(total)
    if group.first:
        state.save(training.run, training.recipe)


def _batches(training: Training, workers: int) -> Iterator[Tensors]:
    """This process's part of each batch from the present step on, on its device."""
    device, state = training.group.device, training.state
    last = training.recipe.optimisation.steps if training.budget is None else 1 << 62
    loader: DataLoader[Arrays] = DataLoader(
        training.task.batches(training.part),
        batch_size=None,
        sampler=range(state.step, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        pin_memory=device.type == "cuda",
    )
    made, phases = iter(loader), training.phases
    while True:
        with phases("batches"):
            arrays = next(made, None)
        if arrays is None:
            return
        with phases("copies"):
            batch = tuple(torch.as_tensor(a).to(device, non_blocking=True).float() for a in arrays)
        with phases("noise"):
            batch = training.task.ready(batch)
        yield batch


@contextmanager
def _foreseen(recipe: Recipe, group: Processes) -> Iterator[None]:
    """Memory that runs out, and processes that are killed, in one sentence."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, BrokenProcessPool) or "DataLoader worker" in str(error):
            raise DiffuscopeError(
                "A process that makes the batches was ended from outside, most often for want of memory; the last "
                "checkpoint, if any, is kept: go on with --resume, and with fewer --workers if it happens again."
            ) from error
        if not is_out_of_memory(error):
            raise
        raise DiffuscopeError(
            f"A batch of {recipe.optimisation.batch} patches of {recipe.data.patch} pixels does not fit into the "
            f"memory of {group.device}; make the batch or the patch smaller (the last checkpoint, if any, is kept)."
        ) from error
