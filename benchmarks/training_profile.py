"""Where the milliseconds of a training step go: batches, copies, noise, network, gradients, optimiser, average.

The real training job of a recipe, a few dozen steps of it; the first ones are not counted. On a GPU every part is
waited for, so the whole is slower than in use.

Run: ``python benchmarks/training_profile.py [RECIPE.toml] [--device cpu] [--steps 30] [--workers 1] [--noise auto]
[--compiled on]``.
Without a recipe: batches of simulated specimens and textures, with the network of the denoising starter.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch

from napari_diffuscope.training.kinds import task_of
from napari_diffuscope.training.loop import train
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.phases import Phases, phase_table
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Card, Compiled, Data, Optimisation, Recipe, read_recipe
from napari_diffuscope.training.result import hardware
from napari_diffuscope.training.state import State
from napari_diffuscope.weights.folder import build_network

STARTER = {
    "widths": [48, 96, 224],
    "encoder_blocks": [1, 1, 2],
    "decoder_blocks": [1, 1],
    "wavelets": 4,
}


def standard_recipe() -> Recipe:
    """The denoising starter's, with few images."""
    return Recipe(
        name="profile",
        task="restore",
        card=Card("Profile", "Measures."),
        network=STARTER,
        data=Data(simulated=64, textures=32, texture_share=0.25, shrunk_share=0.5, validation=1),
        optimisation=Optimisation(batch=6),
    )


def endless(recipe: Recipe, *, batch: int | None, noise: str | None, compiled: Compiled = "off") -> Recipe:
    """The recipe without validations, checkpoints or an end."""
    never, data = 10**9, recipe.data
    plan = replace(
        recipe.optimisation, steps=never, validate_every=never, checkpoint_every=never, compiled=compiled
    )
    return replace(
        recipe,
        start_from=None,
        data=data if noise is None else replace(data, noise=noise),
        optimisation=plan if batch is None else replace(plan, batch=batch, time_budget_minutes=None),
    )


def profile(
    recipe: Recipe, device: torch.device, folder: Path, *, steps: int, warm: int, workers: int
) -> tuple[dict[str, float], float]:
    """Seconds of each part, and of all ``steps`` together."""
    spec = trained_network(recipe)
    task = task_of(recipe, folder, device)
    state = State.fresh(build_network(spec).to(device).train(), recipe.optimisation)
    phases = Phases(device, exact=True)
    group = Processes(0, 1, device)
    job = train(
        task, recipe, state, spec, folder, folder / "model", group=group, workers=workers, phases=phases
    )
    try:
        while state.step < warm:
            next(job)
        before, began = dict(phases.seconds), time.perf_counter()
        while state.step < warm + steps:
            next(job)
        return phases.since(before), time.perf_counter() - began
    finally:
        job.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm", type=int, default=5, help="steps before, not counted")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--noise", choices=["auto", "workers", "device"])
    parser.add_argument("--compiled", choices=["on", "off"], default="off")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    recipe = standard_recipe() if chosen.recipe is None else read_recipe(chosen.recipe)
    recipe = endless(recipe, batch=chosen.batch, noise=chosen.noise, compiled=chosen.compiled)
    with tempfile.TemporaryDirectory() as folder:
        seconds, whole = profile(
            recipe, device, Path(folder), steps=chosen.steps, warm=chosen.warm, workers=chosen.workers
        )
    batch = recipe.optimisation.batch
    print(
        f"{hardware(device)}, {torch.get_num_threads()} threads, {chosen.workers} workers, torch {torch.__version__}; "
        f"{recipe.name}, batches of {batch} patches of {recipe.data.patch} pixels: "
        f"{'compiled, ' * (chosen.compiled == 'on')}{chosen.steps * batch / whole:.1f} patches per second.\n"
    )
    print(phase_table(seconds, chosen.steps))


if __name__ == "__main__":
    main()
