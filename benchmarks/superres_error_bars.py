"""How wide error bars of super-resolution must be: ``python benchmarks/superres_error_bars.py OUT volume.tif``.

Planes of an isotropic volume are taken away, and samples of them drawn, in two regions that lie apart. The deviations
of one are matched with their errors, and the fit is judged on the other: how many true values lie within the intervals,
by how many times finer it gets and by the distance from the next measured plane. ``--store`` writes into the card what
fits both. Draws are kept in the folder OUT, so that it can be stopped and gone on with.
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
from napari_diffuscope.methods.superres.error_bars import DISTANCE, ZOOM, distance_measures, zoom_measures
from napari_diffuscope.weights.card_parts import DeviationFit
from napari_diffuscope.weights.model import load_model

SHOWN = (0.68, 0.9, 0.95)

Region = tuple[tuple[int, int], int]
REGIONS: dict[str, dict[int, Region]] = {
    "lower": {2: ((100, 141), 64), 4: ((100, 141), 64), 8: ((100, 165), 80)},
    "upper": {2: ((185, 226), 64), 4: ((185, 226), 64), 8: ((185, 250), 64)},
}
"""By how many times finer: first plane and the one after the last, and edge of the middle that is taken."""

TERMS = {ZOOM: 3, DISTANCE: 3}


@dataclass(frozen=True, eq=False)
class DrawnPlane(DrawnImage):
    """A plane between measured ones after samples were drawn of it."""

    factor: int = 0
    distance: int = 0


def draw(given: argparse.Namespace, region: Region, factor: int) -> list[DrawnPlane]:
    """Samples of planes that were taken away, in values of the network; read where they were drawn before."""
    (first, end), size = region
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
        pairs = list(zip(arrays["error"], arrays["deviation"], strict=True))
    drawn = []
    for number, (error, deviation) in enumerate(pairs):
        place = number % (factor - 1) + 1
        measures = zoom_measures(factor) | distance_measures(place, factor)
        drawn.append(DrawnPlane(error, deviation, measures, factor, min(place, factor - place)))
    return drawn


def rows(planes: Sequence[DrawnPlane], fit: DeviationFit) -> Iterator[str]:
    """Shares within the intervals, in per cent, with the spread of single planes."""
    widths = dict(
        zip(fit.shares, half_widths(fit.shares, fit.widths, of=fit.samples, samples=fit.samples), strict=True)
    )
    yield "| planes kept | distance | planes | " + " | ".join(f"{share:.0%}" for share in SHOWN) + " |"
    yield "|---|---|---" + "|---" * len(SHOWN) + "|"
    for factor in sorted({plane.factor for plane in planes}):
        all_of = [plane for plane in planes if plane.factor == factor]
        distances = sorted({plane.distance for plane in all_of})
        groups = {str(at): [plane for plane in all_of if plane.distance == at] for at in distances}
        for name, group in {**groups, "all": all_of}.items() if len(groups) > 1 else groups.items():
            inside = np.array([[100 * held(plane, fit, widths[share]) for share in SHOWN] for plane in group])
            cells = [f"{each.mean():.1f} % ({each.min():.0f} to {each.max():.0f})" for each in inside.T]
            yield f"| {factor} × | {name} | {len(group)} | {' | '.join(cells)} |"


def fitted_on(planes: Sequence[DrawnPlane], samples: int) -> DeviationFit:
    """The fit of some planes, each of which weighs as much as any other."""
    return fit_of(planes, samples=samples, terms=TERMS)


def held(plane: DrawnPlane, fit: DeviationFit, width: float) -> float:
    """Share of the true values of a plane within so many fitted deviations."""
    fitted = factor_of(fit.terms, plane.measures) * on_curve(plane.deviation, fit.deviation, fit.fitted)
    return float((plane.error <= width * fitted).mean())


def main() -> None:
    """Draw, fit, print, and store if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("volume", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--model", default="superres-em")
    parser.add_argument("--store", action="store_true", help="write the fit into the card")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    drawn = {
        name: [plane for factor, region in of.items() for plane in draw(given, region, factor)]
        for name, of in REGIONS.items()
    }
    for name, planes in drawn.items():
        others = [plane for other in drawn if other != name for plane in drawn[other]]
        print(
            f"\nPlanes of the {name} region, fitted on the other:",
            *rows(planes, fitted_on(others, given.samples)),
            sep="\n",
        )
    both = [plane for planes in drawn.values() for plane in planes]
    fit = fitted_on(both, given.samples)
    print("\nAll planes, fitted on both:", *rows(both, fit), fit, sep="\n")
    if given.store:
        facts = {
            "samples": given.samples,
            "planes": {
                f"{factor}x": [list(of[factor][0]) for of in REGIONS.values()] for factor in REGIONS["lower"]
            },
            "data": "planes of the FIB-SEM volume that were kept out of the training",
            "sha256": load_model(given.model).sha256,
            "command": f"python benchmarks/superres_error_bars.py OUT {given.volume.name} --store",
        }
        store_fit(given.model, fit, facts)


if __name__ == "__main__":
    main()
