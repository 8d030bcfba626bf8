"""How long a comparison takes and what memory it needs: ``python benchmarks/comparison.py [--gib 16] [--measures …]``.

Prints the seconds of all numbers of two images of 2048 × 2048, and then, for a lazy pair of stacks of so many GiB each
(16-bit, planes of 2048 × 2048, chunks of 8 planes that are made when they are read), seconds, the largest memory of the
process and how often each chunk was read.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter

import numpy as np
from scipy import ndimage

from napari_diffuscope import compare
from napari_diffuscope.comparison.measures import ERRORS

SIDE, DEPTH = 2048, 8


class Stack:
    """A stack that is made when it is read, and counts what is read of it."""

    def __init__(self, planes: int, noise: float) -> None:
        self.shape, self.dtype = (planes, SIDE, SIDE), np.dtype(np.uint16)
        self.chunks = (DEPTH, SIDE, SIDE)
        self.reads: Counter[int] = Counter()
        random = np.random.default_rng(0)
        plane = 5000 * ndimage.gaussian_filter(random.random((SIDE, SIDE)), 2)
        self._plane = (plane + noise * random.normal(size=plane.shape)).clip(0).astype(np.uint16)

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        planes = range(self.shape[0])[index[0]]
        planes = [planes] if isinstance(planes, int) else list(planes)
        self.reads.update({plane // DEPTH for plane in planes})
        return np.stack([self._plane + np.uint16(plane % 16) for plane in planes])[(slice(None), *index[1:])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=16, help="size of each stack")
    parser.add_argument("--measures", default=",".join(ERRORS), help="of the stacks")
    arguments = parser.parse_args()
    pair = [Stack(1, noise)[(slice(0, 1), slice(None), slice(None))][0] for noise in (0.0, 50.0)]
    began, used = time.perf_counter(), time.process_time()
    compare(*pair)
    print(
        f"all numbers of two images of {SIDE} × {SIDE}: {time.perf_counter() - began:.1f} s, "
        f"{time.process_time() - used:.1f} s of processors"
    )
    planes = max(DEPTH, round(arguments.gib * 2**30 / (2 * SIDE**2)))
    one, other = Stack(planes, 0.0), Stack(planes, 50.0)
    began = time.perf_counter()
    compare(one, other, measures=arguments.measures.split(","))
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{planes} planes, {planes * 2 * SIDE**2 / 2**30:.1f} GiB each: {time.perf_counter() - began:.0f} s, largest "
        f"memory {largest:.2f} GiB, chunks read at most {max(max(each.reads.values()) for each in (one, other))} times"
    )


if __name__ == "__main__":
    main()
