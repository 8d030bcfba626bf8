"""MicroSSIM, SQUIRREL and decorrelation analysis give the numbers of the packages that people compare with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage, optimize

import napari_diffuscope
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.decorrelation_published import published_decorrelation
from napari_diffuscope.measure.micro import fit_micro_scale, micro_ms3im, micro_ssim
from napari_diffuscope.measure.squirrel import interpolated, pooled, squirrel
from tests.measure.recorded.images import DECORRELATION, MICRO, SQUIRREL, brightest

RECORDED = json.loads((Path(__file__).parent / "recorded" / "recorded.json").read_text(encoding="utf-8"))
SAMPLES = Path(napari_diffuscope.__file__).parent / "sample_data"


@cache
def _stored(name: str) -> np.ndarray:
    return tifffile.imread(SAMPLES / name)


def read(name: str) -> np.ndarray:
    return _stored(name).copy()


@pytest.mark.parametrize("name", ["pair", "stack"])
def test_micro_ssim_is_that_of_the_package_microssim(name: str) -> None:
    truths, images = MICRO[name](read)
    recorded = RECORDED["micro"][name]
    scale = fit_micro_scale(truths, images)
    assert scale.factor == pytest.approx(recorded["factor"], rel=1e-4)
    pairs = list(zip(truths, images, strict=True))
    assert [micro_ssim(*pair, scale=scale) for pair in pairs] == pytest.approx(
        recorded["microssim"], abs=1e-5
    )
    assert [micro_ms3im(*pair, scale=scale) for pair in pairs] == pytest.approx(
        recorded["microms3im"], abs=1e-5
    )


def test_units_and_background_do_not_change_micro_ssim() -> None:
    truths, images = MICRO["rescaled"](read)
    recorded = RECORDED["micro"]["rescaled"]
    scale = fit_micro_scale(truths, images)
    assert scale.factor == pytest.approx(recorded["factor"], rel=0.01)
    assert micro_ssim(truths[0], images[0]) == pytest.approx(recorded["microssim"][0], abs=1e-4)
    assert micro_ms3im(truths[0], images[0]) == pytest.approx(recorded["microms3im"][0], abs=2e-4)
    assert micro_ssim(truths[0], 7 * images[0] + 100) == pytest.approx(
        micro_ssim(truths[0], images[0]), abs=1e-9
    )


def test_micro_ssim_of_a_constant_image_is_refused() -> None:
    truth = MICRO["pair"](read)[0][0]
    with pytest.raises(DiffuscopeError, match="alike"):
        micro_ssim(truth, np.full_like(truth, 0.1))


@pytest.mark.parametrize("name", SQUIRREL)
def test_squirrel_at_the_scale_of_the_image_is_that_of_nanopyx(name: str) -> None:
    reference, image = SQUIRREL[name](read)
    recorded = RECORDED["squirrel"][name]
    found = squirrel(reference, image, convention="nanopyx")
    assert found.rse == pytest.approx(recorded["rse"], rel=1e-4)
    assert found.rsp == pytest.approx(recorded["rsp"], abs=5e-4)  # sums of 32 bits there
    assert found.error_map.shape == image.shape
    assert found.error_map.mean() == pytest.approx(recorded["map_mean"], rel=1e-3)
    assert found.error_map.max() == pytest.approx(recorded["map_max"], rel=1e-3)


@pytest.mark.parametrize("name", ["equal", "twice", "twice, a part missing", "four times, no power of two"])
def test_squirrel_at_the_scale_of_the_reference_is_the_best_blur(name: str) -> None:
    """Blurring, averaging and fitting by hand for every blur finds the same best one."""
    reference, image = SQUIRREL[name](read)
    factor = len(image) // len(reference)

    def worst(sigma: float) -> float:
        seen = pooled(ndimage.gaussian_filter(image, sigma), factor).ravel()
        line = np.polyfit(seen, reference.ravel(), 1)
        return float(np.sqrt(np.mean((np.polyval(line, seen) - reference.ravel()) ** 2)))

    best = optimize.minimize_scalar(worst, bounds=(0.3 * factor, 4 * factor), method="bounded")
    found = squirrel(reference, image, convention="nanoj")
    assert found.rse == pytest.approx(best.fun, rel=1e-5)
    assert found.sigma == pytest.approx(best.x, abs=0.02 * factor)
    assert found.error_map.shape == reference.shape
    assert found.rse == pytest.approx(float(np.sqrt(np.mean(found.error_map.astype(float) ** 2))), rel=1e-5)


def test_the_two_conventions_differ_where_pixels_do() -> None:
    reference, image = SQUIRREL["four times"](read)
    one, other = (squirrel(reference, image, convention=name) for name in ("nanoj", "nanopyx"))
    assert abs(one.rse - other.rse) > 0.2 * other.rse


def test_the_error_map_shows_what_is_missing() -> None:
    reference, image = SQUIRREL["twice, a part missing"](read)
    error = squirrel(reference, image).error_map
    rows, columns = brightest(read("pair_clean.ome.tif")[:256, :256].astype(float))
    part = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
    around = np.zeros(error.shape, dtype=bool)
    around[part] = True
    around = ndimage.binary_dilation(around, iterations=5)
    assert error[part].mean() > 3 * error[~around].mean()


def test_fourier_interpolation_goes_through_the_pixels_of_a_smooth_image() -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(40, 56)), 3)
    fine = interpolated(smooth, 2)
    assert fine.shape == (80, 112)
    stretch = np.polyfit(fine[::2, ::2].ravel(), smooth.ravel(), 1)
    assert np.polyval(stretch, fine[::2, ::2]) == pytest.approx(smooth, abs=1e-6)


@pytest.mark.parametrize("shape", [(100, 128), (33, 64), (65, 65)])
def test_squirrel_refuses_images_that_do_not_fit(shape: tuple[int, int]) -> None:
    with pytest.raises(DiffuscopeError, match="whole number of times"):
        squirrel(np.random.default_rng(0).random((64, 64)), np.ones(shape))


@pytest.mark.parametrize("name", DECORRELATION)
def test_decorrelation_is_that_of_nanopyx_within_two_percent(name: str) -> None:
    recorded = RECORDED["decorrelation"][name]["resolution"]
    found = published_decorrelation(DECORRELATION[name](read), pixel_size=0.5)
    assert found == pytest.approx(0.5 * recorded, rel=0.02)
