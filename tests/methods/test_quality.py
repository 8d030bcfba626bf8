"""The shipped model does what it is for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope import restore
from napari_diffuscope.imaging.tiff import read_image
from napari_diffuscope.simulate.sample_files import sample_path


def psnr(truth: np.ndarray, image: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(truth) ** 2 / np.mean((truth - image) ** 2)))


def test_the_sample_pair_gets_much_closer_to_its_truth() -> None:
    noisy, clean = (read_image(sample_path(name)).read_plane(0) for name in ("pair_noisy", "pair_clean"))
    scale, offset = np.polyfit(
        clean.ravel(), noisy.ravel(), 1
    )  # both are counts; the target is what noise averages to
    truth = scale * clean + offset
    assert psnr(truth, restore(noisy).restored) > psnr(truth, noisy) + 6


@pytest.mark.parametrize("name", ["BPAE_mito", "hela-cells"])
def test_kept_out_real_images_gain_three_decibels_at_medium_noise(shared_data: Path, name: str) -> None:
    image = read_image(shared_data / "fluorescence_images" / f"{name}.tif", rgb="channels").read_plane(0)
    small = image[:512, :512].reshape(256, 2, 256, 2).mean((1, 3))
    low, high = np.percentile(small, [0.5, 99.9])
    light = 30 * (np.clip((small - low) / (high - low), 0, 2) + 0.05)
    rng = np.random.default_rng(0)
    noisy = 100 + 2 * (rng.poisson(light) + rng.normal(0, 1.5, light.shape))
    truth = 100 + 2 * light
    assert psnr(truth, restore(noisy).restored) > psnr(truth, noisy) + 3
