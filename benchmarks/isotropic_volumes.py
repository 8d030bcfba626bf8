"""Simulated volumes with equal voxels and an equal spot in all directions, to take planes from.

    python benchmarks/isotropic_volumes.py FOLDER
    diffuscope evaluate superres FOLDER/mitochondria.tif --axial-fwhm 5 --noise 0.01 --models superres-fluorescence …

Writes ``mitochondria.tif`` (tubes of 0.35 µm around a nucleus) and ``nuclei.tif`` (crowded nuclei with chromatin
texture): 113 × 128 × 128 voxels of 0.1 and 0.3 µm, float32, seed 11, which no training uses.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.simulate.optics import blur, gaussian_psf
from napari_diffuscope.simulate.scenes import ellipsoid, relative
from napari_diffuscope.simulate.specimens import specimen

SHAPE = (113, 128, 128)
SEED = 11
SPOT_PIXELS = 1.1
"""Standard deviation of the spot."""


def tubes(rng: np.random.Generator, voxel: float) -> np.ndarray:
    """Mitochondria in all directions beside a nucleus."""
    scale = (voxel,) * 3
    nucleus = ellipsoid(SHAPE, scale, centre=(0.5, 0.4, 0.35), radii_um=(2.2, 3.0, 2.6), edge_um=0.25)
    drawn = mitochondria(rng, SHAPE, scale, count=1200, width_um=0.35, branching=0.4, hollow=False)
    return relative(drawn.render(SHAPE, scale) * (1 - nucleus), 99.5) + 0.3 * nucleus


def crowd(rng: np.random.Generator, voxel: float) -> np.ndarray:
    """Crowded nuclei."""
    return specimen("nuclei", SHAPE, (voxel,) * 3, rng, diameter_um=11.0, crowding=1.0)


def main() -> None:
    """Write both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make, voxel in (("mitochondria", tubes, 0.1), ("nuclei", crowd, 0.3)):
        density = make(np.random.default_rng(SEED), voxel)
        psf = gaussian_psf((voxel,) * 3, (SPOT_PIXELS * voxel,) * 3, ndim=3, truncate=3.0)
        image = relative(blur(density, psf), 99.99).astype(np.float32)
        tifffile.imwrite(
            folder / f"{name}.tif",
            image[:, None],
            imagej=True,
            resolution=(1 / voxel, 1 / voxel),
            metadata={"axes": "ZCYX", "spacing": voxel, "unit": "um"},
        )


if __name__ == "__main__":
    main()
