"""What do the planes before and after say of a noisy plane, without another network?

    python benchmarks/neighbouring_planes.py [--stacks 4] [--noise camera] [--model restoration-fluorescence]
    python benchmarks/neighbouring_planes.py --recorded movie.tif --steps 1 4

Restores the middle one of three planes alone and with its neighbours (``neighbours="z"``). Prints a Markdown table:
PSNR of the plane alone, and what is gained (and, of all planes, the least), for simulated stacks and time-lapses, and
where the neighbours are of other specimens and say nothing. Of a recorded stack or movie it takes planes that are
smoothed (a Gaussian of one pixel) for the truth. Noise is that of a camera, of a camera with a strong fixed pattern, or
of a point scanner.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_diffuscope import restore
from napari_diffuscope.evaluate.restore.cases import BACKGROUND, CAMERA, SCANNER
from napari_diffuscope.evaluate.restore.settings import LEVELS
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.simulate.camera import Exposure, draw_sensor, expose
from napari_diffuscope.simulate.optics import blur, confocal_psf_3d
from napari_diffuscope.simulate.scenes import moving_scene, relative
from napari_diffuscope.simulate.specimens import KINDS, specimen

EDGE = 128
CAMERAS = {
    "camera": CAMERA,
    "pattern": replace(CAMERA, gain_spread=0.06, offset_spread=4.0, read_noise_spread=0.5),
}


def stack(kind: str, seed: int, planes: int = 21) -> np.ndarray:
    """A confocal stack, 0 to about 1, its voxels equally long along all axes."""
    voxel = 0.25 if kind in ("nuclei", "cells", "membranes") else 0.1
    rng, voxels = np.random.default_rng([177, seed]), (voxel,) * 3
    density = specimen(kind, (planes, EDGE, EDGE), voxels, rng)
    psf = confocal_psf_3d((15, 15, 15), voxels, excitation_nm=520, emission_nm=560, numerical_aperture=1.0)
    seen: np.ndarray = relative(np.maximum(blur(density, psf), 0), 99.95).clip(0, 1.2)
    return seen


def sets(count: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Names, and planes before, at and after a place: each ``(3, Y, X)``."""
    stacks = [stack(kind, number) for number, kind in enumerate(KINDS * (1 + count // len(KINDS)))][:count]
    for step in (1, 3, 10):
        yield f"stacks, planes {step} voxel(s) apart", [one[[10 - step, 10, 10 + step]] for one in stacks]
    for interval in (0.5, 2.0, 8.0):
        movies = (np.random.default_rng([1400, number]) for number in range(count))
        yield (
            f"time-lapses, a frame every {interval:g} s",
            [moving_scene(rng, (EDGE, EDGE), 0.1, frames=3, interval_s=interval) for rng in movies],
        )
    middles = [one[10] for one in stacks]
    yield "still", [np.stack([plane] * 3) for plane in middles]
    others = zip(middles[1:] + middles[:1], middles, middles[2:] + middles[:2], strict=True)
    yield "neighbours of other specimens", [np.stack(three) for three in others]


def recorded(path: Path, steps: Sequence[int], count: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The same of planes of a recorded stack or movie, spread over it."""
    planes = np.asarray(open_image(path).data, np.float32)
    planes = planes.reshape(-1, *planes.shape[-2:])
    low, high = np.percentile(planes, [0.5, 99.95])
    clean = np.stack([gaussian_filter((plane - low) / (high - low), 1.0).clip(0, 1.2) for plane in planes])
    for step in steps:
        places = np.linspace(step, len(clean) - 1 - step, count).round().astype(int)
        yield f"{path.stem}, {step} apart", [clean[[place - step, place, place + step]] for place in places]


def taken(three: np.ndarray, peak: float, seed: int, noise: str) -> tuple[np.ndarray, np.ndarray]:
    """Noisy planes of one detector, and the middle one without noise."""
    if noise == "scanner":
        rng = np.random.default_rng([14, seed, int(peak)])
        photons = [np.asarray(peak * (plane + BACKGROUND), np.float32) for plane in three]
        return np.stack([SCANNER.scan(plane, rng) for plane in photons]), SCANNER.expected(photons[1])
    rng, camera = np.random.default_rng([12, seed, int(peak)]), CAMERAS[noise]
    sensor, light = draw_sensor(camera, three.shape[1:], rng), Exposure(peak, BACKGROUND * peak).photons
    pictures = np.stack([expose(light(plane), camera, rng, sensor=sensor) for plane in three])
    return pictures, camera.expected(light(three[1]))


def gains(three: np.ndarray, peak: float, seed: int, chosen: argparse.Namespace) -> tuple[float, float]:
    """PSNR of the middle plane restored alone, and with its neighbours, in dB."""
    noisy, truth = taken(three, peak, seed, chosen.noise)
    alone, joined = (
        restore(noisy, model=chosen.model, axes="ZYX", planes=(1,), neighbours=which).restored[0]
        for which in ("none", "z")
    )
    return psnr(truth, alone), psnr(truth, joined)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stacks", type=int, default=4, help="planes a row")
    parser.add_argument("--model", default="restoration-fluorescence")
    parser.add_argument("--noise", choices=(*CAMERAS, "scanner"), default="camera")
    parser.add_argument("--levels", nargs="+", choices=tuple(LEVELS), default=tuple(LEVELS))
    parser.add_argument("--recorded", type=Path, help="a stack or movie")
    parser.add_argument("--steps", nargs="+", type=int, default=[1], help="of it, how far apart planes are")
    chosen = parser.parse_args()
    print("| planes | " + " | ".join(f"{level} noise: alone, gain (least)" for level in chosen.levels) + " |")
    print("|---|" + "---|" * len(chosen.levels))
    shown = sets(chosen.stacks)
    if chosen.recorded is not None:
        shown = recorded(chosen.recorded, chosen.steps, chosen.stacks)
    for name, cases in shown:
        cells = []
        for level in chosen.levels:
            pairs = np.array([gains(three, LEVELS[level], seed, chosen) for seed, three in enumerate(cases)])
            gain = pairs[:, 1] - pairs[:, 0]
            cells.append(f"{pairs[:, 0].mean():.2f}, {gain.mean():+.2f} ({gain.min():+.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
