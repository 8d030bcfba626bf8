"""Blocks with a toy computation, run by tests as a process of its own: ``OUT Z,Y,X BLOCK PAUSE``."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

from napari_diffuscope.imaging.blocks import Block, BlockPlan, BlockReader, open_sink, run_blocks, spec_like
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Update, run


class Ramps:
    """A volume of any size that takes no memory: a number that its position decides."""

    dtype = np.dtype(np.float32)

    def __init__(self, lengths: str) -> None:
        self.shape = tuple(map(int, lengths.split(",")))

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        z, y, x = (np.arange(part.start, part.stop, dtype=np.float32) for part in index)
        return (z[:, None, None] * 7) % 11 + (y[:, None] * 5) % 13 + np.sin(x)


def blurred(block: Block, pixels: np.ndarray) -> Generator[Update, None, np.ndarray]:
    """Average of each voxel and its neighbours along each axis, then twice the planes."""
    for axis in range(3):
        pixels = (np.roll(pixels, 1, axis) + pixels + np.roll(pixels, -1, axis)) / 3
        yield Update(axis, 3)
    return np.repeat(pixels, 2, axis=0)[block.inner]


def peak_bytes() -> int:
    """Most memory that this process had; what ``getrusage`` says includes that of the process it came from."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(out: str, lengths: str, edge: int, pause: float) -> None:
    image = Image(Ramps(lengths), "ZYX", scale=(0.8, 0.2, 0.2), units=("micrometer",) * 3)
    zoom = (2, 1, 1)
    spec = spec_like(image, zoom=zoom, record={"method": "toy"})
    with open_sink(out, spec, {"input": lengths}, most_bytes=4 * edge**3, block=(edge,) * 3) as sink:
        plan = BlockPlan(spec.shape, sink.block, image.shape, zoom=zoom, halo=2)
        run(run_blocks(plan, sink, blurred, BlockReader(image)), lambda update: time.sleep(pause))
    print(peak_bytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
