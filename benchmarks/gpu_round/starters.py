"""Every starter's recipe for its share of the minutes; weights and log leave the machine every minute."""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from benchmarks.gpu_round.bank import share
from benchmarks.gpu_round.places import RECIPES, moved
from benchmarks.gpu_round.report import Report

from napari_diffuscope.training.log import LOG
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.recipe import Precision, Recipe, read_recipe
from napari_diffuscope.training.run_files import CHECKPOINT

STARTING = 15.0
"""Seconds that reading images, copying weights and the first steps take on a GPU."""

TRAINING_SHARE = 0.85
"""Of the time of a starter; the rest is validation and writing."""


@dataclass(frozen=True)
class Starter:
    """A line of the plan."""

    recipe: str
    share: float
    batch: int
    learning_rate: float
    start_from: str | None = None
    precision: Precision = "auto"


@dataclass(frozen=True)
class Means:
    """What all starters share: the bank, its counts, folders, device, processes that make batches, smallest budget."""

    bank: Path
    specimens: int
    textures: int
    folder: Path
    out: Path
    device: torch.device
    workers: int
    carried: Path


def recipe_of(starter: Starter, means: Means, *, seconds: float) -> Recipe:
    """The recipe, for the time there is, with the bank, and without images that are not here."""
    recipe = read_recipe(RECIPES / starter.recipe)
    data = recipe.data
    sources = [replace(source, path=moved(source.path, means.carried)) for source in data.images]
    images = tuple(source for source in sources if Path(source.path).exists())
    plan = replace(
        recipe.optimisation,
        batch=starter.batch,
        learning_rate=starter.learning_rate,
        precision=starter.precision,
        warmup=100,
        decay_from=0.0,
        ema=0.999,
        every_minutes=min(1.0, seconds / 180),
        time_budget_minutes=seconds / 60,
    )
    return replace(
        recipe,
        start_from=starter.start_from,
        optimisation=plan,
        data=replace(
            data,
            images=images,
            folder=moved(data.folder, means.carried),
            simulated=means.specimens if data.simulated else 0,
            textures=means.textures,
            validation=min(data.validation, means.specimens) if data.simulated else data.validation,
        ),
    )


def budget_of(slot: float, device: torch.device) -> float:
    """Seconds of training in a slot."""
    return max(TRAINING_SHARE * slot - (STARTING if device.type == "cuda" else 0.0), 1.0)


def train(starter: Starter, means: Means, report: Report, *, slot: float) -> Path:
    """Train one starter; returns the archive with its model folder and its log."""
    recipe = recipe_of(starter, means, seconds=budget_of(slot, means.device))
    run, model = means.folder / recipe.name, means.folder / "models" / recipe.name
    share(means.bank, run)
    job = training_job(recipe, run, model, device=str(means.device), workers=means.workers, overwrite=True)
    for update in job:
        if update.message:
            report.say(f"- {update.message}")
        if update.message.startswith("loss") and (run / CHECKPOINT).exists():
            _save(run, means.out / f"{recipe.name}.pt")
    _tell(run / LOG, report)
    archive = means.out / f"{recipe.name}.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(model, recipe.name)
        tar.add(run / LOG, f"{recipe.name}-{LOG}")
        tar.add(run / "recipe.toml", f"{recipe.name}-recipe.toml")
    (means.out / f"{recipe.name}.pt").unlink(missing_ok=True)
    shutil.rmtree(run)
    return archive


def _save(run: Path, path: Path) -> None:
    """The averaged weights of the last checkpoint in half precision, should the round be cut off."""
    content = torch.load(run / CHECKPOINT, map_location="cpu", weights_only=True)
    weights = {name: t.half() if t.is_floating_point() else t for name, t in content["average"].items()}
    torch.save({"step": content["step"], "average": weights}, path)


def _tell(log: Path, report: Report) -> None:
    """Validation before and after, pace, and how long the network waited for batches."""
    heading, *rows = [line.split(",") for line in log.read_text().splitlines()]
    columns = [name for name in heading if name.startswith("validation")]
    columns += ["step", "images_per_second", "waiting_share", "seconds"]
    report.say("", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|")
    for title, row in zip(("first row", "last row"), (rows[0], rows[-1]), strict=True):
        report.say(f"| {title} | " + " | ".join(row[heading.index(name)] for name in columns) + " |")
