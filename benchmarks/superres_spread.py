"""Whether samples of a super-resolution differ from the best estimate as much as the truth does.

    python benchmarks/superres_spread.py training_sample1.tif --planes 133 250 --factors 2 4

One sample and the estimate of a volume whose planes are all known. By the distance of a plane from the next measured
one: the root mean square difference of sample and truth from the estimate, in grey values, and the share of the true
values that lie as near to the estimate as 68, 90 and 95 % of the sample's do. Were the truth one more sample, the
differences would be equal and the shares 68, 90 and 95 %.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_diffuscope import superresolve
from napari_diffuscope.evaluate.superres.evaluation import read_truth
from napari_diffuscope.evaluate.superres.judge import known_planes
from napari_diffuscope.evaluate.superres.settings import SuperresEvaluationSettings

SHARES = (0.68, 0.9, 0.95)


def main() -> None:
    """Print a line for each factor and distance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("volume", type=Path)
    parser.add_argument(
        "--planes", type=int, nargs=2, required=True, help="first, and the one after the last"
    )
    parser.add_argument("--size", type=int, default=128, help="edge of the part of each plane that is taken")
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--model", default="superres-em")
    given = parser.parse_args()
    whole = read_truth(
        SuperresEvaluationSettings(
            data=str(given.volume), models=(given.model,), planes=tuple(given.planes), size=given.size
        )
    )
    print("| factor | distance | sample from estimate | truth from estimate | 68 % | 90 % | 95 % |")
    for factor in given.factors:
        truth = whole[: known_planes(len(whole), factor)]
        estimate, sample = (
            superresolve(truth[::factor], axes="ZYX", model=given.model, zoom=factor, mode=mode).superresolved
            for mode in ("estimate", "sample")
        )
        place = np.arange(len(truth)) % factor
        for distance in range(1, factor // 2 + 1):
            there = np.minimum(place, factor - place) == distance
            spread, error = (np.abs(volume - estimate)[there] for volume in (sample, truth))
            means = [float(np.sqrt(np.square(each).mean())) for each in (spread, error)]
            inside = [100 * float((error <= np.quantile(spread, share)).mean()) for share in SHARES]
            cells = [f"{mean:.2f}" for mean in means] + [f"{share:.1f} %" for share in inside]
            print(f"| {factor} × | {distance} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
