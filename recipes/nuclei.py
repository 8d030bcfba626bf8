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
from scipy.ndimage import find_objects, gaussian_filter, map_coordinates

from napari_diffuscope.methods.shape.cells import find_cells
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.simulate.bodies import outline, spots
from napari_diffuscope.simulate.fields import rough_field

SIDE, EXTENT = 64, 0.5
"""Window, and the share of its edge that a nucleus fills: half, so that those drawn out along z find room."""

LEAST_VOXELS = 2000
NEAR = 0.5
"""Planes are drawn from the middle half of a nucleus."""

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


@dataclass(frozen=True)
class Nucleus:
    """A nucleus in its window: image and mask ``(S, S)``, object ``(S, S, S)``; all uint8."""

    name: str
    image: np.ndarray
    mask: np.ndarray
    solid: np.ndarray


def whole_nuclei(stack: Stack, data: Path) -> Iterator[Nucleus]:
    """Nuclei that do not touch the border of a volume, each in a plane near its middle."""
    raw, labels = (tifffile.imread(data / name) for name in (stack.raw, stack.labels))
    for label, box in enumerate(find_objects(labels.astype(np.int32)), 1):
        if box is None or any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True)):
            continue
        if (labels[box] == label).sum() < LEAST_VOXELS:
            continue
        rng = np.random.default_rng([11, label])
        plane = _plane_near_middle(rng, box[0].start, box[0].stop)
        yield cut(f"{stack.kind}_{label:03}", raw, labels == label, plane, stack.voxel)


def _plane_near_middle(rng: np.random.Generator, start: int, stop: int) -> int:
    middle, half = (start + stop - 1) / 2, NEAR * (stop - start) / 2
    return round(rng.uniform(middle - half, middle + half))


def cut(
    name: str, raw: np.ndarray, solid: np.ndarray, plane: int, voxel: tuple[float, float, float]
) -> Nucleus:
    """A nucleus as the model sees it, with isotropic voxels."""
    (cell,) = find_cells(solid[plane].astype(np.uint8))
    window = ShapeWindow.around(cell, pixel_size=voxel[1], extent=EXTENT, side=SIDE)
    steps = np.arange(SIDE) * window.step
    z = plane + (np.arange(SIDE) - SIDE // 2) * window.voxel_size / voxel[0]
    grid = np.meshgrid(z, window.corner[0] + steps, window.corner[1] + steps, indexing="ij")
    soft = map_coordinates(solid.astype(np.float32), grid, order=1)
    image = window.image(raw[plane].astype(np.float32))
    return Nucleus(name, _eight_bit(image), 255 * window.mask(cell).astype(np.uint8), _solid(soft))


def _solid(soft: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(255 * np.clip(soft, 0, 1)), np.uint8)


def _eight_bit(image: np.ndarray) -> np.ndarray:
    low, high = np.percentile(image, (0.5, 99.8))
    return np.asarray(np.round(255 * np.clip((image - low) / max(high - low, 1e-6), 0, 1)), np.uint8)


def simulated(number: int) -> Nucleus:
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
    return Nucleus(f"simulated_{number:03}", image, _solid(solid)[SIDE // 2], _solid(solid))


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
    return _eight_bit(photons.astype(np.float32))


def write(nucleus: Nucleus, out: Path) -> None:
    """Its three files."""
    for folder, values in (("image", nucleus.image), ("mask", nucleus.mask), ("obj", nucleus.solid)):
        (out / folder).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(out / folder / f"{nucleus.name}.tif", values, compression="zlib")


def main() -> None:
    """Write all nuclei."""
    data, out = (Path(word) for word in sys.argv[1:])
    for stack in STACKS:
        for nucleus in whole_nuclei(stack, data):
            write(nucleus, out)
    for number in range(SIMULATED):
        write(simulated(number), out)


if __name__ == "__main__":
    main()
