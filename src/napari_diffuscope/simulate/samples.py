"""Makes the sample data: ``python -m napari_diffuscope.simulate.samples OUT_FOLDER``.

The clean image is rounded to whole counts before the noise is drawn, so the noise depends on the clean file
and the seed alone, and not on the last bit of a Fourier transform.
"""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from napari_diffuscope.simulate.camera import Camera, Exposure, expose
from napari_diffuscope.simulate.cells import VOXEL_UM, cell_scene
from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.simulate.optics import blur, confocal_psf_3d
from napari_diffuscope.simulate.sample import Sample
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER, SAMPLE_NAMES, sample_path
from napari_diffuscope.simulate.sample_readme import sample_readme
from napari_diffuscope.simulate.scenes import (
    ellipsoid,
    mitochondria_scene,
    moving_scene,
    nuclei_and_filaments_scene,
    relative,
)
from napari_diffuscope.simulate.specimens import specimen

__all__ = [
    "SAMPLES",
    "SAMPLE_FOLDER",
    "SAMPLE_NAMES",
    "Sample",
    "make_cells",
    "make_sample",
    "sample_path",
    "write_samples",
]

_DETECTOR = Camera(quantum_efficiency=0.8, gain=25.0, offset=200.0, read_noise=0.6, bits=16)
_SCMOS = Camera(quantum_efficiency=0.8, gain=25.0, offset=400.0, read_noise=1.6, bits=16)


def _moving(rng: np.random.Generator, shape: tuple[int, ...], scale: tuple[float, ...]) -> np.ndarray:
    return moving_scene(rng, shape[1:], scale[-1], frames=shape[0], interval_s=scale[0])


def _mitochondria_in_depth(
    rng: np.random.Generator, shape: tuple[int, ...], scale: tuple[float, ...]
) -> np.ndarray:
    """Mitochondria in all directions beside a nucleus, confocal (1.4, 488 / 525 nm): (Z, Y, X), peak 1."""
    nucleus = ellipsoid(shape, scale, centre=(0.45, 0.35, 0.3), radii_um=(1.5, 2.6, 2.2), edge_um=0.25)
    tubes = mitochondria(rng, shape, scale, count=60, width_um=0.35, branching=0.4, hollow=False)
    density = relative(tubes.render(shape, scale) * (1 - nucleus), 99.5)
    density += 0.3 * nucleus + 0.04 * specimen("cytoplasm", shape, scale, rng, grain_um=1.5)
    psf = confocal_psf_3d((25, 25, 25), scale, excitation_nm=488, emission_nm=525, numerical_aperture=1.4)
    return relative(blur(density, psf), 99.99)


SAMPLES: tuple[Sample, ...] = (
    Sample(
        "pair",
        1,
        lambda rng, shape, scale: mitochondria_scene(rng, shape, scale[-1]),
        "YX",
        (512, 512),
        (0.1, 0.1),
        Exposure(peak_photons=20.0, background_photons=2.0),
        _DETECTOR,
        "Mitochondria around the dark nucleus of one spread cell",
        "confocal: excitation times detection Airy spot, aperture 1.4, 561 and 600 nm, pinhole 1 Airy unit",
    ),
    Sample(
        "stack",
        2,
        nuclei_and_filaments_scene,
        "ZYX",
        (12, 320, 320),
        (0.3, 0.1, 0.1),
        Exposure(peak_photons=36.0, background_photons=0.5, bleaching=0.02),
        _DETECTOR,
        "Microtubules that pass between nuclei, a stack through the lower part of the cells",
        "confocal: excitation times detection spot of Born & Wolf in space, aperture 1.4, 488 and 525 nm",
    ),
    Sample(
        "anisotropic",
        3,
        _mitochondria_in_depth,
        "ZYX",
        (51, 96, 96),
        (0.1, 0.1, 0.1),
        Exposure(peak_photons=600.0, background_photons=4.0),
        _DETECTOR,
        "Mitochondria that run in all directions beside a nucleus",
        "confocal: excitation times detection spot of Born & Wolf in space, aperture 1.4, 488 and 525 nm",
        z_every=5,
    ),
    Sample(
        "timelapse",
        2,
        _moving,
        "TYX",
        (10, 256, 256),
        (2.0, 0.1, 0.1),
        Exposure(peak_photons=30.0, background_photons=2.0, bleaching=0.07),
        _SCMOS,
        "Vesicles that run at 0.15 µm/s and mitochondria that creep, in one living cell that bleaches",
        "widefield: Airy spot, aperture 1.4, 525 nm",
        keep_clean=False,
    ),
)
"""The samples of the package."""


def make_sample(sample: Sample) -> dict[str, np.ndarray]:
    """Noisy image and, where kept, clean one: ``{"NAME_noisy": …, "NAME_clean": …}``, uint16."""
    clean = clean_counts(sample)
    return dict(zip(sample.files, (add_noise(clean, sample), clean), strict=False))


def clean_counts(sample: Sample) -> np.ndarray:
    """The expected counts without noise, rounded: uint16 of the sample's shape."""
    image = sample.scene(np.random.default_rng(sample.seed), sample.shape, sample.scale)
    planes = image[None] if image.ndim == 2 else image
    counts = [
        sample.camera.expected(sample.exposure.photons(plane, frame=frame))
        for frame, plane in enumerate(planes)
    ]
    return np.asarray(np.rint(np.stack(counts)), dtype=np.uint16).reshape(sample.shape)


def add_noise(clean: np.ndarray, sample: Sample) -> np.ndarray:
    """One noisy picture per plane of clean counts, of those that the noisy stack has: uint16."""
    camera = sample.camera
    rng = np.random.default_rng([sample.seed, 1])
    clean = clean[:: sample.z_every] if sample.z_every > 1 else clean
    photons = (clean.astype(np.float64) - camera.offset) / camera.counts_per_photon
    planes = photons.reshape(-1, *photons.shape[-2:])
    noisy = np.stack([expose(plane, camera, rng) for plane in planes])
    return np.asarray(noisy, dtype=np.uint16).reshape(clean.shape)


def make_cells() -> dict[str, np.ndarray]:
    """Image, labels and true shapes of the simulated cells, by the names of their files: uint16."""
    scene = cell_scene()
    return {"cells_image": scene.image, "cells_labels": scene.labels, "cells_truth": scene.truth}


def write_samples(folder: Path) -> list[Path]:
    """Write all sample images and their README into a folder, which is made where missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for sample in SAMPLES:
        for name, image in make_sample(sample).items():
            written.append(folder / f"{name}.ome.tif")
            scale = sample.scale if name.endswith("clean") else sample.noisy_scale
            _write(written[-1], image, sample.axes, scale)
    for name, image in make_cells().items():
        written.append(folder / f"{name}.ome.tif")
        _write(written[-1], image, "ZYX"[-image.ndim :], (VOXEL_UM,) * image.ndim)
    written.append(folder / "README.md")
    written[-1].write_text(sample_readme(SAMPLES), encoding="utf-8")
    return written


def _write(path: Path, image: np.ndarray, axes: str, scale: Sequence[float]) -> None:
    """OME-TIFF with pixel sizes; its identifier follows from the name: equal data give equal files."""
    step = dict(zip(axes, scale, strict=True))
    name = path.name.removesuffix(".ome.tif")
    metadata: dict[str, object] = {"axes": axes, "UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, name))}
    for axis in "ZYX":
        if axis in step:
            metadata |= {f"PhysicalSize{axis}": step[axis], f"PhysicalSize{axis}Unit": "µm"}
    if "T" in step:
        metadata |= {"TimeIncrement": step["T"], "TimeIncrementUnit": "s"}
    tifffile.imwrite(path, image, ome=True, compression="zlib", metadata=metadata)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the sample data into the folder named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m napari_diffuscope.simulate.samples")
    parser.add_argument("folder", type=Path, help="folder for the files, made where missing")
    write_samples(parser.parse_args(arguments).folder)


if __name__ == "__main__":
    main()
