"""How wide error bars of super-resolution must be: ``python benchmarks/superres_error_bars.py OUT volume.tif``.

Planes of an isotropic volume are taken away, and samples of them drawn. The deviations of some planes are matched with
their errors, and other planes are counted by the fit: those that lie within the intervals, by how many times finer it
gets and by the distance from the next measured plane. Draws are kept in the folder OUT, so that it can be stopped and
gone on with; ``--store`` writes the fit into the card.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_diffuscope import superresolve
from napari_diffuscope.evaluate.calibration import DrawnImage, fit_of, store_fit
from napari_diffuscope.evaluate.superres.evaluation import read_truth
from napari_diffuscope.evaluate.superres.judge import known_planes
from napari_diffuscope.evaluate.superres.settings import SuperresEvaluationSettings
from napari_diffuscope.measure.deviations import factor_of, half_widths, on_curve
from napari_diffuscope.methods.superres.error_bars import ZOOM, zoom_measures
from napari_diffuscope.weights.card_parts import DeviationFit
from napari_diffuscope.weights.model import load_model

SHOWN = (0.68, 0.9, 0.95)


@dataclass(frozen=True, eq=False)
class DrawnPlanes(DrawnImage):
    """Planes between measured ones after samples were drawn of them, and how far from a measured one each lies."""

    factor: int = 0
    distance: np.ndarray | None = None


def draw(given: argparse.Namespace, planes: Sequence[int], size: int, factor: int) -> DrawnPlanes:
    """Samples of planes that were taken away, in values of the network; read where they were drawn before."""
    first, end = planes
    digest = load_model(given.model).sha256[:8]
    path = given.out / f"{digest}-{first}-{end}-{size}-{given.samples}-{factor}.npz"
    if not path.exists():
        settings = SuperresEvaluationSettings(
            data=str(given.volume),
            models=(given.model,),
            planes=(first, end),
            size=size,
            factors=(factor,),
        )
        whole = read_truth(settings)
        truth = whole[: known_planes(len(whole), factor)]
        done = superresolve(
            truth[::factor], axes="ZYX", model=given.model, zoom=factor, mode="mean", samples=given.samples,
            error_bars="factor",
        )  # fmt: skip
        scale = done.record["intensity"][0]["scale"]
        missing = np.arange(len(truth)) % factor > 0
        error = np.abs(truth.astype(np.float64) - done.superresolved)[missing] / scale
        np.savez(path, error=error, deviation=done.deviation[missing].astype(np.float64) / scale)
        print(path.name, flush=True)
    with np.load(path) as arrays:
        error, deviation = arrays["error"], arrays["deviation"]
    place = np.arange(len(error)) % (factor - 1) + 1
    return DrawnPlanes(error, deviation, zoom_measures(factor), factor, np.minimum(place, factor - place))


def rows(tested: Sequence[DrawnPlanes], fit: DeviationFit) -> Iterator[str]:
    """Shares within the intervals, in per cent, with the spread of single planes."""
    widths = dict(
        zip(fit.shares, half_widths(fit.shares, fit.widths, of=fit.samples, samples=fit.samples), strict=True)
    )
    yield "| planes kept | distance | planes | " + " | ".join(f"{share:.0%}" for share in SHOWN) + " |"
    yield "|---|---|---" + "|---" * len(SHOWN) + "|"
    for planes in tested:
        given = factor_of(fit.terms, planes.measures) * on_curve(planes.deviation, fit.deviation, fit.fitted)
        ratio = planes.error / given
        distances: list[int | str] = [*range(1, planes.factor // 2 + 1), "all"]
        for distance in distances if planes.factor > 2 else ["all"]:
            there = ratio[slice(None) if distance == "all" else planes.distance == distance]
            inside = [100 * (there <= widths[share]).mean((1, 2)) for share in SHOWN]
            cells = [f"{each.mean():.1f} % ({each.min():.0f} to {each.max():.0f})" for each in inside]
            yield f"| {planes.factor} × | {distance} | {len(there)} | {' | '.join(cells)} |"


def main() -> None:
    """Draw, fit, print, and store if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("volume", type=Path)
    parser.add_argument(
        "--fit", type=int, nargs=2, default=(100, 133), help="first plane, and the one after the last"
    )
    parser.add_argument("--test", type=int, nargs=2, default=(185, 250), help="likewise")
    parser.add_argument("--size", type=int, default=64, help="edge of the part of each plane that is taken")
    parser.add_argument("--test-size", type=int, default=48, help="likewise, of those that are tested")
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--model", default="superres-em")
    parser.add_argument("--store", action="store_true", help="write the fit into the card")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    fitted_on = [draw(given, given.fit, given.size, factor) for factor in given.factors]
    fit = fit_of(fitted_on, samples=given.samples, terms={ZOOM: len(given.factors)})
    print(f"Planes {given.fit[0]} to {given.fit[1] - 1}: {fit}", *rows(fitted_on, fit), sep="\n", flush=True)
    tested = [draw(given, given.test, given.test_size, factor) for factor in given.factors]
    print(f"Planes {given.test[0]} to {given.test[1] - 1}:", *rows(tested, fit), sep="\n")
    if given.store:
        facts = {
            "samples": given.samples, "edge": given.size, "planes": list(given.fit), "factors": list(given.factors),
            "data": "planes of the FIB-SEM volume that were kept out of the training",
            "sha256": load_model(given.model).sha256,
            "command": f"python benchmarks/superres_error_bars.py OUT {given.volume.name} --size {given.size} --store",
        }  # fmt: skip
        store_fit(given.model, fit, facts)


if __name__ == "__main__":
    main()
