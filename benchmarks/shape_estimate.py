"""How far short chains leave the mean of all possible shapes, with an exact ε network.

The network knows a set of shapes, all equally probable, and answers exactly (or with an error of ε). The mean of
the set is the best estimate there is: its squared error is 1 in the table. A single shape drawn at random has 2.

Run: ``python benchmarks/shape_estimate.py [--objects FOLDER] [--steps 10] [--seed 0]``.
The folder holds volumes of 64³ as TIFF, occupied above 127; they are compared on every fourth voxel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
import torch
from _driving import finish
from torch import Tensor

from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.posterior_mean import mean_chain, mean_levels
from napari_diffuscope.diffusion.schedule import DiscreteSchedule, NoiseLevel, linear_alpha_bar
from napari_diffuscope.diffusion.solvers import Solver, dpm_solver_pp_2m
from napari_diffuscope.weights.schedules import LOWEST_ALPHA_BAR

OBJECTS = Path(__file__).resolve().parents[2] / "shared" / "data" / "red_blood_cells" / "obj"


def shapes_in(folder: Path) -> Tensor:
    """Volumes and their mirror images along z, ``(N, voxels)`` of 0 and 1."""
    found = [tifffile.imread(path)[2::4, 2::4, 2::4] > 127 for path in sorted(folder.glob("*.tif"))]
    both = [one for volume in found for one in (volume, volume[::-1])]
    return torch.from_numpy(np.stack(both).astype(np.float32)).flatten(1)


class Exact:
    """E[x₀ | x_t] over a set of shapes, by way of ε, as DISPR's network gives it."""

    def __init__(self, shapes: Tensor, wrong: float, seed: int) -> None:
        self.shapes, self.wrong = shapes, wrong
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, x: Tensor, level: NoiseLevel) -> Tensor:
        far = (x - level.alpha * self.shapes).square().sum(1) / (2 * level.sigma**2)
        clean = torch.softmax(-far, 0) @ self.shapes
        output = (x - level.alpha * clean) / level.sigma
        output = output + self.wrong * torch.randn(x.shape, generator=self.generator)
        return clean_estimate("epsilon", x, output, level).clamp(-1, 1)


def chains(schedule: DiscreteSchedule, voxels: int, steps: int, seed: int) -> dict[str, Solver]:
    """Every way to an estimate or a sample, by name."""
    zero = torch.zeros(1, voxels)
    noise = torch.randn(1, voxels, generator=torch.Generator().manual_seed(seed))
    return {
        "one evaluation": mean_chain(zero, mean_levels(schedule, 1)),
        "ancestral means": mean_chain(zero, mean_levels(schedule, steps), kind="ancestral-means"),
        "DDIM from zero": mean_chain(zero, mean_levels(schedule, steps)),
        "DPM-Solver++ (a sample)": dpm_solver_pp_2m(noise, schedule.levels(steps)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=Path, default=OBJECTS)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if not args.objects.is_dir():
        print(f"There are no volumes at {args.objects}; name a folder with --objects.")
        return
    shapes = shapes_in(args.objects)
    schedule = DiscreteSchedule(linear_alpha_bar(1000), LOWEST_ALPHA_BAR)
    least = (shapes - shapes.mean(0)).square().mean()
    print(f"{len(shapes)} shapes, squared error over that of their mean")
    print("| chain | exact | error of ε 0.02 | error of ε 0.1 |\n|---|---|---|---|")
    rows: dict[str, list[float]] = {}
    for wrong in (0.0, 0.02, 0.1):
        for name, solver in chains(schedule, shapes.shape[1], args.steps, args.seed).items():
            found = finish(Exact(shapes, wrong, args.seed), solver).clamp(0, 1)
            rows.setdefault(name, []).append(float((shapes - found).square().mean() / least))
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |")


if __name__ == "__main__":
    main()
