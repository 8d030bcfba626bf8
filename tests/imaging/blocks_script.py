"""Blocks with a toy computation, run by tests as a process of its own: ``OUT Z,Y,X BLOCK PAUSE``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from napari_diffuscope.imaging.blocks import BlockPlan, BlockReader, VolumeSpec, open_sink
from napari_diffuscope.imaging.image import Image


class Ramps:
    """A volume of any size that takes no memory: a number that its position decides."""

    dtype = np.dtype(np.float32)

    def __init__(self, lengths: str) -> None:
        self.shape = tuple(map(int, lengths.split(",")))

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        z, y, x = (np.arange(part.start, part.stop, dtype=np.float32) for part in index)
        return (z[:, None, None] * 7) % 11 + (y[:, None] * 5) % 13 + np.sin(x)


def blurred(pixels: np.ndarray) -> np.ndarray:
    """Average of each voxel and its neighbours along each axis, of what has two more on each side."""
    for axis in range(3):
        pixels = (np.roll(pixels, 1, axis) + pixels + np.roll(pixels, -1, axis)) / 3
    return pixels[2:-2, 2:-2, 2:-2]


def peak_bytes() -> int:
    """Most memory that this process had; what ``getrusage`` says includes that of the process it came from."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(out: str, lengths: str, edge: int, pause: float) -> None:
    image = Image(Ramps(lengths), "ZYX", scale=(0.4, 0.2, 0.2), units=("micrometer",) * 3)
    read = BlockReader(image)
    spec = VolumeSpec(image.shape, "ZYX", scale=image.scale, units=image.units, record={"method": "toy"})
    with open_sink(out, spec, {"input": lengths}, most_bytes=4 * edge**3, block=(edge,) * 3) as sink:
        for block in BlockPlan(spec.shape, sink.block):
            if not sink.done(block):
                sink.write_block(
                    block, blurred(read([(part.start - 2, part.stop + 2) for part in block.region]))
                )
            time.sleep(4 * pause)
        for _ in sink.finishing():
            time.sleep(pause)
    print(peak_bytes())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
