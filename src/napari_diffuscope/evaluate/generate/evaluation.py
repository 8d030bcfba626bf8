"""The evaluation of generators: copies, realism and usefulness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.folder import keep_arguments
from napari_diffuscope.evaluate.generate import realism, usefulness
from napari_diffuscope.evaluate.generate.networks import networks_of
from napari_diffuscope.evaluate.generate.report import Judged, draw, report
from napari_diffuscope.evaluate.generate.sets import DRAWN, KEPT, drawn_images, generated_images, real_sets
from napari_diffuscope.evaluate.generate.settings import GenerateEvaluationSettings
from napari_diffuscope.evaluate.harness import Findings, label_of
from napari_diffuscope.evaluate.tables import Table
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.measure.features import Features
from napari_diffuscope.measure.memorisation import Memorisation
from napari_diffuscope.measure.training_images import read_training_images
from napari_diffuscope.training.generate.fields import SIMULATED, Fields, read_fields
from napari_diffuscope.weights.card import ModelCard, read_card
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.place import TRAINING_IMAGES_FILE

COPIES = (
    "model",
    "class",
    "image",
    "score",
    "percentile",
    "distance",
    "distance_percentile",
    "flagged",
    "nearest",
)
PIXEL_UM = 0.02
"""Where a model says nothing of its pixels."""


@dataclass
class _Work:
    """What an evaluation works on, and what it found so far."""

    settings: GenerateEvaluationSettings
    fields: Fields
    models: Mapping[str, tuple[str, ModelCard]]
    out: Path
    networks: Sequence[Features] = ()
    """Networks that have seen many pictures."""
    images: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """Generated images by model and class."""
    judged: list[Judged] = field(default_factory=list)

    @property
    def patch(self) -> int:
        """Edge of the images that are compared."""
        sizes = {card.size[0] for _, card in self.models.values() if card.size}
        return min(sizes, default=128)

    @property
    def pixel_um(self) -> float:
        """Pixel size of the images."""
        sizes = [card.pixel_size[0] for _, card in self.models.values() if card.pixel_size]
        return sizes[0] if sizes else PIXEL_UM

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, one for those of no class."""
        return self.fields.classes or ("images",)


def generate_findings(settings: GenerateEvaluationSettings, out: Path) -> Job[Findings]:
    """Measure what the settings say.

    Raises
    ------
    DiffuscopeError
        For data or models that cannot be used, or a folder that holds another evaluation.
    """
    yield Update(0, 0, "Opening models and data")
    models = _models(settings)
    patch = min((card.size[0] for _, card in models.values() if card.size), default=128)
    fields = read_fields(Path(settings.data), share=0.2, seed=settings.seed, smallest=patch)
    keep_arguments(out, {"kind": "generate", **settings.facts()})
    work = _Work(settings, fields, models, out, networks_of(settings, fields.highest))
    copies = Table(out / "copies.csv", COPIES, ("model", "class", "image"))
    near = Table(out / "realism.csv", realism.COLUMNS, ("class", "set"))
    seen = Table(out / "features.csv", realism.SEEN_COLUMNS, ("class", "features", "set"))
    useful = Table(out / "usefulness.csv", usefulness.COLUMNS, ("arm", "seed", "field", "optics"))
    if {"copies", "realism"} & set(settings.parts):
        for label, structure in enumerate(work.classes):
            yield from _class(work, label, structure, copies, near, seen)
    if "usefulness" in settings.parts:
        yield from _usefulness(work, useful)
    tables = {
        "copies": copies.rows,
        "realism": near.rows,
        "features": seen.rows,
        "usefulness": useful.rows,
    }
    return Findings(tables, report(tables, work.judged, settings), partial(draw, judged=work.judged))


def _models(settings: GenerateEvaluationSettings) -> dict[str, tuple[str, ModelCard]]:
    models: dict[str, tuple[str, ModelCard]] = {}
    for place in settings.models:
        card = read_card(find_model(place))
        if card.task != "generate":
            raise DiffuscopeError(f"{card.name} is no generator, but a model for {card.task}.")
        models[label_of(card.name, place, (*models, DRAWN, KEPT))] = (place, card)
    return models


def _made(work: _Work, model: str, structure: str) -> Job[np.ndarray]:
    """Images of a model and a class, made once."""
    if (model, structure) not in work.images:
        place, card = work.models[model]
        job = generated_images(place, card, structure, work.settings.number, work.settings)
        while True:
            try:
                update = next(job)
            except StopIteration as stop:
                work.images[model, structure] = stop.value
                break
            yield Update(update.done, update.total, f"{model}: {structure}")
    return work.images[model, structure]


def _class(work: _Work, label: int, structure: str, copies: Table, near: Table, seen: Table) -> Job[None]:
    """Copies and realism of a class."""
    settings, number = work.settings, work.settings.number
    sets = real_sets(work.fields, label, work.patch, settings)
    kept = sets.pop(KEPT)
    if len(kept) < 4:
        yield Update(0, 0, f"{structure}: nothing of it was kept out, so it is left out.", warning=True)
        return
    sets[DRAWN] = drawn_images(structure, number, work.patch, pixel_um=work.pixel_um, seed=settings.seed)
    for model, (place, _) in work.models.items():
        sets[model] = yield from _made(work, model, structure)
        if "copies" in settings.parts:
            yield Update(0, 0, f"{model}: copies among {structure}")
            _copies(work, model, place, label, structure, kept, copies)
    if "realism" in settings.parts:
        yield Update(0, 0, f"Comparing sets of {structure}")
        near.add(realism.realism_rows(structure, kept, sets, seed=settings.seed))
        for features in work.networks:
            yield Update(0, 0, f"Comparing sets of {structure} by {features.name}")
            seen.add(realism.seen_rows(structure, kept, sets, features, seed=settings.seed))


def _copies(
    work: _Work, model: str, place: str, label: int, structure: str, kept: np.ndarray, table: Table
) -> None:
    path = Path(find_model(place)) / TRAINING_IMAGES_FILE
    memory = Memorisation(read_training_images(path))
    images = work.images[model, structure]
    own = memory.known.classes.index(structure) if structure in memory.known.classes else None
    found = memory.copies(list(images), [own] * len(images))
    work.judged.append(Judged(model, structure, images, kept, found))
    table.add(
        {
            "model": model,
            "class": structure,
            "image": number,
            "score": one.score,
            "percentile": one.percentile,
            "distance": one.distance,
            "distance_percentile": one.distance_percentile,
            "flagged": int(one.flagged),
            "nearest": one.name,
        }
        for number, one in enumerate(found.nearest)
    )


def _usefulness(work: _Work, table: Table) -> Job[None]:
    """Train the tested network on every arm that is not there yet."""
    settings, label = work.settings, _structure(work)
    structure = work.classes[label]
    fields = [one for one in work.fields.training if one.label == label]
    kept = [one for one in work.fields.kept if one.label == label]
    generated, drawn = {}, np.zeros((0, 128, 128), np.float32)
    if "drawn" in settings.arms:
        drawn = drawn_images(structure, settings.number, 128, pixel_um=work.pixel_um, seed=settings.seed + 1)
    if {"generated", "both"} & set(settings.arms):
        for model in work.models:
            generated[model] = yield from _made(work, model, structure)
    there = {(row["arm"], row["seed"]) for row in table.rows}
    plan = [
        (arm, seed)
        for seed in range(settings.repeats)
        for arm in usefulness.arms_of(fields, drawn, generated, settings, seed)
    ]
    for done, (arm, seed) in enumerate(plan):
        if (arm.name, str(seed)) in there:
            continue
        yield Update(done, len(plan), f"Training on {arm.name}")
        network = usefulness.trained(
            arm,
            patch=settings.patch,
            steps=settings.training_steps,
            seed=settings.seed + seed,
            pixel_um=work.pixel_um,
        )
        rows = usefulness.measured(network, kept, pixel_um=work.pixel_um)
        table.add({"arm": arm.name, "seed": seed, **row} for row in rows)


def _structure(work: _Work) -> int:
    """Number of the class that usefulness is measured on.

    Raises
    ------
    DiffuscopeError
        If there is no such class, or no real one.
    """
    if (wish := work.settings.structure) is not None:
        if wish not in work.classes:
            raise DiffuscopeError(
                f"{work.settings.data} has no class {wish!r}, but {', '.join(work.classes)}."
            )
        return work.classes.index(wish)
    real = [label for label, name in enumerate(work.classes) if SIMULATED not in name]
    if not real:
        raise DiffuscopeError("Usefulness is measured on real images, and all classes are simulated.")
    return max(real, key=lambda label: sum(one.label == label for one in work.fields.training))
