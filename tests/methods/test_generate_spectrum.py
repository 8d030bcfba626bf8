"""Power of generated images at each size of detail: what the sampler keeps of it, and what a card corrects."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_diffuscope import generate
from napari_diffuscope.cli import main
from napari_diffuscope.diffusion.ancestral import Estimate
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.measure.spectrum import radial_power_spectrum
from napari_diffuscope.methods.generate import GenerateSettings, settings
from napari_diffuscope.methods.generate.plan import generate_plan
from napari_diffuscope.training.generate.spectrum import filtered, fitted_gains

from .generators import CARD, write_generator

GAINS = ((0.0, 0.0, 0.0, 3.0, 6.0), (0.0, 0.0, 0.0, -3.0, -6.0))
WANTED: dict[str, Any] = {"number": 2, "size": 128, "width": 100, "class_": "microtubules", "seed": 3}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("models")
    return str(write_generator(place / "gained", spectrum_gains=GAINS))


def decibels(image: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Power of an image over that of another, by frequency."""
    one, two = (radial_power_spectrum(each, window=False).power for each in (image, other))
    return np.asarray(10 * np.log10(one / two))


# The steps


def power_kept(spacing: Literal["noise", "time"], power: float) -> float:
    """In dB, of a structure whose power is so many times that of white noise of all pixels; 20 steps, exact network."""
    card = replace(CARD, diffusion=replace(CARD.diffusion, steps=20))
    plan = generate_plan(_Carded(card), GenerateSettings(model="any", spacing=spacing))
    state, before = torch.ones(1), None
    for step, level in enumerate(plan.levels[:-1]):
        best = level.alpha * power / (level.alpha**2 * power + level.sigma**2) * state
        state, before = plan.moved(step, state, Estimate(best), before, torch.zeros), best
    return 10 * math.log10(float(state) ** 2 / power)


class _Carded:
    """What a plan needs of a model."""

    def __init__(self, card: Any) -> None:
        from napari_diffuscope.weights.schedules import build_schedule

        self.card, self.schedule = card, build_schedule(card.diffusion.schedule)


def test_large_structures_keep_their_power_in_twenty_steps() -> None:
    assert power_kept("time", 100.0) < -2
    for power in (0.1, 1.0, 10.0, 100.0):
        assert abs(power_kept("noise", power)) < 0.5


def test_a_run_of_an_earlier_version_is_repeated_as_it_was() -> None:
    earlier = GenerateSettings.from_dict({"model": "any", "mode": "fast"})
    assert (earlier.spacing, earlier.as_drawn) == ("time", True)


# The correction


def test_details_are_made_as_strong_as_the_card_says_and_the_mean_stays(model: str) -> None:
    drawn = generate(model=model, **WANTED, as_drawn=True)
    for name, gain in (("microtubules", 6.0), ("mitochondria", -6.0)):
        wanted = {**WANTED, "class_": name}
        made = generate(model=model, **wanted)
        drawn = generate(model=model, **wanted, as_drawn=True)
        assert (made.record["spectrum"], drawn.record["spectrum"]) == ("corrected", "as drawn")
        for image, other in zip(made.generated, drawn.generated, strict=True):
            assert image.mean() == pytest.approx(other.mean(), rel=0.02)
            change = decibels(image, other)
            assert abs(change[2:8]).max() < 0.5
            assert change[-6:].mean() == pytest.approx(gain, abs=1.5)


def test_tiles_batches_and_blocks_change_no_bit(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = generate(model=model, **WANTED).generated
    np.testing.assert_array_equal(generate(model=model, **WANTED, tile=64, batch=1).generated, whole)
    monkeypatch.setattr(settings, "BLOCK", 48)
    np.testing.assert_array_equal(generate(model=model, **WANTED).generated, whole)


def test_the_command_corrects_and_leaves_it_where_it_is_told(model: str, tmp_path: Path) -> None:
    for name, more in (("a.tif", ()), ("b.tif", ("--as-drawn",))):
        words = ("generate", tmp_path / name, "--model", model, "--number", 1, "--size", 64, "--steps", 2)
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in (*words, "--class", "mitochondria", "--quiet", *more)])
        assert not ended.value.code
        wanted = {"size": 64, "steps": 2, "class_": "mitochondria", "as_drawn": bool(more)}
        expected = generate(model=model, number=1, **wanted).generated
        np.testing.assert_array_equal(open_image(tmp_path / name).data[:], expected)


@pytest.mark.parametrize("how", [{"class_": None}, {"like": np.full((64, 64), 5.0, np.float32)}])
def test_images_that_it_was_not_measured_for_stay_as_drawn(model: str, how: dict[str, Any]) -> None:
    made = generate(model=model, **{"class_": "microtubules", "number": 1, "size": 64, "steps": 2, **how})
    assert made.record["spectrum"] == "as drawn"


@pytest.mark.parametrize(
    "gains", [((0.0, 1.0),), ((0.0, 9.0),) * 2, ((1.0, 1.0),) * 2, ((0.0, 1.0), (0.0, 1.0, 2.0))]
)
def test_gains_that_are_none_are_refused(tmp_path: Path, gains: Any) -> None:
    with pytest.raises(DiffuscopeError, match=r"spectrum_gains .* a row for each class"):
        write_generator(tmp_path / "model", spectrum_gains=gains)


def test_blurred_images_become_as_sharp_as_real_ones() -> None:
    noise = np.random.default_rng(0).standard_normal((8, 64, 64))
    real = np.stack([gaussian_filter(one, 0.8) for one in noise[:4]]) ** 2
    drawn = np.stack([gaussian_filter(one, 1.0) for one in noise[4:]]) ** 2
    gains = fitted_gains(drawn, real, power=2.0)
    assert gains[0] == 0
    assert max(map(abs, gains)) <= 8
    lacking = [_mean_decibels(images, real)[10:26] for images in (drawn, filtered(drawn, gains, power=2.0))]
    assert np.ptp(lacking[0]) > 3
    assert np.ptp(lacking[1]) < 2


def _mean_decibels(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    one, two = (
        np.mean([radial_power_spectrum(each).power for each in group], 0) for group in (images, others)
    )
    return np.asarray(10 * np.log10(one / two))
