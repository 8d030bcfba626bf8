"""Record what microssim and NanoPyx say of images that everybody can make again. See README.md."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tifffile
from microssim import MicroMS3IM, MicroSSIM
from nanopyx.core.analysis.decorr import DecorrAnalysis
from nanopyx.methods.squirrel.error_map import calculate_error_map

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from images import DECORRELATION, MICRO, SQUIRREL  # noqa: E402

SAMPLES = HERE.parents[2] / "src" / "napari_diffuscope" / "sample_data"


def main() -> None:
    recorded = {
        "versions": {name: version(name) for name in ("microssim", "nanopyx", "torchmetrics", "numpy")},
        "micro": {name: micro(*pair(read)) for name, pair in MICRO.items()},
        "squirrel": {name: squirrel(*pair(read)) for name, pair in SQUIRREL.items()},
        "decorrelation": {name: decorrelation(image(read)) for name, image in DECORRELATION.items()},
    }
    (HERE / "recorded.json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


def read(name: str) -> np.ndarray:
    return tifffile.imread(SAMPLES / name)


def micro(truths: list[np.ndarray], images: list[np.ndarray]) -> dict[str, object]:
    """One pair as arrays, several as lists: their factor is fitted over all of them."""
    alone = len(truths) == 1
    given = (truths[0], images[0]) if alone else (truths, images)
    single, multi = MicroSSIM().fit(*given), MicroMS3IM().fit(*given)
    return {
        "factor": float(single.get_parameters()["ri_factor"]),
        "microssim": [float(single.score(t, i)) for t, i in zip(truths, images, strict=True)],
        "microms3im": [float(multi.score(t, i)) for t, i in zip(truths, images, strict=True)],
    }


def squirrel(reference: np.ndarray, image: np.ndarray) -> dict[str, float]:
    error, rse, rsp = calculate_error_map(reference, image)
    return {
        "rse": float(rse),
        "rsp": float(rsp),
        "map_mean": float(error.mean()),
        "map_max": float(error.max()),
    }


def decorrelation(image: np.ndarray) -> dict[str, float]:
    analysis = DecorrAnalysis()
    analysis.run_analysis(image)
    return {"resolution": float(analysis.resolution)}


if __name__ == "__main__":
    main()
