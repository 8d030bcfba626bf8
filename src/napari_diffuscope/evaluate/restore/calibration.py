"""The factor by which the deviation of samples is multiplied to match the errors found."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.restore.cases import CaseName, make_case
from napari_diffuscope.evaluate.restore.fields import Field
from napari_diffuscope.evaluate.restore.models import Candidate, Timed, draw_samples, middle
from napari_diffuscope.evaluate.restore.settings import LEVELS, NOISES, RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.structures import STRUCTURES, standard_specimen
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.measure.uncertainty import CoverageCounter
from napari_diffuscope.weights.card import CARD_FILE, read_card
from napari_diffuscope.weights.model import model_place

COMBINATIONS = tuple(product(LEVELS, NOISES, STRUCTURES))
"""Level, noise and structure of the images, in turn: a fit on some of them alone would not suit the others."""

STREAM = 7002
"""Keeps these random numbers apart from those of training (0, 1) and of the standard test set."""


def calibration_facts(settings: RestoreEvaluationSettings) -> dict[str, Any]:
    """What decides a calibration; written into the card beside its result."""
    names = ("target", "samples", "steps", "seed", "calibration_images")
    chosen = {name: value for name, value in asdict(settings).items() if name in names}
    return {**chosen, "data": "simulated structures that no training draws, noise of camera and scanner"}


def is_calibrated(candidate: Candidate, settings: RestoreEvaluationSettings) -> bool:
    """Whether its card holds the very calibration that the settings ask for, of these weights."""
    calibrated = candidate.card.metrics.get("deviation_calibration")
    return bool(calibrated == {**calibration_facts(settings), "sha256": candidate.sha256})


def calibration_field(number: int, *, seed: int, size: int) -> Field:
    """A structure that no training draws, with a seed that the standard test set does not use.

    On structures of training errors are smaller than elsewhere; a scale fitted there would promise too much.
    """
    *_, kind = COMBINATIONS[number % len(COMBINATIONS)]
    made = standard_specimen(kind, (size, size), np.random.default_rng([seed, STREAM, number]))
    return Field("calibration", kind, f"calibration-{number}", made.image, made.density, fwhm_px=made.fwhm_px)


def calibration_job(candidate: Candidate, settings: RestoreEvaluationSettings) -> Job[float]:
    """Fit the scale of the deviation on images disjoint from every test set.

    Returns
    -------
    float
        The scale; yields updates in sampled images.
    """
    counter = CoverageCounter(samples=settings.samples)
    crop = min(settings.crop, 128)
    for number in range(settings.calibration_images):
        yield Update(number, settings.calibration_images)
        field = calibration_field(number, seed=settings.seed, size=min(settings.size, crop + 64))
        level, noise, _ = COMBINATIONS[number % len(COMBINATIONS)]
        name = CaseName(field, noise, level, settings.target)
        case = make_case(name, seed=settings.seed)
        drawn = yield from _quietly(
            draw_samples(
                candidate,
                case.noisy,
                crop,
                samples=settings.samples,
                steps=settings.steps,
                seed=settings.seed,
                device=settings.device,
            ),
            number,
            settings.calibration_images,
        )
        part = middle(case.noisy.shape, crop)
        counter.add(case.clean[part], drawn.mean(0), drawn.std(0, ddof=1, dtype=np.float64))
    return counter.scale()


def _quietly(job: Job[Timed], done: int, total: int) -> Job[np.ndarray]:
    """Pass on that a job goes on, without its own count."""
    drawn = yield from relayed(job, lambda _: Update(done, total))
    return drawn.image


def store_scale(candidate: Candidate, scale: float, settings: RestoreEvaluationSettings) -> None:
    """Write the scale into the card of a model folder, all or nothing.

    Raises
    ------
    DiffuscopeError
        If the model is a checkpoint, which has no card, or its folder cannot be written to.
    """
    path = card_path(candidate)
    values = json.loads(path.read_text(encoding="utf-8"))
    values["deviation_scale"] = round(scale, 4)
    facts = {**calibration_facts(settings), "sha256": candidate.sha256}
    values.setdefault("metrics", {})["deviation_calibration"] = facts
    try:
        replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DiffuscopeError(
            f"The scale cannot be written to {path}: {error.strerror}; copy the model folder and calibrate that."
        ) from error
    read_card(path.parent)


def card_path(candidate: Candidate) -> Path:
    """The card of a model folder.

    Raises
    ------
    DiffuscopeError
        If the model is a checkpoint.
    """
    path = model_place(candidate.place) / CARD_FILE
    if not path.is_file():
        raise DiffuscopeError(
            f"{candidate.place} is a checkpoint without a card to keep the scale in; "
            "make a model folder of it with 'diffuscope models import' first."
        )
    return path
