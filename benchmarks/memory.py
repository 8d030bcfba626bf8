"""How much memory does a restoration need?

    python benchmarks/memory.py

Each row is a process of its own. Counted is the peak of its resident memory above that of the interpreter with torch
loaded. Planes are made as they are read and written to a TIFF file as they are finished, so that only the
restoration counts. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

CASES = {
    "one plane of 4096 x 4096": (1, 4096, "estimate"),
    "one plane of 4096 x 4096, one sample of 2 steps": (1, 4096, "sample"),
    "20 planes of 256 x 256, read lazily": (20, 256, "estimate"),
    "500 planes of 256 x 256, read lazily": (500, 256, "estimate"),
}


class LazyStack:
    """Planes of photon noise, made when they are read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, planes: int, edge: int) -> None:
        self.shape = (planes, edge, edge)

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        number = index[0]
        assert isinstance(number, int)
        return np.random.default_rng(number).poisson(20, self.shape[1:]).astype(np.uint16)[index[1:]]


class Watch(threading.Thread):
    """Keeps the largest resident memory of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        import psutil

        self._process, self.peak, self._on = psutil.Process(), 0, True

    def run(self) -> None:
        while self._on:
            self.peak = max(self.peak, self._process.memory_info().rss)
            time.sleep(0.005)

    def end(self) -> int:
        self._on = False
        self.join()
        return self.peak


def measure(planes: int, edge: int, mode: str, model: str) -> dict[str, float]:
    import psutil
    import torch

    torch.ones(8) @ torch.ones(8)
    base = psutil.Process().memory_info().rss

    from napari_diffuscope import Image, RestoreSettings
    from napari_diffuscope.methods.restore.method import RESTORE
    from napari_diffuscope.methods.storing import run_to_files

    image = Image(LazyStack(planes, edge), "ZYX")
    settings = RestoreSettings(model=model, mode=mode, steps=2 if mode == "sample" else None)  # type: ignore[arg-type]
    watch, started = Watch(), time.perf_counter()
    watch.start()
    with tempfile.TemporaryDirectory() as folder:
        run_to_files(RESTORE, {"image": image}, settings, {"restored": Path(folder) / "out.tif"})
    return {"mib": (watch.end() - base) / 2**20, "seconds": time.perf_counter() - started}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="restoration-fluorescence")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.case:
        print(json.dumps(measure(*CASES[chosen.case], chosen.model)))
        return
    print("| work | peak above the interpreter with torch (MiB) | seconds |\n|---|---|---|")
    for case in CASES:
        command = [sys.executable, __file__, "--model", chosen.model, "--case", case]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = json.loads(answer.splitlines()[-1])
        print(f"| {case} | {found['mib']:.0f} | {found['seconds']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
