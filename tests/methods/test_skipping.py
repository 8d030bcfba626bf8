"""Empty parts are left out: they stay as they were measured, the rest is what it is without, and it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope import restore, superresolve
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.methods.evaluation import Model
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.skipping import SQUARE
from napari_diffuscope.methods.superres.settings import SuperresSettings
from tests.methods import superres_models

BELOW = 60.0
EMPTY = np.s_[..., SQUARE:]
"""Where nothing is in `field`: all but the first square."""


def field(*lengths: int) -> np.ndarray:
    """Dim noise, and in the first square of every plane something bright."""
    pixels = np.random.default_rng(0).poisson(10, lengths).astype(np.float32)
    pixels[..., 8:24, 10:40] += 200
    return pixels


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pixels that networks of restorations are asked for, call by call."""
    pixels: list[int] = []
    estimate = Model.estimate

    def counted(model: Model, x: Any, *words: Any, **more: Any) -> Any:
        pixels.append(x[:, 0].numel())
        return estimate(model, x, *words, **more)

    monkeypatch.setattr(Model, "estimate", counted)
    return pixels


def test_empty_squares_stay_and_the_rest_is_what_it_is_without(tiny_model: Path, seen: list[int]) -> None:
    image, settings = Image(field(2, 40, 2 * SQUARE + 30), "ZYX"), RestoreSettings(str(tiny_model), tile=128)
    whole = restore(image, settings=settings)
    asked, _ = sum(seen), seen.clear()
    some = restore(image, settings=replace(settings, skip_below=BELOW))
    assert sum(seen) < 0.7 * asked, "empty squares cost no network"
    assert np.array_equal(some.restored[..., :SQUARE], whole.restored[..., :SQUARE])
    assert np.array_equal(some.restored[EMPTY], image.data[EMPTY])
    assert not np.array_equal(whole.restored[EMPTY], image.data[EMPTY])
    assert some.record["skipped"] == {"below": BELOW, "empty_parts": 4, "parts": 6}
    [said] = [line for line in some.record["messages"] if "reaches 60" in line]
    assert "4 of 6 parts (67%)" in said
    assert "measured values" in said
    assert "skipped" not in whole.record


def test_an_empty_plane_is_left_out_and_a_hot_pixel_makes_it_no_less_empty(
    tiny_model: Path, seen: list[int]
) -> None:
    pixels = field(2, 40, 60)
    pixels[1] = 10 + pixels[1] % 3
    pixels[1, 30, 30] = 4000
    made = restore(pixels, axes="ZYX", model=str(tiny_model), skip_below=BELOW)
    assert len(seen) == 1
    assert np.array_equal(made.restored[1], pixels[1])
    assert made.record["skipped"]["empty_parts"] == 1


@pytest.mark.parametrize("mode", ["sample", "mean"])
def test_tiles_and_crops_decide_nothing_of_what_is_left_out(tiny_model: Path, mode: Any) -> None:
    pixels = field(40, SQUARE + 60)
    settings = RestoreSettings(str(tiny_model), mode=mode, steps=2, samples=2, skip_below=BELOW)
    one, other = (restore(pixels, settings=replace(settings, tile=tile)) for tile in (64, 512))
    assert np.array_equal(one.restored, other.restored)
    assert np.array_equal(one.restored[EMPTY], pixels[EMPTY])
    if mode == "mean":
        assert np.isnan(one.deviation[EMPTY]).all(), "of what was not looked at no deviation is known"
        assert (one.deviation[..., :SQUARE] > 0).mean() > 0.9
    crop = restore(pixels, settings=replace(settings, crop=(4, 36, SQUARE - 8, SQUARE + 60)))
    assert np.array_equal(crop.restored[..., 8:], pixels[4:36, SQUARE:])


@pytest.mark.parametrize("mode", ["estimate", "mean"])
def test_empty_parts_of_volumes_are_straight_lines_between_planes(mode: Any, tmp_path: Path) -> None:
    pixels = field(3, 26, SQUARE + 20)
    model = str(superres_models.write_tiny(tmp_path / "model"))
    settings = SuperresSettings(model=model, mode=mode, zoom=2, steps=2, samples=2, skip_below=BELOW)
    one = superresolve(pixels, axes="ZYX", settings=settings)
    between = (pixels[:-1] + pixels[1:])[EMPTY] / 2
    np.testing.assert_allclose(one.superresolved[1:4:2][EMPTY], between, rtol=1e-4)
    assert one.record["skipped"] == {"below": BELOW, "empty_parts": 1, "parts": 2}
    if mode == "mean":
        assert np.isnan(one.deviation[EMPTY]).all()
        return
    pieces = superresolve(pixels, axes="ZYX", settings=replace(settings, block=(2, 26, 64)))
    assert np.array_equal(one.superresolved, pieces.superresolved)
    whole = superresolve(pixels, axes="ZYX", settings=replace(settings, skip_below=None))
    assert np.array_equal(one.superresolved[..., :SQUARE], whole.superresolved[..., :SQUARE])


def test_the_command_says_before_and_after_how_much_is_left_out(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pixels, source, out = field(3, 40, SQUARE + 20), tmp_path / "in.tif", tmp_path / "out.tif"
    write_image(source, pixels, Image(pixels, "ZYX"))
    words = ["restore", str(source), str(out), "--model", str(tiny_model), "--skip-below", "60"]
    for more, said in (
        (["--dry-run"], "Empty: 3 of 6 parts (50%), which are skipped."),
        ([], "3 of 6 parts"),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*words, *more])
        assert not ended.value.code
        told = capfd.readouterr()
        assert said in told.out + told.err
    assert out.exists()
