"""What do the planes before and after say of a noisy plane, without another network?

    python benchmarks/neighbouring_planes.py [--stacks 4] [--inherited 0.25] [--model restoration-fluorescence]

A plane is joined with its neighbours before the model sees it. All three are taken apart into starlet bands; each
neighbour counts in each band by the inverse of its variance as a measurement of the middle plane: that of the noise,
and that of what changed from plane to plane, which is what their differences hold beyond noise. Prints a Markdown
table: PSNR of the estimate from the middle plane alone, and what is gained (and, of all planes, the least) by joining,
for simulated stacks and time-lapses, and where the neighbours are of other specimens and say nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from napari_diffuscope import restore
from napari_diffuscope.evaluate.restore.cases import BACKGROUND, CAMERA
from napari_diffuscope.evaluate.restore.settings import LEVELS
from napari_diffuscope.measure.noise_model import noise_model
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.networks.starlet import starlet
from napari_diffuscope.simulate.camera import Exposure, draw_sensor, expose
from napari_diffuscope.simulate.optics import blur, confocal_psf_3d
from napari_diffuscope.simulate.scenes import moving_scene, relative
from napari_diffuscope.simulate.specimens import KINDS, specimen

SCALES, EDGE = 5, 128
NARROW, MIDDLE, WIDE = (1.0, 1.0), (4.0, 0.25), (16.0, 0.05)
"""Widths of windows, in pixels of a band, and the excess over noise that chance makes in them."""

WIDEST = 40.0
"""No window is wider, in pixels."""

CAUTION = 8.0
"""A change counts so many times: what is taken for equal and is not costs more than what is not used."""

WIDE_CAUTION = 2.0
"""What changed around counts so many times of what changed here."""

INHERITED = 0.25
"""Share of the change in the next coarser band, where it stands out of the noise, that is expected in this one; more
of it is more careful."""


def bands(plane: np.ndarray) -> np.ndarray:
    """Starlet bands ``(SCALES + 1, Y, X)``, float64."""
    values = torch.from_numpy(np.asarray(plane, np.float64))[None, None]
    apart: np.ndarray = starlet(values, SCALES)[0].numpy()
    return apart


def band_powers() -> np.ndarray:
    """Variance of white noise of unit variance in each band."""
    point = np.zeros((161, 161))
    point[80, 80] = 1
    powers: np.ndarray = np.square(bands(point)).sum((1, 2))
    return powers


def changed(difference: np.ndarray, noise: np.ndarray, scale: float, least: np.ndarray) -> np.ndarray:
    """Variance of the change between two planes in a band, over that of the noise in both; nowhere below ``least``."""
    excess = np.square(difference) / (2 * noise)
    change = least
    for (width, chance), factor in ((NARROW, 1.0), (MIDDLE, 1.0), (WIDE, WIDE_CAUTION)):
        reach = min(max(width * scale, 1.0), WIDEST)
        around = gaussian_filter(excess, reach, truncate=2.5) - 1 - chance
        change = np.maximum(change, factor * around)
    return change


def joined(plane: np.ndarray, neighbours: Sequence[np.ndarray], inherited: float) -> np.ndarray:
    """A plane with what its neighbours say of it: ``(Y, X)`` float32, in the same units."""
    model = noise_model([plane, *neighbours])
    variance = np.maximum(model.variance(gaussian_filter(plane.astype(np.float64), 2.0)), 1e-12)
    own, others = bands(plane), [bands(neighbour) for neighbour in neighbours]
    result, changes = np.zeros(plane.shape), [np.zeros(plane.shape) for _ in neighbours]
    for band in reversed(range(SCALES + 1)):
        noise = variance * POWERS[band]
        total, weight = own[band].copy(), np.ones(plane.shape)
        for index, other in enumerate(others):
            difference = other[band] - own[band]
            scale, least = 2.0 ** min(band, SCALES - 1), inherited * changes[index]
            changes[index] = changed(difference, noise, scale, least)
            counts = 1 / (1 + CAUTION * changes[index])
            total += counts * other[band]
            weight += counts
        result += total / weight
    return result.astype(np.float32)


POWERS = band_powers()


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


def gains(
    three: np.ndarray, peak: float, seed: int, inherited: float, estimate: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    """PSNR from the middle plane alone, and from all three, in dB; one camera takes all of them."""
    rng = np.random.default_rng([12, seed, int(peak)])
    sensor, light = draw_sensor(CAMERA, three.shape[1:], rng), Exposure(peak, BACKGROUND * peak).photons
    before, middle, after = (expose(light(plane), CAMERA, rng, sensor=sensor) for plane in three)
    truth = CAMERA.expected(light(three[1]))
    return psnr(truth, estimate(middle)), psnr(truth, estimate(joined(middle, [before, after], inherited)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stacks", type=int, default=4)
    parser.add_argument("--inherited", type=float, default=INHERITED)
    parser.add_argument("--model", default="restoration-fluorescence")
    chosen = parser.parse_args()

    def estimate(plane: np.ndarray) -> np.ndarray:
        restored: np.ndarray = restore(plane, model=chosen.model).restored
        return restored

    print("| planes | " + " | ".join(f"{level} noise: alone, gain (least)" for level in LEVELS) + " |")
    print("|---|" + "---|" * len(LEVELS))
    for name, cases in sets(chosen.stacks):
        cells = []
        for peak in LEVELS.values():
            pairs = np.array(
                [gains(three, peak, seed, chosen.inherited, estimate) for seed, three in enumerate(cases)]
            )
            gain = pairs[:, 1] - pairs[:, 0]
            cells.append(f"{pairs[:, 0].mean():.2f}, {gain.mean():+.2f} ({gain.min():+.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
