"""Images on which deviations of restorations are matched with errors, and how they are drawn."""

from __future__ import annotations

from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from napari_diffuscope.evaluate.calibration import FACTS, DrawnImage, fit_of
from napari_diffuscope.evaluate.restore.cases import SCANNER, Case, CaseName, make_case
from napari_diffuscope.evaluate.restore.fields import Field
from napari_diffuscope.evaluate.restore.models import Candidate, Timed, draw_samples, middle
from napari_diffuscope.evaluate.restore.scanner import Scanner
from napari_diffuscope.evaluate.restore.settings import LEVELS, NOISES, RestoreEvaluationSettings, Target
from napari_diffuscope.evaluate.restore.structures import STRUCTURES, standard_specimen
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.measure.seen_noise import COLOUR, LEVEL, seen_noise
from napari_diffuscope.simulate.scanning import Scan
from napari_diffuscope.weights.card_parts import DeviationFit

COMBINATIONS = tuple(product(LEVELS, NOISES, STRUCTURES))
"""Level, noise and structure of the images, in turn: a fit on some of them alone would not suit the others."""

STREAM, SCANNERS = 7002, 7003
"""Keep these random numbers apart from those of training (0, 1) and of the standard test set."""

TERMS: dict[Target, dict[str, int]] = {"equal-blur": {COLOUR: 2}, "sharp": {LEVEL: 2}}
"""What counts beside the deviation, by how many points: what suited structures best that the fit had not seen
(``benchmarks/error_bars.py --terms``). Under a blur that is not known the strength of the noise tells more."""

DATA = "simulated structures that no training draws, noise of a camera and of scanners of any bandwidth"


def calibration_facts(settings: RestoreEvaluationSettings) -> dict[str, Any]:
    """What decides a calibration; written into the card beside its result."""
    names = ("target", "samples", "steps", "seed", "calibration_images")
    chosen = {name: value for name, value in asdict(settings).items() if name in names}
    return {**chosen, "edge": calibration_edge(settings), "data": DATA}


def is_calibrated(candidate: Candidate, settings: RestoreEvaluationSettings) -> bool:
    """Whether its card holds the very calibration that the settings ask for, of these weights."""
    calibrated = candidate.card.metrics.get(FACTS)
    return bool(calibrated == {**calibration_facts(settings), "sha256": candidate.sha256})


def calibration_edge(settings: RestoreEvaluationSettings) -> int:
    """Edge in pixels of the part of each image that is sampled."""
    return min(settings.crop, 128)


def calibration_case(number: int, *, seed: int, size: int, target: Target) -> Case:
    """An image that no training draws, with a seed that the standard test set does not use.

    On structures of training errors are smaller than elsewhere; what is fitted there would promise too much. Scanners
    carry on any part of the signal, for the one of the test set is one of many.

    Parameters
    ----------
    number
        Decides the structure, the noise and its level; 18 are one of every kind.
    seed, size, target
        As of the evaluation.
    """
    level, noise, kind = COMBINATIONS[number % len(COMBINATIONS)]
    made = standard_specimen(kind, (size, size), np.random.default_rng([seed, STREAM, number]))
    name = f"calibration-{number}"
    field = Field("calibration", kind, name, made.image, made.density, fwhm_px=made.fwhm_px)
    scanner = _scanner(number, seed) if noise == "scanner" else SCANNER
    return make_case(CaseName(field, noise, level, target), seed=seed, scanner=scanner)


def _scanner(number: int, seed: int) -> Scanner:
    rng = np.random.default_rng([SCANNERS + seed, number])
    memory, flicker = float(rng.uniform(0.15, 0.65)), float(rng.uniform(0, 0.03))
    return Scanner(pulse_shape=float(rng.uniform(1, 4)), scanning=Scan(memory=memory, flicker=flicker))


def calibration_job(candidate: Candidate, settings: RestoreEvaluationSettings) -> Job[DeviationFit]:
    """Match deviations with errors on images disjoint from every test set.

    Returns
    -------
    DeviationFit
        Curve, terms and intervals; yields updates in sampled images.

    Raises
    ------
    DiffuscopeError
        If errors or deviations are 0 almost everywhere.
    """
    images = []
    crop = calibration_edge(settings)
    for number in range(settings.calibration_images):
        yield Update(number, settings.calibration_images)
        case = calibration_case(number, seed=settings.seed, size=settings.size, target=settings.target)
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
        noise = seen_noise(case.noisy / drawn.scale)
        images.append(DrawnImage(error / drawn.scale, deviation / drawn.scale, noise))
    return fit_of(images, samples=settings.samples, terms=TERMS[settings.target])


def _quietly(job: Job[Timed], done: int, total: int) -> Job[Timed]:
    """Pass on that a job goes on, without its own count."""
    return (yield from relayed(job, lambda _: Update(done, total)))
