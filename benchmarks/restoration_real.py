"""Does the starter denoise real images that it has never seen?

    python benchmarks/restoration_real.py ../shared/data/fluorescence_images

Photon and read noise is added to real images, averaged down by 2 so that their own noise is small; the middle 256 x
256 pixels count. Those marked
"kept out" had no part in the training. Prints PSNR in dB (range: that of the clean image) as Markdown; baselines are
a Gaussian filter at the best of ten widths *for each image*, chosen with the truth at hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_diffuscope import restore
from napari_diffuscope.imaging.tiff import read_image

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data" / "fluorescence_images"
KEPT_OUT = ("BPAE_actin", "BPAE_mito", "BPAE_nuclei", "hela-cells")
TRAINED = ("IXMtest_A02_s9", "maize_clsm", "membranes_2d")
LEVELS = {"low": 200.0, "medium": 30.0, "high": 5.0}
READ_NOISE, OFFSET, GAIN = 1.5, 100.0, 2.0
METHODS = ("input", "Gaussian, best width", "one sample", "mean of 8", "best estimate")


def clean_planes(path: Path) -> list[np.ndarray]:
    """Planes of a file averaged down by 2, scaled to 0 … 1 by their 0.5th and 99.9th percentile."""
    image = read_image(path, rgb="channels")
    found = []
    for flat in range(image.plane_count):
        plane = image.read_plane(flat)
        height, width = (n // 2 * 2 for n in plane.shape)
        small = plane[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
        low, high = np.percentile(small, [0.5, 99.9])
        found.append(centre(np.clip((small - low) / (high - low), 0, 2)))
    return found


def centre(plane: np.ndarray, edge: int = 256) -> np.ndarray:
    """Middle of a plane, at most ``edge`` pixels high and wide."""
    rows, columns = (slice(max(0, (n - edge) // 2), max(0, (n - edge) // 2) + edge) for n in plane.shape)
    return plane[rows, columns]


def with_noise(clean: np.ndarray, photons: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy image and its expectation in counts: Poisson light, Gaussian read noise."""
    rng = np.random.default_rng(seed)
    light = photons * (clean + 0.05)
    counts = OFFSET + GAIN * (rng.poisson(light) + rng.normal(0, READ_NOISE, clean.shape))
    return counts.round().clip(0).astype(np.uint16), (OFFSET + GAIN * light).astype(np.float32)


def results(noisy: np.ndarray, truth: np.ndarray, model: str) -> dict[str, np.ndarray]:
    """What each method makes of a noisy image."""
    widths = np.linspace(0.4, 4, 10)
    filtered = [gaussian_filter(noisy.astype(np.float32), width) for width in widths]
    return {
        "input": noisy.astype(np.float32),
        "Gaussian, best width": min(filtered, key=lambda image: float(np.mean((image - truth) ** 2))),
        "one sample": restore(noisy, model=model, mode="sample").restored,
        "mean of 8": restore(noisy, model=model, mode="mean", samples=8).restored,
        "best estimate": restore(noisy, model=model).restored,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=BESIDE, help="folder with the images")
    parser.add_argument("--model", default="restoration-fluorescence")
    chosen = parser.parse_args()
    if not chosen.folder.is_dir():
        print(f"Left out: the images are not at {chosen.folder}.")
        return
    print("| noise (peak photons) | images | planes | measure | " + " | ".join(METHODS) + " |")
    print("|---|---|---|---|" + "---|" * len(METHODS))
    details = []
    for level, photons in LEVELS.items():
        for group, names in (("kept out", KEPT_OUT), ("seen in training", TRAINED)):
            rows = []
            for seed, name in enumerate(names):
                for channel, clean in enumerate(clean_planes(chosen.folder / f"{name}.tif")):
                    noisy, truth = with_noise(clean, photons, seed)
                    span = float(truth.max() - truth.min())
                    made = results(noisy, truth, chosen.model)
                    psnr = [peak_signal_noise_ratio(truth, made[m], data_range=span) for m in METHODS]
                    ssim = [structural_similarity(truth, made[m], data_range=span) for m in METHODS]
                    rows.append((psnr, ssim))
                    details.append((name, channel, level, psnr))
            for index, measure, digits in ((0, "PSNR (dB)", 2), (1, "SSIM", 3)):
                mean = np.mean([row[index] for row in rows], axis=0)
                cells = " | ".join(f"{value:.{digits}f}" for value in mean)
                print(f"| {level} ({photons:g}) | {group} | {len(rows)} | {measure} | {cells} |", flush=True)
    print("\n| image | channel | noise | " + " | ".join(METHODS) + " |")
    print("|---|---|---|" + "---|" * len(METHODS))
    for name, channel, level, psnr in details:
        print(f"| {name} | {channel} | {level} | " + " | ".join(f"{value:.2f}" for value in psnr) + " |")


if __name__ == "__main__":
    main()
