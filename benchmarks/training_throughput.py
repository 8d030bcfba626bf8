"""What the training job costs beside a bare loop with the same network, batches, loss and optimiser.

Both run in this process on batches that are ready in memory, in turns of a few steps each, so that whatever else
the machine does meets both alike. The bare loop neither logs nor looks at losses nor reports; once it averages the
weights as the job does, once it does not. Validation and checkpoints are not in the comparison.

Run: ``python benchmarks/training_throughput.py [--device cpu] [--steps 5] [--turns 12]``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import Dataset

from napari_diffuscope.training.loop import train
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.objective import denoising_loss, draw_times
from napari_diffuscope.training.pairs import Batch
from napari_diffuscope.training.precision import choose_precision, mixed
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Card, Data, Optimisation, Recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.restore.denoising import DenoisingTask
from napari_diffuscope.training.result import hardware
from napari_diffuscope.training.state import State
from napari_diffuscope.training.task import Arrays
from napari_diffuscope.weights.folder import build_network

READY = 8
"""Different batches in memory."""


class Ready(Dataset[Arrays]):
    """A few batches, over and over."""

    def __init__(self, task: DenoisingTask, batch: int) -> None:
        whole = task.batches(Processes(0, 1, torch.device("cpu")).part(batch))
        self.arrays = [whole[number] for number in range(READY)]

    def __getitem__(self, number: int) -> Arrays:
        return self.arrays[number % READY]


@contextmanager
def the_job(
    recipe: Recipe, task: DenoisingTask, group: Processes, folder: Path
) -> Iterator[Callable[[int], None]]:
    """The job, a few steps at a time."""
    spec = trained_network(recipe)
    torch.manual_seed(0)
    state = State.fresh(build_network(spec).to(group.device).train(), recipe.optimisation)
    job = train(task, recipe, state, spec, folder, folder / "model", group=group, workers=0)

    def steps(count: int) -> None:
        until = state.step + count
        while state.step < until:
            next(job)

    try:
        yield steps
    finally:
        job.close()


def bare_loop(recipe: Recipe, ready: Ready, device: torch.device, *, averages: bool) -> Callable[[int], None]:
    """Forward, backward, clip, step; and the average of the weights."""
    plan = recipe.optimisation
    torch.manual_seed(0)
    network = build_network(trained_network(recipe)).to(device).train()
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(plan.ema)) if averages else None
    optimiser = torch.optim.Adam(network.parameters(), plan.learning_rate, betas=(0.9, 0.99))
    generator, precision = torch.Generator().manual_seed(0), choose_precision(plan.precision, device)
    batches = [Batch(*(torch.as_tensor(a).to(device) for a in arrays)) for arrays in ready.arrays]
    done = 0

    def steps(count: int) -> None:
        nonlocal done
        for _ in range(count):
            batch, done = batches[done % READY], done + 1
            times = draw_times(plan.batch, highest_share=0.25, generator=generator)
            optimiser.zero_grad(set_to_none=True)
            with mixed(precision, device):
                loss = denoising_loss(network, batch, times, shift=0.2, generator=generator)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
            optimiser.step()
            if average is not None:
                average.update_parameters(network)

    return steps


def timed(steps: Callable[[int], None], count: int, device: torch.device) -> float:
    """Seconds per step."""
    began = time.perf_counter()
    steps(count)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=5, help="steps per turn")
    parser.add_argument("--turns", type=int, default=12, help="turns of each loop; the first is not counted")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--widths", type=int, nargs=3, default=[48, 96, 224])
    chosen = parser.parse_args()
    device, never = torch.device(chosen.device), 10**9
    recipe = Recipe(
        name="throughput",
        task="restore",
        card=Card("Throughput", "Measures."),
        network={"widths": chosen.widths},
        data=Data(simulated=4, validation=1, patch=chosen.patch, size=2 * chosen.patch),
        optimisation=Optimisation(
            steps=never, batch=chosen.batch, validate_every=never, checkpoint_every=never
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        task = denoising_task(recipe, Path(folder), device)
        ready = Ready(task, chosen.batch)
        alone = Processes(0, 1, device)
        with the_job(recipe, replace(task, pieces=ready, piece=chosen.batch), alone, Path(folder)) as job:
            loops = {
                "bare loop": bare_loop(recipe, ready, device, averages=False),
                "bare loop that averages the weights": bare_loop(recipe, ready, device, averages=True),
                "training job": job,
            }
            seconds: dict[str, list[float]] = {name: [] for name in loops}
            for turn in range(chosen.turns):
                for name, steps in loops.items():
                    taken = timed(steps, chosen.steps, device)
                    if turn:
                        seconds[name].append(taken)
    print(
        f"{hardware(device)}, {torch.get_num_threads()} threads, torch {torch.__version__}; batches of "
        f"{chosen.batch} patches of {chosen.patch} pixels, widths {chosen.widths}.\n"
    )
    print("| | steps per second | of the bare loop |\n|---|---|---|")
    bare = seconds["bare loop"]
    for name, taken in seconds.items():
        ratio = statistics.median(b / t for b, t in zip(bare, taken, strict=True))
        print(f"| {name} | {1 / statistics.median(taken):.2f} | {ratio:.3f} |")


if __name__ == "__main__":
    main()
