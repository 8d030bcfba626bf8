"""The benchmark that trains denoisers which differ in one thing for equal time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from benchmarks.denoiser_trials.stabilising import Stabilised

from napari_diffuscope.evaluate.anscombe import Anscombe

ROOT = Path(__file__).resolve().parents[1]


def measured(gain: float, dark: float, deviation: float) -> torch.Tensor:
    return torch.tensor([[gain, dark, deviation, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize("gain", [0.02, 0.1, 0.4])
def test_the_stabilised_image_and_its_inverse_are_those_of_the_transform(gain: float) -> None:
    transform = Stabilised.of(measured(gain, -1.0, 0.2))
    reference = Anscombe(gain, offset=-1 - 0.2**2 / gain)
    values = np.linspace(-1.1, 2, 60)
    shown = transform.forward(torch.from_numpy(values)[None, None, None].float()).numpy().ravel()
    ends = reference.forward(np.array([-1.0, 1.0]))
    expected = (2 * reference.forward(values) - ends.sum()) / np.ptp(ends)
    np.testing.assert_allclose(shown, expected, atol=1e-4)
    light = values[values > -1 + 2 * gain]  # the closed form is asymptotic
    roots = (2 * reference.forward(light) - ends.sum()) / np.ptp(ends)
    back = transform.inverse(torch.from_numpy(roots)[None, None, None].float()).numpy().ravel()
    np.testing.assert_allclose(back, reference.inverse(reference.forward(light)), atol=0.03 * gain)


def test_noise_that_does_not_grow_with_the_signal_is_left_as_it_is() -> None:
    transform = Stabilised.of(measured(0.0, -1.0, 0.3))
    values = torch.linspace(-2, 3, 50)[None, None, None]
    torch.testing.assert_close(transform.forward(values), values, atol=0.03, rtol=0)
    torch.testing.assert_close(transform.inverse(transform.forward(values)), values, atol=3e-3, rtol=0)


def trials(*arguments: str | Path) -> str:
    """Output of the command."""
    command = [sys.executable, "-m", "benchmarks.denoiser_trials", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_trials_are_trained_on_equal_patches_and_compared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("learned", "kept"):
        tifffile.imwrite(tmp_path / f"{name}.tif", rng.poisson(50, (160, 160)).astype(np.uint16))
    recipe = tmp_path / "trial.toml"
    recipe.write_text(
        """
name = "trial"
task = "restore"
[card]
title = "Trial"
purpose = "Tests."
[network]
widths = [8, 8]
encoder_blocks = [1, 1]
decoder_blocks = [1]
[data]
size = 160
patch = 128
validation = 2
simulated_share = 0.5
images = [{path = "learned.tif"}, {path = "kept.tif", validation = true}]
"""
    )
    trials(
        "patches",
        "--runs",
        tmp_path,
        "--recipe",
        recipe,
        "--count",
        8,
        "--kept",
        2,
        "--specimens",
        2,
        "--textures",
        2,
    )
    trials("train", "plain", "map", "stabilised", "--runs", tmp_path, "--minutes", 0.001, "--plain-steps")
    lines = trials("compare", "--runs", tmp_path).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| image alone",
        "| and a map of its noise",
        "| stabilised image",
    ]
    assert "±" not in lines[2]
    assert lines[3].count("±") == lines[4].count("±") == 4
