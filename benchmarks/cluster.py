"""How much faster several processes of this machine restore a stack than one, each with one thread.

``OMP_NUM_THREADS=1 python benchmarks/cluster.py [--workers 2] [--planes 24] [--edge 384] [--rounds 3]``

Both ways take turns. Starting the processes and loading the model is not counted, and told by itself.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import numpy as np
import torch

from napari_diffuscope import restore
from napari_diffuscope.methods.cluster.connecting import opened_team


def seconds_of(image: np.ndarray, **how: Any) -> tuple[float, np.ndarray]:
    begun = time.perf_counter()
    restored = restore(image, **how).restored
    return time.perf_counter() - begun, restored


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("workers", 2), ("planes", 24), ("edge", 384), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    image = np.random.default_rng(0).poisson(20, (asked.planes, asked.edge, asked.edge)).astype(np.uint16)
    begun = time.perf_counter()
    with opened_team(f"local:{asked.workers}", device="cpu") as team:
        seconds_of(image[: 2 * asked.workers], cluster=team.client, device="cpu")
        print(f"until {asked.workers} processes have the model: {time.perf_counter() - begun:.1f} s")
        seconds_of(image[:2], device="cpu")
        ratios = []
        for _ in range(asked.rounds):
            alone, one = seconds_of(image, device="cpu")
            together, many = seconds_of(image, cluster=team.client, device="cpu")
            assert np.array_equal(one, many)
            ratios.append(alone / together)
            print(
                f"one process {alone:.2f} s, {asked.workers} processes {together:.2f} s: {ratios[-1]:.2f} times"
            )
    print(f"median of {asked.rounds}: {statistics.median(ratios):.2f} times as fast, the same bits")


if __name__ == "__main__":
    main()
