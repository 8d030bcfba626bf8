"""The training loop, as a job: it yields updates and returns the card of the finished model."""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.clean import TRAINING, VALIDATION, real_images, simulated_images
from napari_diffuscope.training.objective import denoising_loss, draw_times
from napari_diffuscope.training.pairs import Batch, CleanPool, DenoisingBatches, to_batch
from napari_diffuscope.training.recipe import Recipe
from napari_diffuscope.training.state import State, rate_at
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import write_folder

LOG = "log.csv"


@dataclass(frozen=True)
class Batches:
    """Training batches by number, and a fixed set for validation."""

    training: DenoisingBatches
    validation: tuple[Batch, ...]


def prepare(recipe: Recipe, run: Path, device: torch.device) -> Batches:
    """Simulate and read the clean images of a recipe."""
    data, plan = recipe.data, recipe.optimisation
    simulated = simulated_images(
        data, seed=plan.seed, purpose=TRAINING, count=data.simulated, cache=run / "specimens.npy"
    )
    real = [
        (plane, source.weight) for source in data.images for plane in real_images(source, smallest=data.patch)
    ]
    share = data.simulated_share if real else 1.0
    pool = CleanPool(
        simulated,
        [r[0] for r in real],
        [r[1] for r in real],
        share,
        texture_share=data.texture_share,
        shrunk_share=data.shrunk_share,
    )
    kept = simulated_images(data, seed=plan.seed, purpose=VALIDATION, count=data.validation)
    shape = {"patch": data.patch, "size": data.size}
    held = DenoisingBatches(CleanPool(kept), batch=plan.batch, seed=plan.seed + 1, **shape)
    count = -(-data.validation // plan.batch)
    return Batches(
        DenoisingBatches(pool, batch=plan.batch, seed=plan.seed, **shape),
        tuple(to_batch(held[number], device) for number in range(count)),
    )


def training_job(
    recipe: Recipe, run: Path, out: Path, *, resume: bool = False, device: str = "cpu", workers: int = 1
) -> Job[ModelCard]:
    """Train a model from nothing, or go on from its last checkpoint.

    Parameters
    ----------
    recipe
        What to do.
    run
        Folder for the checkpoint, the log and the simulated specimens.
    out
        Model folder to write at the end; an existing one is replaced only then.
    resume
        Go on from the checkpoint in ``run``: the same curve as without the interruption.
    device
        Where to train.
    workers
        Processes that make batches; 0 makes them in between.

    Raises
    ------
    DiffuscopeError
        For unreadable images, a full disk, or a loss that is no number; the last checkpoint is kept.
    """
    place, plan = torch.device(device), recipe.optimisation
    torch.set_flush_denormal(True)  # vanishing gradients would cost a third of the time on a CPU
    run.mkdir(parents=True, exist_ok=True)
    yield Update(0, plan.steps, "Simulating specimens")
    torch.manual_seed(plan.seed)
    state = State.fresh(LocalUNet(LocalUNetConfig(**recipe.network)).to(place).train(), plan)
    if resume:
        state.restore(run, recipe)
    batches = prepare(recipe, run, place)
    started, first = time.perf_counter(), state.step
    for batch in _batches(batches.training, first, plan.steps, workers, place):
        loss = train_step(state, batch, recipe)
        if state.step % plan.validate_every == 0 or state.step == plan.steps:
            gain = validate(state, batches.validation)
            _log(run, state.step, loss, gain, rate_at(state.step - 1, plan))
            yield Update(state.step, plan.steps, f"loss {loss:.3f}, validation {gain:.2f} dB above the input")
        if state.step % plan.checkpoint_every == 0 or state.step == plan.steps:
            state.save(run, recipe)
        yield Update(state.step, plan.steps)
    seconds = time.perf_counter() - started
    return _write_model(recipe, state, batches, out, seconds=seconds, steps=state.step - first)


def train_step(state: State, batch: Batch, recipe: Recipe) -> float:
    """One step of the optimiser; its random numbers depend on the seed and the step alone."""
    plan = recipe.optimisation
    generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + state.step)
    times = draw_times(len(batch.clean), highest_share=recipe.diffusion.highest_share, generator=generator)
    for group in state.optimiser.param_groups:
        group["lr"] = rate_at(state.step, plan)
    state.optimiser.zero_grad(set_to_none=True)
    loss = denoising_loss(state.network, batch, times, shift=recipe.diffusion.shift, generator=generator)
    value = float(loss.detach())
    if not np.isfinite(value):
        raise DiffuscopeError(
            f"The loss is {value} at step {state.step}; the last checkpoint is kept: lower the learning rate."
        )
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), plan.clip)
    state.optimiser.step()
    state.average.update_parameters(state.network)
    state.step += 1
    return value


def _batches(
    dataset: DenoisingBatches, first: int, last: int, workers: int, device: torch.device
) -> Iterator[Batch]:
    loader: DataLoader[tuple[np.ndarray, np.ndarray, np.ndarray]] = DataLoader(
        dataset,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    for arrays in loader:
        yield to_batch(arrays, device)


def estimate(state: State, noisy: Tensor) -> Tensor:
    """Best estimate of the averaged network, x₀ = -v at pure noise."""
    average = state.average.module.eval()
    with torch.inference_mode():
        output: Tensor = average(
            torch.cat((torch.zeros_like(noisy), noisy), 1), torch.ones(1, device=noisy.device)
        )
    return -output


def validate(state: State, batches: tuple[Batch, ...]) -> float:
    """Mean gain in PSNR of the best estimate over the noisy patch, in dB, on images kept from training."""
    gains = []
    for batch in batches:
        error = (estimate(state, batch.noisy) - batch.clean).square().mean((1, 2, 3))
        gains.append(10 * torch.log10(batch.spread**2 / error))
    return float(torch.cat(gains).mean())


def _log(run: Path, step: int, loss: float, gain: float, rate: float) -> None:
    path = run / LOG
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "validation_gain_db", "learning_rate"])
        writer.writerow([step, f"{loss:.6g}", f"{gain:.4f}", f"{rate:.6g}"])


def _write_model(
    recipe: Recipe, state: State, batches: Batches, out: Path, *, seconds: float, steps: int
) -> ModelCard:
    """Store the averaged weights in half precision, with the card and an example."""
    noisy = batches.validation[0].noisy[:1]
    example = (noisy[0, 0].cpu().numpy(), estimate(state, noisy)[0, 0].cpu().numpy())
    tensors = {name: t.half() for name, t in state.average.module.state_dict().items()}
    network = state.network
    assert isinstance(network, LocalUNet)
    training = {
        "data": recipe.card.data,
        "recipe": recipe.name,
        "steps": state.step,
        "seed": recipe.optimisation.seed,
        "device": str(noisy.device),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "minutes_of_last_run": round(seconds / 60, 1),
        "steps_of_last_run": steps,
    }
    card = ModelCard(
        name=recipe.name,
        title=recipe.card.title,
        purpose=recipe.card.purpose,
        task=recipe.task,
        network=NetworkSpec("local-unet", network.config.to_dict()),
        diffusion=DiffusionSpec(
            "v",
            ScheduleSpec("continuous-cosine", recipe.diffusion.shift),
            steps=recipe.diffusion.sampling_steps,
        ),
        pixel_size=recipe.card.pixel_size,
        limits=recipe.card.limits,
        licence=recipe.card.licence,
        citation=recipe.card.citation,
        training=training,
        metrics={"validation_gain_db": round(validate(state, batches.validation), 3)},
    )
    return write_folder(out, card, tensors, example=example)
