"""How far results of one image differ between instruction sets of one machine.

Each setting makes the libraries behave as on another processor; every one runs in a process of its own. Printed is the
largest difference from the first, in shares of the range of the image.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

VECTORS = " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])
SETTINGS: dict[str, dict[str, str]] = {
    "as it is": {},
    "PyTorch without vectors": {"ATEN_CPU_CAPABILITY": "default"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "OpenBLAS for Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "NumPy without vectors": {"NPY_DISABLE_CPU_FEATURES": VECTORS},
}
ALL = {name: value for setting in SETTINGS.values() for name, value in setting.items()}
RESULTS: dict[str, dict[str, object]] = {
    "estimate": {"mode": "estimate"},
    "sample, 10 steps": {"mode": "sample", "steps": 10, "seed": 1},
}


def compute(folder: Path) -> None:
    """In the process of a setting: restore and keep."""
    from napari_diffuscope import restore
    from napari_diffuscope.imaging.files import open_image
    from napari_diffuscope.simulate.sample_files import sample_path

    noisy = open_image(sample_path("pair_noisy")).read_plane(0)[:96, :96]
    np.save(folder / "noisy.npy", noisy)
    for name, choices in RESULTS.items():
        np.save(folder / f"{name}.npy", restore(noisy, device="cpu", **choices).restored)
        twice = [restore(noisy, device="cpu", tile=tile, batch=1, **choices).restored for tile in (64, 4096)]
        assert np.array_equal(*twice), f"tiles differ with {name}"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        found = {}
        for setting, changes in {**SETTINGS, "all of these": ALL}.items():
            folder = Path(scratch) / setting
            folder.mkdir()
            words = [sys.executable, __file__, str(folder)]
            subprocess.run(words, env={**os.environ, **changes}, check=True)
            found[setting] = {name: np.load(folder / f"{name}.npy") for name in RESULTS}
            size = float(np.ptp(np.load(folder / "noisy.npy")))
        first = found[next(iter(SETTINGS))]
        print(f"{'setting':28}" + "".join(f"{name:>20}" for name in RESULTS))
        for setting, results in found.items():
            gaps = [float(np.abs(results[name] - first[name]).max()) / size for name in RESULTS]
            print(f"{setting:28}" + "".join(f"{gap:20.1e}" for gap in gaps))


if __name__ == "__main__":
    compute(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
