"""Deviations of samples matched with the errors found: the curve and the intervals in a model's card."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from napari_diffuscope.measure.deviations import fit_curve
from napari_diffuscope.weights.card import CARD_FILE, read_card
from napari_diffuscope.weights.card_parts import DeviationFit
from napari_diffuscope.weights.model import model_place

COMBINATIONS = tuple(product(LEVELS, NOISES, STRUCTURES))
"""Level, noise and structure of the images, in turn: a fit on some of them alone would not suit the others."""

STREAM = 7002
"""Keeps these random numbers apart from those of training (0, 1) and of the standard test set."""


def calibration_facts(settings: RestoreEvaluationSettings) -> dict[str, Any]:
    """What decides a calibration; written into the card beside its result."""
    names = ("target", "samples", "steps", "seed", "calibration_images")
    chosen = {name: value for name, value in asdict(settings).items() if name in names}
    return {
        **chosen,
        "edge": calibration_edge(settings),
        "data": "simulated structures that no training draws, noise of camera and scanner",
    }


def is_calibrated(candidate: Candidate, settings: RestoreEvaluationSettings) -> bool:
    """Whether its card holds the very calibration that the settings ask for, of these weights."""
    calibrated = candidate.card.metrics.get("deviation_calibration")
    return bool(calibrated == {**calibration_facts(settings), "sha256": candidate.sha256})


def calibration_edge(settings: RestoreEvaluationSettings) -> int:
    """Edge in pixels of the part of each image that is sampled."""
    return min(settings.crop, 128)


def calibration_field(number: int, *, seed: int, size: int) -> Field:
    """A structure that no training draws, with a seed that the standard test set does not use.

    On structures of training errors are smaller than elsewhere; what is fitted there would promise too much.
    """
    *_, kind = COMBINATIONS[number % len(COMBINATIONS)]
    made = standard_specimen(kind, (size, size), np.random.default_rng([seed, STREAM, number]))
    return Field("calibration", kind, f"calibration-{number}", made.image, made.density, fwhm_px=made.fwhm_px)


def calibration_job(candidate: Candidate, settings: RestoreEvaluationSettings) -> Job[DeviationFit]:
    """Match deviations with errors on images disjoint from every test set.

    Returns
    -------
    DeviationFit
        Curve and intervals; yields updates in sampled images.

    Raises
    ------
    DiffuscopeError
        If errors or deviations are 0 almost everywhere.
    """
    images = []
    crop = calibration_edge(settings)
    for number in range(settings.calibration_images):
        yield Update(number, settings.calibration_images)
        field = calibration_field(number, seed=settings.seed, size=min(settings.size, crop + 64))
        level, noise, _ = COMBINATIONS[number % len(COMBINATIONS)]
        case = make_case(CaseName(field, noise, level, settings.target), seed=settings.seed)
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
        error = np.abs(case.clean[part].astype(np.float64) - drawn.image.mean(0, dtype=np.float64))
        deviation = drawn.image.std(0, ddof=1, dtype=np.float64)
        images.append((error / drawn.scale, deviation / drawn.scale))
    curve = vars(fit_curve(images, samples=settings.samples))
    return DeviationFit(settings.samples, **{name: _rounded(values) for name, values in curve.items()})


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    """As a card has them: five digits."""
    return tuple(float(f"{value:.5g}") for value in values)


def _quietly(job: Job[Timed], done: int, total: int) -> Job[Timed]:
    """Pass on that a job goes on, without its own count."""
    return (yield from relayed(job, lambda _: Update(done, total)))


def store_fit(candidate: Candidate, fit: DeviationFit, settings: RestoreEvaluationSettings) -> None:
    """Write a fit into the card of a model folder, all or nothing.

    The factor of earlier versions stays what it is, so that their results can be made again.

    Raises
    ------
    DiffuscopeError
        If the model is a checkpoint, which has no card, or its folder cannot be written to.
    """
    path = card_path(candidate)
    values = json.loads(path.read_text(encoding="utf-8"))
    values["deviation_fit"] = asdict(fit)
    facts = {**calibration_facts(settings), "sha256": candidate.sha256}
    values.setdefault("metrics", {})["deviation_calibration"] = facts
    try:
        replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DiffuscopeError(
            f"The calibration cannot be written to {path}: {error.strerror}; copy the model folder and calibrate that."
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
            f"{candidate.place} is a checkpoint without a card to keep a calibration in; "
            "make a model folder of it with 'diffuscope models import' first."
        )
    return path
