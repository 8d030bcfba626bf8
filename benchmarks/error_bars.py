"""How wide error bars of a model for restoration must be: ``python benchmarks/error_bars.py OUT --target equal-blur``.

The images, noise and fit of ``diffuscope evaluate restore standard --calibrate``, but of a window of each image alone,
without what lies around it: a fourth of the work. Draws of every image are kept in the folder OUT, so that it can be
stopped and gone on with, and fitted without drawing (``--minutes 0``); ``--store`` writes the fit into the card.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.solvers import Query, driven
from napari_diffuscope.evaluate.calibration import DrawnImage, fit_of, store_fit
from napari_diffuscope.evaluate.restore.calibration import COMBINATIONS, DATA, TERMS, calibration_case
from napari_diffuscope.evaluate.restore.cases import Case, case_names, make_case
from napari_diffuscope.evaluate.restore.fields import read_fields
from napari_diffuscope.evaluate.restore.models import middle
from napari_diffuscope.evaluate.restore.settings import LEVELS, NOISES, STANDARD, RestoreEvaluationSettings
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.stack_intensity import measure_intensities
from napari_diffuscope.measure.deviations import conformal, factor_of, half_widths, on_curve
from napari_diffuscope.measure.seen_noise import COLOUR, LEVEL, seen_noise
from napari_diffuscope.methods.restore.chains import sample_chain
from napari_diffuscope.weights.card_parts import DeviationFit
from napari_diffuscope.weights.model import Model, load_model

WINDOW, INNER, TOGETHER = 96, 64, 4
"""Edge of the window, of its middle that is judged, and samples drawn at a time."""

FIELDS, APART = 3, 31
"""Fields of each structure of the standard set, and how far apart images are that are tested one after the other."""

SHOWN = (0.68, 0.9, 0.95)
MODELS = {"equal-blur": "restoration-fluorescence", "sharp": "deblurring-fluorescence"}


@dataclass(frozen=True, eq=False)
class Judged(DrawnImage):
    """A drawn image, and of which kind it is."""

    noise: str = ""
    level: str = ""
    structure: str = ""
    specimen: str = ""
    standard: bool = False


def draw(model: Model, case: Case, settings: RestoreEvaluationSettings, name: str) -> dict[str, np.ndarray]:
    """Samples of the middle of an image, and the truth, in values of the network; and what its noise is like."""
    line = measure_intensities(Image.wrap(case.noisy, "YX"))[0].map
    shown = line.forward(case.noisy.astype(np.float32))
    condition = torch.from_numpy(shown[middle(shown.shape, WINDOW)].copy())[None, None]
    start = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    noise = torch.randn((settings.samples, 1, WINDOW, WINDOW), generator=start)
    edge = (WINDOW - INNER) // 2
    finals = [
        chain(model, settings.steps, part, condition.expand(len(part), -1, -1, -1))[:, 0]
        for part in noise.split(TOGETHER)
    ]
    truth = line.forward(case.clean.astype(np.float64))[middle(shown.shape, INNER)]
    inner = slice(edge, edge + INNER)
    return {"drawn": torch.cat(finals)[:, inner, inner].numpy(), "truth": truth, **seen_noise(shown)}  # type: ignore[dict-item]


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


def cases(settings: RestoreEvaluationSettings, size: int) -> Iterator[tuple[str, Case]]:
    """Images of the calibration and of the standard set in turn, each noise and level soon."""
    fields = read_fields((STANDARD,), seed=settings.seed, edge=settings.size, shrink=2, limit=FIELDS)
    tested = case_names(fields, tuple(NOISES), tuple(LEVELS), settings.target)
    for turn in range(max(settings.calibration_images, len(tested))):
        if turn < settings.calibration_images:
            number = 7 * turn % len(COMBINATIONS) + len(COMBINATIONS) * (turn // len(COMBINATIONS))
            case = calibration_case(number, seed=settings.seed, size=size, target=settings.target)
            yield f"field-{size}-{number:03d}", case
        if turn < len(tested):
            at = APART * turn % len(tested)
            yield f"test-{at:03d}", make_case(tested[at], seed=settings.seed)


def kept(out: Path, settings: RestoreEvaluationSettings, size: int, minutes: float) -> list[Judged]:
    """All images, drawn where they are not there yet and there is time."""
    model, ends = load_model(MODELS[settings.target]), time.monotonic() + 60 * minutes
    images = []
    for name, case in cases(settings, size):
        path = out / f"{settings.target}-{model.sha256[:8]}-{name}.npz"
        if not path.exists():
            if time.monotonic() > ends:
                continue
            np.savez(path, **draw(model, case, settings, name))
            print(path.name, flush=True)
        with np.load(path) as arrays:
            drawn, truth = arrays["drawn"].astype(np.float64), arrays["truth"]
            measures = {each: float(arrays[each]) for each in arrays if each not in ("drawn", "truth")}
        error, spread = np.abs(drawn.mean(0) - truth), drawn.std(0, ddof=1)
        field = case.name.field
        images.append(
            Judged(
                error,
                spread,
                measures,
                case.name.noise,
                case.name.level,
                field.group,
                field.name,
                name[0] == "t",
            )
        )
    return images


def ratios(image: DrawnImage, fit: DeviationFit) -> np.ndarray:
    """Errors in deviations as the fit gives them."""
    given = on_curve(image.deviation, fit.deviation, fit.fitted)
    return image.error / (factor_of(fit.terms, image.measures) * given)


def half_widths_of(fit: DeviationFit) -> dict[float, float]:
    """By share."""
    widths = half_widths(fit.shares, fit.widths, of=fit.samples, samples=fit.samples)
    return dict(zip(fit.shares, widths, strict=True))


Row = tuple[Judged, list[float], list[float]]
"""An image; shares inside in per cent, and the half widths that it needs."""


def judged(images: Sequence[Judged], fit: DeviationFit) -> list[Row]:
    """What a fit gives for images."""
    widths = half_widths_of(fit)
    rows = []
    for image in images:
        ratio = ratios(image, fit)
        inside = [100 * float((ratio <= widths[share]).mean()) for share in SHOWN]
        rows.append((image, inside, [float(np.quantile(ratio, share)) for share in SHOWN]))
    return rows


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Mean shares inside with their standard errors over specimens, and what nine of ten images need."""
    yield "| noise | level | images | " + " | ".join(f"{share:.0%}" for share in SHOWN) + " |"
    yield "|---|---|---" + "|---" * len(SHOWN) + "|"
    for noise in (*NOISES, "all"):
        for level in (*LEVELS, "all"):
            part = [row for row in rows if noise in (row[0].noise, "all") and level in (row[0].level, "all")]
            if part and (noise != "all" or level == "all"):
                cells = [f"{mean:.1f} ± {error:.1f} %" for mean, error in _with_errors(part)]
                yield f"| {noise} | {level} | {len(part)} | " + " | ".join(cells) + " |"
    for number, share in enumerate(SHOWN):
        inside = sorted(row[1][number] for row in rows)
        enough = conformal([row[2][number] for row in rows], 0.9)
        yield f"{share:.0%}: nine of ten images need {enough}; found {inside[0]:.1f} to {inside[-1]:.1f} %"


def _with_errors(rows: Sequence[Row]) -> Iterator[tuple[float, float]]:
    """Means and their standard errors; images of one specimen are not independent of each other."""
    specimens: dict[str, list[list[float]]] = {}
    for image, inside, _ in rows:
        specimens.setdefault(image.specimen, []).append(inside)
    means = np.array([np.mean(each, axis=0) for each in specimens.values()])
    errors = means.std(0, ddof=1) / np.sqrt(len(means)) if len(means) > 1 else 0 * means[0]
    yield from zip(np.mean([inside for _, inside, _ in rows], axis=0), errors, strict=True)


def without_structure(
    images: Sequence[Judged], settings: RestoreEvaluationSettings, terms: Mapping[str, int]
) -> list[Row]:
    """Every structure with the fit on the others."""
    rows = []
    for structure in sorted({image.structure for image in images}):
        others = [image for image in images if image.structure != structure]
        fit = fit_of(others, samples=settings.samples, terms=terms)
        rows += judged([image for image in images if image.structure == structure], fit)
    return rows


def of_terms(images: Sequence[Judged], settings: RestoreEvaluationSettings) -> Iterator[str]:
    """Which terms suit structures that the fit has not seen, by the differences at single noises and levels."""
    for names in ((), (COLOUR,), (LEVEL,), (COLOUR, LEVEL)):
        rows = without_structure(images, settings, dict.fromkeys(names, 2))
        kinds = [
            np.mean([inside for image, inside, _ in rows if (image.noise, image.level) == kind], axis=0)
            for kind in product(NOISES, LEVELS)
        ]
        off = np.abs(np.array(kinds) - 100 * np.array(SHOWN))
        yield f"{' and '.join(names) or 'none'}: largest {off.max(0).round(1)}, mean {off.mean(0).round(1)} points"


def main() -> None:
    """Draw, fit, print, and store if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--target", choices=sorted(MODELS), default="equal-blur")
    parser.add_argument("--images", type=int, default=54, help="of the calibration; as many are tested")
    parser.add_argument("--field", type=int, default=256, help="edge of the fields of the fit in pixels")
    parser.add_argument(
        "--minutes", type=float, default=60, help="begin to draw no further image after these"
    )
    parser.add_argument("--store", action="store_true", help="write the fit into the card")
    parser.add_argument("--terms", action="store_true", help="compare what may count beside the deviation")
    given = parser.parse_args()
    settings = RestoreEvaluationSettings(
        target=given.target,
        models=(MODELS[given.target],),
        samples=8,
        steps=10,
        calibration_images=given.images,
    )
    given.out.mkdir(parents=True, exist_ok=True)
    images = kept(given.out, settings, given.field, given.minutes)
    fitted_on = [image for image in images if not image.standard]
    terms = TERMS[settings.target]
    fit = fit_of(fitted_on, samples=settings.samples, terms=terms)
    print(f"Fit on {len(fitted_on)} images: {fit}")
    print("Images of the standard set:", *table(judged([i for i in images if i.standard], fit)), sep="\n")
    left_out = without_structure(images, settings, terms)
    print("All, each structure with a fit on the others:", *table(left_out), sep="\n")
    if given.terms:
        print(*of_terms(images, settings), sep="\n")
    if given.store:
        facts = {
            "target": given.target, "samples": settings.samples, "steps": settings.steps, "seed": settings.seed,
            "calibration_images": len(fitted_on), "edge": INNER, "data": DATA,
            "sha256": load_model(MODELS[given.target]).sha256,
            "command": f"python benchmarks/error_bars.py OUT --target {given.target} --images {len(fitted_on)} "
            f"--field {given.field} --store",
        }  # fmt: skip
        store_fit(MODELS[given.target], fit, facts)


if __name__ == "__main__":
    main()
