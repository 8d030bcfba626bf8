"""A whole round: ``python -m benchmarks.gpu_round --out DIR [--minutes 9] [--device cuda]``.

Needs torch, numpy, scipy, scikit-image, safetensors and tifffile. In this order, each part for its time, the report and
the weights written all along: what the machine is; parity of recorded networks; the bank of specimens and textures,
rendered by all cores; every starter of the plan, or those that ``--only`` names, for its share of the minutes;
benchmarks.
A rehearsal without a GPU takes seconds: ``--device cpu --minutes 0.5 --specimens 4 --textures 4 --batch 2``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import torch
from benchmarks.gpu_round import bank, checks, speed
from benchmarks.gpu_round.places import CARRIED, unpacked
from benchmarks.gpu_round.report import Report
from benchmarks.gpu_round.starters import Means, Starter, train

RESERVED = 75.0
"""Seconds kept for the benchmarks at the end of a round of nine minutes."""

LEAST_RESERVED = 10.0
"""The same of a rehearsal of seconds."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "runs/gpu-round")))
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--plan", type=Path, default=Path(__file__).with_name("plan.toml"))
    parser.add_argument(
        "--only", action="append", default=[], help="a recipe of the plan, such as deblurring"
    )
    parser.add_argument("--carried", type=Path, default=CARRIED)
    parser.add_argument("--specimens", type=int, default=12_000)
    parser.add_argument("--textures", type=int, default=5_000)
    parser.add_argument("--batch", type=int, help="of all starters, instead of the plan's")
    parser.add_argument("--workers", type=int, default=max((os.cpu_count() or 1) - 3, 0))
    return parser.parse_args()


def planned(chosen: argparse.Namespace) -> list[Starter]:
    """Starters of the plan, or those that are asked for."""
    starters = [Starter(**values) for values in tomllib.loads(chosen.plan.read_text())["starter"]]
    if chosen.only:
        starters = [s for s in starters if Path(s.recipe).stem in chosen.only]
    return starters if chosen.batch is None else [replace(s, batch=chosen.batch) for s in starters]


def look(report: Report, device: torch.device, carried: Path) -> None:
    """What the machine is, and whether it computes what it should."""
    with report.part("Machine"):
        report.say(*checks.environment(device))
    with report.part("Parity", needs=5) as going:
        if going:
            report.say(*checks.starter_against_cpu(device), "", *checks.parity(device, carried))


def learn(report: Report, means: Means, starters: list[Starter], *, reserved: float) -> None:
    """The bank, then each starter for its share of the time that is left for training."""
    with report.part("Bank"):
        began = time.perf_counter()
        bank.render(means.bank, specimens=means.specimens, textures=means.textures, seed=0)
        passed = time.perf_counter() - began
        report.say(
            f"{means.specimens} specimens and {means.textures} textures by {os.cpu_count()} cores: {passed:.1f} s"
        )
    shares = sum(starter.share for starter in starters)
    for starter in starters:
        slot = max(report.left - reserved, 0.0) * starter.share / shares
        shares -= starter.share
        with report.part(f"{starter.recipe}: {slot:.0f} s", needs=reserved + 2) as going:
            if going:
                archive = train(starter, means, report, slot=slot)
                report.say("", f"{archive.name}: {archive.stat().st_size / 2**20:.1f} MiB")


def measure(report: Report, device: torch.device, *, workers: int) -> None:
    """Benchmarks, at full size on a GPU."""
    large = device.type == "cuda"
    with report.part("Training, patches per second", needs=30 if large else 1) as going:
        if going:
            steps, batch = (40, 64) if large else (1, 2)
            report.say(*speed.throughput(device, steps=steps, batch=batch, workers=workers))
    with report.part("Evaluations per second", needs=25 if large else 1) as going:
        if going:
            edge, batches = (256, (1, 8, 32)) if large else (64, (1,))
            report.say(*speed.table(device, edge=edge, batches=batches, least=0.4 if large else 0.01))


def main() -> None:
    chosen = arguments()
    chosen.out.mkdir(parents=True, exist_ok=True)
    device = torch.device(chosen.device)
    report = Report(chosen.out, 60 * chosen.minutes)
    reserved = min(RESERVED, max(0.2 * report.seconds, LEAST_RESERVED))
    with tempfile.TemporaryDirectory() as scratch:
        for variable in ("DIFFUSCOPE_MODELS", "DIFFUSCOPE_CACHE", "DIFFUSCOPE_CONFIG"):
            os.environ[variable] = scratch  # names mean the shipped models, whatever else is on that machine
        carried = unpacked(chosen.carried, Path(scratch) / "carried")
        look(report, device, carried)
        means = Means(
            bank=Path(scratch) / "bank",
            specimens=chosen.specimens,
            textures=chosen.textures,
            folder=Path(scratch) / "runs",
            out=chosen.out,
            device=device,
            workers=chosen.workers,
            carried=carried,
        )
        learn(report, means, planned(chosen), reserved=reserved)
    measure(report, device, workers=chosen.workers)


if __name__ == "__main__":
    main()
