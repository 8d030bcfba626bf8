"""Which network denoises best after equally long training on the same data?

    python benchmarks/networks_trained_equally.py [--minutes 8] [--runs runs/equally]

Three networks of about the same number of parameters learn plain regression for the same time with one thread, from
the data of ``recipes/restoration-trunk.toml`` and with a learning rate that falls to zero: ours, ours without its
wavelet path, and a guided-diffusion UNet. Prints a Markdown table: gain in PSNR on the specimens kept for validation,
PSNR on the standard test set (one field per structure), seconds for a plane of 512² with two threads, and how many
times more pixels are evaluated than the plane has. A network whose model folder exists is not trained again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_diffuscope import load_model, restore
from napari_diffuscope.evaluate.restore.cases import case_names, make_case
from napari_diffuscope.evaluate.restore.fields import read_fields
from napari_diffuscope.evaluate.restore.models import candidates
from napari_diffuscope.evaluate.restore.settings import LEVELS, NOISES, STANDARD
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.recipe import Recipe, read_recipe

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
OURS: dict[str, Any] = {
    "dims": 2,
    "widths": [48, 96, 224],
    "encoder_blocks": [1, 1, 2],
    "decoder_blocks": [1, 1],
}
GUIDED: dict[str, Any] = {
    "kind": "openai-unet",
    "in_channels": 2,
    "out_channels": 1,
    "model_channels": 32,
    "channel_multipliers": [1, 2, 3],
    "res_blocks": 2,
    "attention_downsampling": [],
    "heads": 1,
    "scale_shift_norm": True,
}
NETWORKS: dict[str, tuple[dict[str, Any], float]] = {
    "ours": ({**OURS, "wavelets": 4}, 1e-2),
    "ours, no wavelets": ({**OURS, "wavelets": 0}, 1e-2),
    "guided-diffusion UNet": (GUIDED, 1e-3),
}
"""Arguments and learning rate of each network."""


def recipe_for(name: str, minutes: float, base: Recipe) -> Recipe:
    """The trunk's recipe with another network and a limit in time."""
    network, rate = NETWORKS[name]
    plan = replace(
        base.optimisation,
        time_budget_minutes=minutes,
        learning_rate=rate,
        decay_from=0.3,
        ema=0.99,
        steps=100_000,
    )
    return replace(base, name=name.replace(" ", "-").replace(",", ""), network=network, optimisation=plan)


def trained(name: str, minutes: float, base: Recipe, runs: Path) -> Path:
    """Model folder of a network, trained now where there is none."""
    recipe = recipe_for(name, minutes, base)
    out = runs / recipe.name / recipe.name
    if not out.is_dir():
        torch.set_num_threads(1)
        run(training_job(recipe, runs / recipe.name, out))
    return out


def standard_psnr(place: Path, seed: int = 0) -> list[float]:
    """PSNR of each case of the standard set, one field per structure."""
    fields = read_fields((STANDARD,), seed=seed, edge=256, shrink=2, limit=1)
    found = []
    for name in case_names(fields, NOISES, tuple(LEVELS), "equal-blur"):
        case = make_case(name, seed=seed)
        image = restore(case.noisy, model=str(place)).restored
        found.append(psnr(case.clean, image))
    return found


def seconds(place: Path, edge: int = 512, repeats: int = 3) -> float:
    """Shortest time for the best estimate of a plane, loading the weights included."""
    plane = np.random.default_rng(0).poisson(30, (edge, edge)).astype(np.float32)
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        restore(plane, model=str(place))
        took.append(time.perf_counter() - began)
    return min(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--runs", type=Path, default=Path("runs/equally"))
    parser.add_argument("--only", choices=list(NETWORKS), help="train this one and print nothing")
    chosen = parser.parse_args()
    base = read_recipe(RECIPES / "restoration-trunk.toml")
    if chosen.only:
        trained(chosen.only, chosen.minutes, base, chosen.runs)
        return
    places = {name: trained(name, chosen.minutes, base, chosen.runs) for name in NETWORKS}
    torch.set_num_threads(2)
    print(f"Each trained for {chosen.minutes:g} minutes with one thread.\n")
    print(
        "| network | parameters (M) | steps | validation gain (dB) | standard set (dB) | s, 512² | overhead, 1024² |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, place in places.items():
        model = load_model(place)
        count = sum(p.numel() for p in model.network.parameters()) / 1e6
        [candidate] = candidates([str(place)], ())
        card = model.card
        print(
            f"| {name} | {count:.2f} | {card.training['steps']} | {card.metrics['validation_gain_db']:.2f} "
            f"| {np.mean(standard_psnr(place)):.2f} | {seconds(place):.2f} | {candidate.overhead:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
