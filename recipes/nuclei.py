"""Nuclei to train the starter model of their shapes on: ``python recipes/nuclei.py DATA OUT``.

DATA is a folder with the labelled volumes that are named below; OUT becomes ``image``, ``mask`` and ``obj``. Each
nucleus is seen in one plane near its middle, cut as the model sees it. Classes: ``cultured`` (one stack of cultured
cells), ``ovule`` (another organism and microscope, to be kept out as a whole), ``simulated``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter

from napari_diffuscope.simulate.bodies import outline, spots
from napari_diffuscope.simulate.fields import rough_field
from napari_diffuscope.training.shape.cells import KnownCell
from napari_diffuscope.training.shape.cutting import (
    EXTENT,
    NEAR,
    SIDE,
    as_soft,
    cells_in,
    eight_bit,
    write_cell,
)

SIMULATED = 240
RATIOS = (0.3, 1.6)
"""Height over width of simulated nuclei: from flat, adherent ones to those that a microscope draws out along z."""


@dataclass(frozen=True)
class Stack:
    """A labelled volume: class, files, and voxel size (z, y, x) in µm."""

    kind: str
    raw: str
    labels: str
    voxel: tuple[float, float, float]


STACKS = (
    Stack(
        "cultured",
        "cells_3d/cultured_nuclei_Series008_raw.tif",
        "cells_3d/cultured_nuclei_Series008_labels.tif",
        (0.5, 0.379, 0.379),
    ),
    Stack(
        "ovule",
        "cells_3d/ovule_nuclei_1135_raw.tif",
        "cells_3d/ovule_nuclei_1135_labels.tif",
        (0.284, 0.127, 0.127),
    ),
)


def nuclei_of(stack: Stack, data: Path) -> Iterator[KnownCell]:
    """Nuclei of a volume."""
    raw, labels = (tifffile.imread(data / name) for name in (stack.raw, stack.labels))
    return cells_in(raw, labels, voxel=stack.voxel, kind=stack.kind)


def simulated(number: int) -> KnownCell:
    """A dented ellipsoid with chromatin and nucleoli, seen by a confocal microscope that blurs along z most."""
    rng = np.random.default_rng([12, number])
    ratio, stretch = np.exp(rng.uniform(*np.log(RATIOS))), np.exp(rng.normal(0, 0.18))
    across = EXTENT * SIDE / 2
    radii = across * np.array(
        [ratio, stretch / max(stretch, 1 / stretch), 1 / stretch / max(stretch, 1 / stretch)]
    )
    depth = (rng.uniform(-NEAR, NEAR)) * radii[0]
    axes = np.arange(SIDE) - SIDE // 2
    offset = np.stack(np.meshgrid(axes + depth, axes, axes, indexing="ij")).astype(np.float32)
    scaled = _turned(rng, offset) / radii.reshape(-1, 1, 1, 1).astype(np.float32)
    far = np.sqrt((scaled**2).sum(0)) + np.float32(1e-6)
    ratio_of = far / outline(rng, scaled / far, rng.uniform(0.01, 0.08))
    solid = np.clip((1 - ratio_of) * radii.min() + 0.5, 0, 1)
    image = _seen(rng, solid, offset, across)
    soft = as_soft(solid)
    return KnownCell(f"simulated_{number:03}", image, soft[SIDE // 2], soft)


def _turned(rng: np.random.Generator, offset: np.ndarray) -> np.ndarray:
    """Turned in the plane, and tilted a little."""
    spin, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.15)
    about_z = np.array([[1, 0, 0], [0, np.cos(spin), -np.sin(spin)], [0, np.sin(spin), np.cos(spin)]])
    about_x = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    return np.tensordot(about_x @ about_z, offset, axes=1).astype(np.float32)


def _seen(rng: np.random.Generator, solid: np.ndarray, offset: np.ndarray, across: float) -> np.ndarray:
    """The image plane: texture, blur by a Gaussian two to four times as long as wide, photons."""
    texture = np.exp(rng.uniform(0.05, 0.5) * rough_field(rng, solid.shape, rng.uniform(1.5, 5.0)))
    density = solid * texture * spots(rng, offset, across)
    width = rng.uniform(0.5, 1.6)
    blurred = gaussian_filter(density, (width * rng.uniform(2, 4), width, width))[SIDE // 2]
    level = np.exp(rng.uniform(np.log(20), np.log(400)))
    photons = rng.poisson(level * (blurred / max(blurred.max(), 1e-6) + rng.uniform(0.01, 0.15)))
    return eight_bit(photons.astype(np.float32))


def main() -> None:
    """Write all nuclei."""
    data, out = (Path(word) for word in sys.argv[1:])
    for stack in STACKS:
        for nucleus in nuclei_of(stack, data):
            write_cell(nucleus, out)
    for number in range(SIMULATED):
        write_cell(simulated(number), out)


if __name__ == "__main__":
    main()
