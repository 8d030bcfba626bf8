"""Picture of real nuclei, every second plane of which was filled in again: ``python docs/real_nuclei.py STACK``.

The stack is ``c5image.tif`` of CellSeg3D (light sheet, MIT).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_diffuscope import superresolve

TARGET = Path(__file__).parent / "images" / "superres-nuclei.png"
TIMES, GAP = 3, 12
"""Pixels of the picture for one of the image, and between two images."""


def main() -> None:
    measured = tifffile.imread(sys.argv[1]).astype(np.float32)
    made = superresolve(measured[::2], model="superres-fluorescence", zoom=2).superresolved
    measured = measured[: len(made)]
    low, high = np.percentile(measured, (1, 99.9))

    def shown(image: np.ndarray) -> np.ndarray:
        grey = np.clip((image - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        return np.kron(grey, np.ones((TIMES, TIMES), np.uint8))

    z, y, x = (_varied(measured, axis) for axis in range(3))
    z |= 1  # a plane that was not kept
    rows = [
        _row(shown(measured[z]), shown(made[z])),
        _row(
            *(shown(volume[:, y]) for volume in (measured, made)),
            *(shown(volume[:, :, x]) for volume in (measured, made)),
        ),
    ]
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, GAP), (0, width - row.shape[1])), constant_values=255) for row in rows]
    Image.fromarray(np.concatenate(rows)[:-GAP]).save(TARGET, optimize=True)


def _varied(volume: np.ndarray, axis: int) -> int:
    """One of the planes that show most, by a rule and not by eye: the third."""
    others = tuple(other for other in range(3) if other != axis)
    return int(np.argsort(volume.std(axis=others))[-3])


def _row(*images: np.ndarray) -> np.ndarray:
    gap = np.full((len(images[0]), GAP), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], 1)


if __name__ == "__main__":
    main()
