"""One confocal plane through nine simulated red blood cells whose full shapes are known.

Every cell is centred in the plane. Its membrane is labelled brightly and its inside dimly, and the plane shows
what a confocal spot gathers from above and below: as in recordings, thin cells look brighter than thick ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_diffuscope.simulate.camera import Camera, Exposure, expose
from napari_diffuscope.simulate.optics import blur, confocal_psf_3d
from napari_diffuscope.simulate.solids import (
    Solid,
    biconcave_disc,
    cup,
    ellipsoid,
    lobes,
    lumps,
    turned,
)

VOXEL_UM = 0.12
"""Edge of a pixel of the image and of a voxel of the truth."""

PLANES, EDGE = 71, 288
"""Planes of the truth, of which the middle one is imaged, and pixels along y and x."""

SEED = 4
"""Of the noise; nothing else is drawn."""

EXPOSURE = Exposure(peak_photons=250.0, background_photons=15.0)
CAMERA = Camera(quantum_efficiency=0.8, gain=25.0, offset=200.0, read_noise=0.6, bits=16)

MEMBRANE_UM = 0.1
"""Half the thickness over which the label of the membrane fades."""

INSIDE = 0.25
"""Brightness of the inside, relative to the membrane."""

APERTURE, EXCITATION_NM, EMISSION_NM = 1.0, 488.0, 525.0

_PSF_EDGES = (21, 13, 13)


@dataclass(frozen=True)
class SimulatedCell:
    """A cell of the sample.

    Parameters
    ----------
    label
        Its number in the labels and in the truth.
    what
        Its form in words.
    centre_um
        Place (y, x) of its centre in the image, in µm from the centre of the first pixel.
    solid
        Its body, see :mod:`napari_diffuscope.simulate.solids`.
    """

    label: int
    what: str
    centre_um: tuple[float, float]
    solid: Solid


@dataclass(frozen=True)
class CellScene:
    """The sample.

    Parameters
    ----------
    image
        ``(Y, X)`` uint16 counts.
    labels
        ``(Y, X)`` uint16, the cells' numbers where the plane cuts them.
    truth
        ``(Z, Y, X)`` uint16, the cells' numbers in space; its middle plane equals ``labels``.
    """

    image: np.ndarray
    labels: np.ndarray
    truth: np.ndarray


_DUMB_BELL = ((0.0, 0.0, 2.4), (0.0, 0.0, -2.4))
_THREE = ((0.6, 2.6, 0.0), (-0.5, -1.4, 2.2), (0.4, -1.4, -2.2))
_LUMPS = ((0.8, 1.9, 0.6), (-1.4, -1.2, 1.3), (1.2, -1.5, -1.2), (0.2, 0.6, -2.2))

CELLS = (
    SimulatedCell(1, "biconcave disc, lying", (5.6, 5.7), biconcave_disc),
    SimulatedCell(2, "biconcave disc, tilted by 40°", (5.9, 17.0), turned(biconcave_disc, tilt=40, spin=25)),
    SimulatedCell(3, "biconcave disc on its edge", (5.5, 28.4), turned(biconcave_disc, tilt=85, spin=-30)),
    SimulatedCell(
        4,
        "cup that opens to the side",
        (17.4, 5.8),
        turned(partial(cup, radius_um=3.3, hollow_um=2.5, shift_um=1.9), tilt=75, spin=50),
    ),
    SimulatedCell(5, "sphere", (17.0, 16.6), partial(ellipsoid, radii_um=(2.9, 2.9, 2.9))),
    SimulatedCell(
        6,
        "dumb-bell",
        (17.6, 28.2),
        turned(partial(lobes, arms_um=_DUMB_BELL, radius_um=1.7, blend_um=0.3), tilt=0, spin=35),
    ),
    SimulatedCell(7, "three lobes", (28.4, 6.0), partial(lobes, arms_um=_THREE, radius_um=1.5, blend_um=0.3)),
    SimulatedCell(
        8,
        "ball with lumps",
        (28.6, 17.2),
        partial(lumps, radius_um=2.4, lumps_um=_LUMPS, lump_um=1.3),
    ),
    SimulatedCell(
        9, "biconcave disc, cut by the border", (27.8, 32.6), turned(biconcave_disc, tilt=15, spin=70)
    ),
)
"""The cells of the sample. The last one is not whole: no shape should be predicted for it."""


def cell_scene() -> CellScene:
    """Make the sample: image, labels and truth."""
    truth = np.zeros((PLANES, EDGE, EDGE), dtype=np.uint16)
    density = np.zeros((_PSF_EDGES[0], EDGE, EDGE), dtype=np.float32)
    for cell in CELLS:
        _add(cell, truth, density)
    image = take_image(density)
    return CellScene(image, truth[PLANES // 2].copy(), truth)


def take_image(density: np.ndarray) -> np.ndarray:
    """The counts of the middle plane of a label density (Z, Y, X), relative, with noise: uint16."""
    psf = confocal_psf_3d(
        _PSF_EDGES,
        VOXEL_UM,
        excitation_nm=EXCITATION_NM,
        emission_nm=EMISSION_NM,
        numerical_aperture=APERTURE,
    )
    plane = blur(density, psf)[density.shape[0] // 2]
    plane = np.clip(plane / np.percentile(plane, 99.5), 0, None)
    # rounded before the noise is drawn, which then does not depend on the last bit of a Fourier transform
    clean = np.rint(CAMERA.expected(EXPOSURE.photons(plane)))
    photons = (clean.astype(np.float64) - CAMERA.offset) / CAMERA.counts_per_photon
    return np.asarray(expose(photons, CAMERA, np.random.default_rng(SEED)), dtype=np.uint16)


def _add(cell: SimulatedCell, truth: np.ndarray, density: np.ndarray) -> None:
    """Put a cell into the truth, and its label into the slab around the imaged plane."""
    half = 5.2  # µm; no cell is longer
    boxes = [
        slice(max(0, round((c - half) / VOXEL_UM)), min(EDGE, round((c + half) / VOXEL_UM)))
        for c in cell.centre_um
    ]
    z = (np.arange(PLANES) - PLANES // 2) * VOXEL_UM
    y, x = (
        np.arange(box.start, box.stop) * VOXEL_UM - c for box, c in zip(boxes, cell.centre_um, strict=True)
    )
    value = cell.solid(np.stack(np.meshgrid(z, y, x, indexing="ij")))
    slope = np.linalg.norm(np.gradient(value, VOXEL_UM), axis=0)
    depth = value / np.maximum(slope, 1e-6)  # in µm, right near the outline
    here = truth[:, boxes[0], boxes[1]]
    here[value > 0] = cell.label
    middle, reach = PLANES // 2, density.shape[0] // 2
    slab = depth[middle - reach : middle + reach + 1]
    membrane = np.exp(-((slab / MEMBRANE_UM) ** 2))
    inside = np.clip(slab / VOXEL_UM + 0.5, 0, 1)
    density[:, boxes[0], boxes[1]] += (membrane + INSIDE * inside).astype(np.float32)
