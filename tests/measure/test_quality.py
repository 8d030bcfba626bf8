"""Image quality, held against scikit-image and a plain second implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import convolve2d
from skimage import metrics

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure import quality
from napari_diffuscope.measure.similarity import SCALE_WEIGHTS, scales_for, ssim_map

MEASURES = (
    quality.mae,
    quality.rmse,
    quality.nrmse,
    quality.psnr,
    quality.ssim,
    quality.ms_ssim,
    quality.pearson,
)


def pair(shape: tuple[int, ...], noise: float = 20.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth specimen on a background of 1000 and a noisy image of it."""
    rng = np.random.default_rng(seed)
    grids = np.meshgrid(*(np.linspace(0, 4, size) for size in shape), indexing="ij")
    truth = 1000 + 200 * np.prod([np.sin(3 * grid + 1) for grid in grids], axis=0)
    return truth, truth + rng.normal(0, noise, shape)


@pytest.mark.parametrize("shape", [(50, 61), (12, 20, 17)])
@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("data_range", [None, 4095.0])
def test_ssim_is_that_of_scikit_image(
    shape: tuple[int, ...], gaussian: bool, data_range: float | None
) -> None:
    truth, image = pair(shape)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False} if gaussian else {}
    span = data_range or np.ptp(truth)
    expected = metrics.structural_similarity(truth, image, data_range=span, **settings)
    assert 0.05 < expected < 0.9999
    assert quality.ssim(truth, image, data_range=data_range, gaussian=gaussian) == pytest.approx(
        expected, abs=1e-6
    )


def test_errors_are_those_of_scikit_image() -> None:
    truth, image = pair((40, 30))
    span = np.ptp(truth)
    assert quality.rmse(truth, image) == pytest.approx(metrics.mean_squared_error(truth, image) ** 0.5)
    assert quality.psnr(truth, image) == pytest.approx(
        metrics.peak_signal_noise_ratio(truth, image, data_range=span)
    )
    for ours, theirs in (("range", "min-max"), ("mean", "mean"), ("euclidean", "euclidean")):
        expected = metrics.normalized_root_mse(truth, image, normalization=theirs)
        assert quality.nrmse(truth, image, normalisation=ours) == pytest.approx(expected)  # type: ignore[arg-type]
    assert quality.mae(truth, image) == pytest.approx(np.abs(truth - image).mean())
    assert quality.pearson(truth, image) == pytest.approx(np.corrcoef(truth.ravel(), image.ravel())[0, 1])


def plain_ms_ssim(truth: np.ndarray, image: np.ndarray, span: float, weights: list[float]) -> float:
    """Equation 7 of the paper with two-dimensional convolutions, written without regard to speed."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(array: np.ndarray) -> np.ndarray:
        return convolve2d(array, window, mode="valid")

    value = 1.0
    for scale, weight in enumerate(weights):
        mx, my = mean(truth), mean(image)
        vx, vy, vxy = mean(truth**2) - mx**2, mean(image**2) - my**2, mean(truth * image) - mx * my
        c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
        terms = (2 * vxy + c2) / (vx + vy + c2)
        if scale == len(weights) - 1:
            terms = terms * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        value *= terms.mean() ** weight
        truth, image = (
            convolve2d(array, np.full((2, 2), 0.25), mode="valid")[::2, ::2] for array in (truth, image)
        )
    return value


def test_ms_ssim_is_that_of_a_plain_loop() -> None:
    truth, image = pair((180, 177), noise=60)
    assert scales_for(truth.shape) == 5
    expected = plain_ms_ssim(truth, image, 500, list(SCALE_WEIGHTS))
    assert 0.5 < expected < 0.99
    assert quality.ms_ssim(truth, image, data_range=500) == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_a_small_image_has_fewer_scales_whose_weights_sum_to_one() -> None:
    truth, image = pair((64, 50), noise=60)
    assert scales_for(truth.shape) == 3
    weights = np.array(SCALE_WEIGHTS[:3]) / sum(SCALE_WEIGHTS[:3])
    expected = plain_ms_ssim(truth, image, 500, list(weights))
    assert quality.ms_ssim(truth, image, data_range=500) == pytest.approx(expected, abs=1e-9)
    one_scale = quality.ms_ssim(truth[:21, :21], image[:21, :21], data_range=500)
    assert one_scale == pytest.approx(
        quality.ssim(truth[:21, :21], image[:21, :21], data_range=500, gaussian=True)
    )


def test_ms_ssim_falls_with_noise_and_is_symmetric() -> None:
    truth = pair((96, 96))[0]
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, truth.shape)
    values = [quality.ms_ssim(truth, truth + size * noise, data_range=400) for size in (0, 10, 40, 160)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    noisy = truth + 40 * noise
    assert quality.ms_ssim(noisy, truth, data_range=400) == pytest.approx(values[2])
    assert quality.ms_ssim(truth, 2000 - truth, data_range=400) == 0.0


def test_equal_images_are_perfect() -> None:
    truth = pair((40, 40))[0]
    report = quality.compare(truth, truth)
    assert report == pytest.approx(
        {"mae": 0, "rmse": 0, "nrmse": 0, "psnr": math.inf, "ssim": 1, "ms_ssim": 1, "pearson": 1}
    )


def test_the_report_holds_what_each_measure_gives() -> None:
    truth, image = pair((48, 40))
    for options in ({}, {"data_range": 700.0}, {"affine": True}):
        report = quality.compare(truth, image, **options)
        assert report == pytest.approx({f.__name__: f(truth, image, **options) for f in MEASURES})


def test_a_fit_forgives_gain_and_offset_only() -> None:
    truth, image = pair((40, 40))
    slope, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    fitted = quality.rmse(truth, slope * image + offset)
    for gain, shift in ((0.01, 3), (-2, 70000)):
        assert quality.rmse(truth, gain * image + shift, affine=True) == pytest.approx(fitted)
    assert fitted <= quality.rmse(truth, image)
    assert quality.pearson(truth, -image, affine=True) == pytest.approx(quality.pearson(truth, image))


def test_integers_do_not_wrap_around() -> None:
    truth = np.array([[0, 255], [10, 20]], dtype=np.uint8)
    assert quality.mae(truth, truth[::-1]) == pytest.approx(np.abs(truth.astype(int) - truth[::-1]).mean())


def test_a_stack_of_few_planes_goes_plane_by_plane() -> None:
    truth, image = pair((3, 40, 40))
    span = float(np.ptp(truth))
    with pytest.raises(DiffuscopeError, match="planewise"):
        quality.compare(truth, image)
    report = quality.compare(truth, image, planewise=True)
    planes = [quality.ms_ssim(truth[z], image[z], data_range=span) for z in range(3)]
    assert report["ms_ssim"] == pytest.approx(np.mean(planes))


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_input_is_told_in_a_sentence(measure: object) -> None:
    truth, image = pair((30, 30))
    assert callable(measure)
    with pytest.raises(DiffuscopeError, match="same shape"):
        measure(truth, image[:-1])
    holed = image.copy()
    holed[3, 3] = np.nan
    with pytest.raises(DiffuscopeError, match="NaN"):
        measure(truth, holed)
    with pytest.raises(DiffuscopeError, match="dimensions"):
        measure(truth[0], image[0])
    with pytest.raises(DiffuscopeError, match="real numbers"):
        measure(truth, image.astype(complex))
    with pytest.raises(DiffuscopeError, match="nothing to compare"):
        measure(np.ones((30, 30)), image, affine=True)


@pytest.mark.parametrize("measure", [quality.nrmse, quality.psnr, quality.ssim, quality.ms_ssim])
def test_a_constant_truth_needs_a_range(measure: object) -> None:
    flat, image = np.full((30, 30), 5.0), pair((30, 30))[1]
    assert callable(measure)
    with pytest.raises(DiffuscopeError, match="data_range"):
        measure(flat, image)
    assert math.isfinite(measure(flat, image, data_range=100.0))
    with pytest.raises(DiffuscopeError, match="positive"):
        measure(flat, image, data_range=0.0)


def test_a_constant_image_has_no_correlation() -> None:
    assert math.isnan(quality.pearson(pair((20, 20))[0], np.ones((20, 20))))


def test_unknown_normalisations_are_refused() -> None:
    with pytest.raises(DiffuscopeError, match="range, mean, euclidean"):
        quality.nrmse(*pair((20, 20)), normalisation="std")  # type: ignore[arg-type]


@pytest.mark.parametrize(("shape", "window"), [((24, 21), 7), ((5, 40), 5)])
def test_the_map_of_similarity_is_that_of_scikit_image(shape: tuple[int, int], window: int) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(1000, 50, shape)
    image = truth + rng.normal(0, 20, shape)
    span = float(np.ptp(truth))
    _, everywhere = metrics.structural_similarity(truth, image, win_size=window, data_range=span, full=True)
    found = ssim_map(truth, image, data_range=span, window=window, whole=True)
    np.testing.assert_allclose(found, everywhere, rtol=1e-10, atol=1e-10)
    inner = (slice(window // 2, -(window // 2)),) * 2
    np.testing.assert_array_equal(ssim_map(truth, image, data_range=span, window=window), found[inner])
