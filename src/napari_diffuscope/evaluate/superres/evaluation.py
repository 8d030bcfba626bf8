"""The evaluation of super-resolution: planes are taken from a known volume, and put back by models and others."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.drawing import can_draw
from napari_diffuscope.evaluate.folder import FIGURES, keep_arguments
from napari_diffuscope.evaluate.harness import Findings, label_of
from napari_diffuscope.evaluate.superres.baselines import BASELINES, SHARPENED, baselines
from napari_diffuscope.evaluate.superres.judge import ORIENTATIONS, judge, known_planes
from napari_diffuscope.evaluate.superres.report import draw_views, report
from napari_diffuscope.evaluate.superres.settings import SuperresEvaluationSettings, Variant
from napari_diffuscope.evaluate.tables import Table, Value
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.ready import check_suits
from napari_diffuscope.methods.running import memory_job
from napari_diffuscope.methods.superres.job import check_slices
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.outputs import RESULT
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.simulate.optics import FWHM_PER_SIGMA
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import load_model

TRUTH = "truth"
COLUMNS = (
    "factor",
    "method",
    "variant",
    "orientation",
    "psnr",
    "ssim",
    "frechet",
    "floor",
    "evaluations",
    "seconds",
    "disagreement",
    "setting",
)


@dataclass(frozen=True)
class _Made:
    """A volume under test and what it took."""

    method: str
    variant: str
    volume: np.ndarray
    seconds: float
    evaluations: int = 0
    disagreement: float = float("nan")
    setting: str = ""


def superres_findings(settings: SuperresEvaluationSettings, out: Path) -> Job[Findings]:
    """Take planes away from a volume and let all methods put them back; only missing planes count.

    Yields
    ------
    Update
        One step per method and factor.

    Raises
    ------
    DiffuscopeError
        For data or models that cannot be used, or a folder that holds another evaluation.
    """
    yield Update(0, 0, "Opening models and data")
    truth, models = read_truth(settings), _models(settings)
    keep_arguments(out, {"kind": "superres", **settings.facts()})
    table = Table(out / "superres.csv", COLUMNS, ("factor", "method", "variant", "orientation"))
    each = 1 + len(baselines(settings.axial_fwhm)) + sum(len(variants) for _, _, variants in models)
    done, total = 0, each * len(settings.factors)
    for factor in settings.factors:
        planes = truth[: known_planes(len(truth), factor)]
        views: dict[str, np.ndarray] = {TRUTH: planes}
        for made in _volumes(settings, planes, factor, models, table):
            if isinstance(made, Update):
                yield Update(done, total, made.message)
                continue
            if isinstance(made, _Made):
                table.add(_rows(made, planes, factor, settings.patch))
                views[made.method if not made.variant else f"{made.method}, {made.variant}"] = made.volume
            done += 1
            yield Update(done, total, f"{factor} x")
        if len(views) > 1 and can_draw():
            draw_views(out / FIGURES, views, factor)
    return Findings({"superres": table.rows}, report(table.rows, settings, truth.shape))


def read_truth(settings: SuperresEvaluationSettings) -> np.ndarray:
    """The volume whose planes are all known, float32.

    Raises
    ------
    DiffuscopeError
        If it is no stack, or has too few planes or pixels.
    """
    image = open_image(settings.data)
    if image.axes != "ZYX":
        raise DiffuscopeError(
            f"{settings.data} has the axes {image.axes}; an evaluation needs one volume, ZYX."
        )
    first, last = settings.planes or (0, image.shape[0])
    if not 0 <= first < last <= image.shape[0]:
        raise DiffuscopeError(
            f"{settings.data} has {image.shape[0]} planes; {first} to {last - 1} are not there."
        )
    if last - first <= max(settings.factors):
        raise DiffuscopeError(
            f"{last - first} planes are too few to keep every {max(settings.factors)}th; name more planes."
        )
    y, x = (
        slice((n - min(n, settings.size)) // 2, (n + min(n, settings.size)) // 2) for n in image.plane_shape
    )
    return np.stack([image.read_plane(flat)[y, x] for flat in range(first, last)])


def taken_planes(truth: np.ndarray, factor: int, settings: SuperresEvaluationSettings) -> np.ndarray:
    """The planes that a microscope would have taken: every so many, as thick and as noisy as the settings say."""
    from scipy.ndimage import gaussian_filter1d

    if settings.axial_fwhm:
        truth = gaussian_filter1d(truth, settings.axial_fwhm / FWHM_PER_SIGMA, axis=0, mode="reflect")
    taken = np.ascontiguousarray(truth[::factor])
    if settings.noise:
        rng = np.random.default_rng([settings.seed, factor])
        deviation = np.float32(settings.noise * float(np.ptp(truth)))
        taken = taken + deviation * rng.standard_normal(taken.shape, dtype=np.float32)
    return taken


_Model = tuple[str, str, tuple[Variant, ...]]


def _models(settings: SuperresEvaluationSettings) -> list[_Model]:
    """Label, place and variants of each model."""
    opened: list[_Model] = []
    for place in settings.models:
        model = load_model(place)
        check_suits(model.card, SUPERRES, SuperresSettings(model=place))
        check_slices(model.card)
        taken = (*BASELINES, SHARPENED, TRUTH, *(label for label, _, _ in opened))
        label = label_of(model.card.name, place, taken)
        opened.append((label, place, tuple(v for v in settings.variants if _can(model.card, v))))
    return opened


def _can(card: ModelCard, variant: Variant) -> bool:
    if variant == "as-published":
        return card.diffusion.published_steps is not None
    return variant == "estimate" or not card.diffusion.estimate_only


def _volumes(
    settings: SuperresEvaluationSettings,
    truth: np.ndarray,
    factor: int,
    models: Sequence[_Model],
    table: Table,
) -> Generator[_Made | Update | None, None, None]:
    """Volumes one after the other; ``None`` for those whose rows are there."""
    there = {(row["factor"], row["method"], row["variant"]) for row in table.rows}
    measured = taken_planes(truth, factor, settings)
    yield None if (str(factor), TRUTH, "") in there else _Made(TRUTH, "", truth, 0.0)
    for name, method in baselines(settings.axial_fwhm).items():
        if (str(factor), name, "") in there:
            yield None
            continue
        began = time.perf_counter()
        filled = method(measured, factor, truth)
        yield _Made(name, "", filled.volume, time.perf_counter() - began, setting=filled.setting)
    for label, place, variants in models:
        for variant in variants:
            if (str(factor), label, variant) in there:
                yield None
            else:
                yield from _of_model(settings, measured, factor, label, place, variant)


def _of_model(
    settings: SuperresEvaluationSettings,
    measured: np.ndarray,
    factor: int,
    label: str,
    place: str,
    variant: Variant,
) -> Generator[_Made | Update, None, None]:
    choices: dict[str, Any] = {
        "model": place, "zoom": factor, "seed": settings.seed, "device": settings.device, "steps": settings.steps,
        "samples": settings.samples,
    }  # fmt: skip
    if variant == "two-samples":
        choices |= {"mode": "mean", "samples": 2, "steps": max(1, settings.steps // 2)}
    else:
        choices["mode"] = "sample" if variant == "sample-averaged" else variant
    chosen = SuperresSettings(**choices, consensus=variant != "sample-averaged")
    image = Image(measured, "ZYX")
    job = memory_job(SUPERRES, {"image": image}, chosen)
    began, evaluations = time.perf_counter(), 0
    try:
        while True:
            update = next(job)
            evaluations = max(evaluations, update.total)
            yield Update(0, 0, f"{label}, {variant}, {factor} x: {update.done} of {update.total} slices")
    except StopIteration as stop:
        made = stop.value
        apart = made.record["disagreement"][0]["value"]
    finally:
        job.close()
    yield _Made(
        label,
        variant,
        made.outputs[RESULT],
        time.perf_counter() - began,
        evaluations,
        float("nan") if apart is None else apart,
    )


def _rows(made: _Made, truth: np.ndarray, factor: int, patch: int) -> list[dict[str, Value]]:
    judged = judge(truth, made.volume, factor, patch)
    facts = {name: getattr(made, name) for name in COLUMNS if hasattr(made, name)}
    perfect = {"psnr": float("inf")} if made.method == TRUTH else {}
    return [
        {"factor": factor, "orientation": orientation, **facts, **vars(judged[orientation]), **perfect}
        for orientation in ORIENTATIONS
    ]
