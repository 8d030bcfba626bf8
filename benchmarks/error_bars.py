"""How wide error bars of a model for restoration must be: ``python benchmarks/error_bars.py OUT --target equal-blur``.

The same images, noise, samples and fit as ``diffuscope evaluate restore standard --calibrate``, but of a window of each
image alone, without what lies around it: a fourth of the work. Draws of every image are kept in the folder OUT, so that
it can be stopped and gone on with; ``--store`` writes the fit into the model's card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.solvers import Query, driven
from napari_diffuscope.evaluate.restore.calibration import COMBINATIONS, calibration_field
from napari_diffuscope.evaluate.restore.cases import Case, CaseName, case_names, make_case
from napari_diffuscope.evaluate.restore.fields import read_fields
from napari_diffuscope.evaluate.restore.models import middle
from napari_diffuscope.evaluate.restore.settings import LEVELS, NOISES, STANDARD, RestoreEvaluationSettings
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.measure.deviations import conformal, fit_curve, half_widths, on_curve
from napari_diffuscope.methods.restore.chains import sample_chain
from napari_diffuscope.weights.model import Model, load_model, model_place

WINDOW, INNER, TOGETHER = 112, 80, 4
"""Edge of the window, of its middle that is judged, and samples drawn at a time."""

SHOWN = (0.68, 0.9, 0.95)
MODELS = {"equal-blur": "restoration-fluorescence", "sharp": "deblurring-fluorescence"}

Drawn = tuple[tuple[str, ...], np.ndarray, np.ndarray]
"""Noise, level and structure of an image; absolute errors and deviations in values of the network."""


def draw(model: Model, case: Case, settings: RestoreEvaluationSettings) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the middle of an image, and the truth, in values of the network."""
    line = measure_intensities(Image.wrap(case.noisy, "YX"))[0].map
    window, inner = middle(case.noisy.shape, WINDOW), middle(case.noisy.shape, INNER)
    condition = torch.from_numpy(line.forward(case.noisy.astype(np.float32))[window])[None, None]
    edge, samples = (WINDOW - INNER) // 2, []
    for first in range(0, settings.samples, TOGETHER):
        noise = torch.randn(
            (TOGETHER, 1, WINDOW, WINDOW), generator=torch.Generator().manual_seed(1000 + first)
        )
        final = chain(model, settings.steps, noise, condition.expand(TOGETHER, -1, -1, -1))
        samples.append(final[:, 0, edge : edge + INNER, edge : edge + INNER].numpy())
    return np.concatenate(samples)[: settings.samples], line.forward(case.clean.astype(np.float64))[inner]


def chain(model: Model, steps: int, noise: Tensor, condition: Tensor) -> Tensor:
    """The end of a chain that begins with this noise."""

    def answer(query: Query) -> Generator[None, None, Tensor]:
        with torch.inference_mode():
            estimate = model.estimate(query.x, query.level, condition)
        yield
        return estimate

    work = driven(sample_chain(model, steps).start(lambda _: noise), answer)  # type: ignore[arg-type]
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def cases(settings: RestoreEvaluationSettings, images: int) -> Iterator[tuple[str, CaseName]]:
    """Images of the calibration and of the test set in turn, each noise and level soon."""
    fields = read_fields((STANDARD,), seed=settings.seed, edge=settings.size, shrink=2, limit=1)
    tested = case_names(fields, tuple(NOISES), tuple(LEVELS), settings.target)
    for turn in range(images):
        number = 7 * turn % len(COMBINATIONS) + len(COMBINATIONS) * (turn // len(COMBINATIONS))
        level, noise, _ = COMBINATIONS[number % len(COMBINATIONS)]
        field = calibration_field(number, seed=settings.seed, size=192)
        yield f"calib-{number:02d}", CaseName(field, noise, level, settings.target)
        if turn < len(tested):
            at = 7 * turn % len(tested)
            yield f"test-{at:02d}", tested[at]


def kept(out: Path, model: Model, settings: RestoreEvaluationSettings, images: int) -> dict[str, Drawn]:
    """Errors and deviations of all images, drawn where they are not there yet."""
    results = {}
    for name, case in cases(settings, images):
        path = out / f"{settings.target}-{name}.npz"
        if not path.exists():
            drawn, truth = draw(model, make_case(case, seed=settings.seed), settings)
            np.savez(path, drawn=drawn, truth=truth)
            print(path.name, flush=True)
        with np.load(path) as arrays:
            drawn, truth = arrays["drawn"].astype(np.float64), arrays["truth"]
        results[name] = (
            (case.noise, case.level, case.field.group),
            np.abs(drawn.mean(0) - truth),
            drawn.std(0, ddof=1),
        )
    return results


def table(tested: list[Drawn], fit: dict[str, Any], samples: int) -> Iterator[str]:
    """Shares inside, for each noise and level, and what nine of ten images need."""
    widths = dict(
        zip(
            fit["shares"], half_widths(fit["shares"], fit["widths"], of=samples, samples=samples), strict=True
        )
    )
    ratios = [error / on_curve(deviation, fit["deviation"], fit["fitted"]) for _, error, deviation in tested]
    for noise in (*NOISES, ""):
        for level in LEVELS if noise else ("",):
            part = [
                r
                for (key, *_), r in zip(tested, ratios, strict=True)
                if not noise or key[:2] == (noise, level)
            ]
            if part:
                shares = [
                    100 * float(np.mean([(r <= widths[share]).mean() for r in part])) for share in SHOWN
                ]
                yield (
                    f"| {noise or 'all'} | {level} | {len(part)} | "
                    + " | ".join(f"{s:.1f} %" for s in shares)
                    + " |"
                )
    for share in SHOWN:
        found = sorted(100 * float((r <= widths[share]).mean()) for r in ratios)
        enough = conformal([float(np.quantile(r, share)) for r in ratios], 0.9)
        between = f"found {found[0]:.1f} to {found[-1]:.1f} %"
        yield f"{share:.0%}: card {widths[share]:.3f}, nine of ten images {enough}, {between}"


def main() -> None:
    """Draw, fit, print, and store if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--target", choices=sorted(MODELS), default="equal-blur")
    parser.add_argument("--images", type=int, default=18)
    parser.add_argument("--points", type=int, default=8)
    parser.add_argument("--store", action="store_true")
    given = parser.parse_args()
    settings = RestoreEvaluationSettings(
        target=given.target, models=(MODELS[given.target],), samples=8, steps=10
    )
    given.out.mkdir(parents=True, exist_ok=True)
    results = kept(given.out, load_model(MODELS[given.target]), settings, given.images)
    fitted_on = [
        (error, deviation) for name, (_, error, deviation) in results.items() if name.startswith("calib")
    ]
    curve = fit_curve(fitted_on, samples=settings.samples, points=given.points)
    fit = {name: [float(f"{value:.5g}") for value in values] for name, values in asdict(curve).items()}
    print(fit, f"{len(fitted_on)} images")
    print(
        "\n".join(table([r for name, r in results.items() if name.startswith("test")], fit, settings.samples))
    )
    if given.store:
        path = model_place(MODELS[given.target]) / "model.json"
        card = json.loads(path.read_text(encoding="utf-8"))
        card["deviation_fit"] = {"samples": settings.samples, **fit}
        card["metrics"]["deviation_calibration"] = {
            "target": settings.target, "samples": settings.samples, "steps": settings.steps, "seed": settings.seed,
            "calibration_images": len(fitted_on), "edge": INNER, "sha256": card["sha256"],
            "data": "simulated structures that no training draws, noise of camera and scanner",
            "command": "python benchmarks/error_bars.py OUT --store",
        }  # fmt: skip
        path.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
