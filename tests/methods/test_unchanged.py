"""Results of all methods and modes on the sample files stay what they are, bit for bit on one kind of processor.

``python tests/methods/test_unchanged.py`` writes the recorded results anew, after a change that is meant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope import generate, predict_shapes, restore, superresolve
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.simulate.sample_files import sample_path

RECORDED = Path(__file__).with_name("unchanged.json")
STEPS = {"sample", "mean", "deviation", "samples", "sharpened", "ensemble"}


def _restored(mode: str) -> dict[str, np.ndarray]:
    few = {"steps": 3, "samples": 2} if mode in STEPS else {}
    image = open_image(sample_path("stack_noisy"))
    pixels = np.asarray(image.data[3:5, 40:104, 20:100])
    return dict(restore(pixels, axes="ZYX", mode=mode, seed=5, **few).outputs)


def _superresolved(mode: str) -> dict[str, np.ndarray]:
    few = {"steps": 2, "samples": 2} if mode in STEPS else {}
    image = open_image(sample_path("anisotropic_noisy"))
    pixels = np.asarray(image.data[..., :5, 10:42, 20:52])
    return dict(superresolve(pixels, axes="ZYX", zoom=3, mode=mode, seed=5, **few).outputs)


def _shaped(mode: str) -> dict[str, np.ndarray]:
    few = {"steps": 3, "samples": 2} if mode in STEPS else {}
    image, labels = (open_image(sample_path(f"cells_{name}")) for name in ("image", "labels"))
    first = int(np.unique(np.asarray(labels.data))[2])
    shape = predict_shapes(image, labels, only=[first], mode=mode, seed=5, **few)[first]
    return {"probability": shape.probability}


def _generated(**how: Any) -> dict[str, np.ndarray]:
    made = generate(class_="microtubules", number=1, size=64, seed=5, **how)
    return {"generated": made.generated}


RUNS: dict[str, Callable[[], dict[str, np.ndarray]]] = {
    **{
        f"restore {mode}": lambda mode=mode: _restored(mode)
        for mode in ("estimate", "sample", "mean", "deviation", "samples", "sharpened")
    },
    **{
        f"superres {mode}": lambda mode=mode: _superresolved(mode)
        for mode in ("estimate", "sample", "mean", "deviation")
    },
    "generate": lambda: _generated(steps=3),
    "generate like": lambda: _generated(steps=3, like=_generated(steps=2)["generated"], strength=0.4),
    **{f"shape {mode}": lambda mode=mode: _shaped(mode) for mode in ("estimate", "sample", "ensemble")},
}


def processor() -> str:
    """What decides which kernels run: results are promised bit for bit on one kind of processor.

    The instruction set alone does not: with the same one, libraries choose other kernels for other makers.
    """
    import platform

    import torch

    told = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else [platform.processor()]
    kind = dict(tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    told += [kind[name] for name in ("vendor_id", "cpu family", "model") if name in kind]
    return " ".join(told)


def described(outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Checksum and a few numbers of every output."""
    return {
        name: {
            "sha256": hashlib.sha256(np.ascontiguousarray(values, np.float32).tobytes()).hexdigest(),
            "shape": list(values.shape),
            "numbers": [
                round(float(n), 6) for n in (values.mean(), values.std(), *np.percentile(values, (1, 50, 99)))
            ],
        }
        for name, values in outputs.items()
    }


@pytest.mark.parametrize("name", RUNS)
def test_results_stay_what_they_are(name: str) -> None:
    recorded = json.loads(RECORDED.read_text())
    now, before = described(RUNS[name]()), recorded["results"][name]
    assert {key: each["shape"] for key, each in now.items()} == {
        key: each["shape"] for key, each in before.items()
    }
    for key, each in now.items():
        spread = max(abs(number) for number in before[key]["numbers"])
        np.testing.assert_allclose(each["numbers"], before[key]["numbers"], atol=2e-4 * spread, err_msg=key)
        if recorded["processor"] == processor():
            assert each["sha256"] == before[key]["sha256"], key


def main() -> None:
    """Record the results of this machine."""
    results = {name: described(make()) for name, make in RUNS.items()}
    RECORDED.write_text(json.dumps({"processor": processor(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
