"""Table of trials that are done."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from benchmarks.denoiser_trials.arms import ARMS
from benchmarks.denoiser_trials.patches import Patches
from benchmarks.denoiser_trials.training import MIDDLE, gains_of
from torch import Tensor


def table(kept: dict[str, Patches], runs: Path) -> str:
    """A row for each trial whose weights are in its folder of ``runs``; the plain network comes first.

    Gains in dB, means over the patches of each set; in brackets the mean difference to the plain network on the same
    patches, and its standard error. *Weak* and *strong* are the halves of all patches by their noise.
    """
    lines = [
        "| trial | parameters (M) | steps | " + " | ".join(kept) + " | weak noise | strong noise |",
        "|---|---|---|" + "---|" * (len(kept) + 2),
    ]
    spreads = torch.cat([patches.batch(0, len(patches.pairs))[0].spread for patches in kept.values()])
    weak = spreads < spreads.median()
    reference: list[Tensor] = []
    for name, arm in ARMS.items():
        if not (runs / name / "weights.pt").is_file():
            continue
        network = arm.network()
        network.load_state_dict(torch.load(runs / name / "weights.pt", weights_only=True)[MIDDLE])
        gains = [gains_of(arm, network, patches) for patches in kept.values()]
        together = torch.cat(gains)
        columns = [*gains, together[weak], together[~weak]]
        reference = reference or columns
        cells = [_cell(a, b) for a, b in zip(columns, reference, strict=True)]
        count = sum(p.numel() for p in network.parameters()) / 1e6
        lines.append(
            f"| {arm.title} | {count:.2f} | {_steps(runs / name / 'log.csv')} | " + " | ".join(cells) + " |"
        )
    return "\n".join(lines)


def _cell(gains: Tensor, reference: Tensor) -> str:
    if gains is reference:
        return f"{float(gains.mean()):.2f}"
    difference = gains - reference
    error = float(difference.std()) / len(difference) ** 0.5
    return f"{float(gains.mean()):.2f} ({float(difference.mean()):+.2f} ± {error:.2f})"


def _steps(log: Path) -> str:
    with log.open(newline="") as file:
        return list(csv.DictReader(file))[-1]["step"]
