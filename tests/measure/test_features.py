"""Features of patches see what they should and nothing else; patches are cut where they should be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.distances import slice_patches
from napari_diffuscope.measure.features import (
    Features,
    IntensityFeatures,
    SpectrumFeatures,
    TextureFeatures,
    standardised,
)
from napari_diffuscope.measure.inception import InceptionFeatures
from tests.measure.optional import needs_torch_fidelity

ALL = (IntensityFeatures(), SpectrumFeatures(), TextureFeatures())


def patches(count: int = 12, blur: tuple[float, float] = (1.0, 1.0), seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(count, 40, 48))
    blurred: np.ndarray = ndimage.gaussian_filter(noise, (0, *blur), mode="wrap")
    return 50 + 8 * blurred / blurred.std()


@pytest.mark.parametrize("features", ALL, ids=lambda features: features.name)
def test_every_patch_is_described_alone(features: Features) -> None:
    some = patches()
    numbers = features(some)
    assert numbers.shape[0] == len(some)
    assert np.isfinite(numbers).all()
    np.testing.assert_allclose(features(some[3:5]), numbers[3:5], rtol=1e-9, atol=1e-9)
    assert (numbers.std(0) > 0).all()


@pytest.mark.parametrize("features", ALL, ids=lambda features: features.name)
def test_flat_patches_are_described_as_well(features: Features) -> None:
    assert np.isfinite(features(np.full((2, 40, 40), 7.0))).all()
    assert np.isfinite(features(np.zeros((2, 40, 40)))).all()


def test_intensity_is_mean_deviation_skewness_and_quantiles() -> None:
    some = np.exp(patches() / 20)
    numbers = IntensityFeatures()(some)
    flat = some.reshape(len(some), -1)
    np.testing.assert_allclose(numbers[:, 0], flat.mean(1))
    np.testing.assert_allclose(numbers[:, 1], flat.std(1))
    np.testing.assert_allclose(numbers[:, 2], stats.skew(flat, axis=1))
    np.testing.assert_allclose(numbers[:, 6], np.median(flat, axis=1))


@pytest.mark.parametrize("features", ALL[1:], ids=lambda features: features.name)
def test_gain_and_offset_do_not_change_spectrum_and_texture(features: Features) -> None:
    some = patches()
    np.testing.assert_allclose(features(300 * some + 9000), features(some), rtol=1e-6, atol=1e-6)


def test_the_spectrum_of_white_noise_is_flat_and_a_blur_takes_the_high_bands() -> None:
    features = SpectrumFeatures(bands=10)
    flat = features(np.random.default_rng(0).normal(size=(300, 40, 40))).mean(0)
    assert np.ptp(flat[2:]) < 0.1
    down, across = features(patches(200, blur=(2.0, 0.5))).mean(0).reshape(10, 2).T
    assert across[-1] > down[-1] + 2  # frequencies along x survive


def test_texture_tells_direction_and_size() -> None:
    def differs(first: np.ndarray, second: np.ndarray) -> float:
        a, b = TextureFeatures()(first), TextureFeatures()(second)
        return float(np.max(np.abs(a.mean(0) - b.mean(0)) / a.std(0)))

    fine = patches(60)
    assert differs(fine, patches(60, seed=1)) < 1
    assert differs(fine, patches(60, blur=(1.3, 1.3), seed=1)) > 3
    stripes = patches(60, blur=(2.0, 1.0), seed=1)
    assert differs(stripes, np.swapaxes(patches(60, blur=(1.0, 2.0), seed=2), 1, 2)[:, :40, :40]) < 20
    assert differs(stripes, patches(60, blur=(1.0, 2.0), seed=2)) > 5


def test_every_part_weighs_the_same() -> None:
    reference = patches(100)
    joined = standardised(reference)
    numbers = joined(reference)
    widths = [part(reference).shape[1] for part in joined.parts]
    np.testing.assert_allclose(numbers.mean(0), 0, atol=1e-9)
    for part in np.split(numbers, np.cumsum(widths)[:-1], axis=1):
        assert part.var(0).sum() == pytest.approx(1)


def test_numbers_without_spread_do_not_blow_up() -> None:
    flat = np.full((5, 40, 40), 3.0)
    assert np.abs(standardised(flat)(flat + 1)).max() < 10


def test_small_patches_are_refused() -> None:
    with pytest.raises(DiffuscopeError, match="20 pixels"):
        SpectrumFeatures(bands=10)(np.zeros((2, 16, 16)))


def test_patches_come_from_the_planes_across_an_axis() -> None:
    z, y, x = np.meshgrid(np.arange(16), np.arange(24), np.arange(32), indexing="ij")
    volume = 10_000 * z + 100 * y + x
    for axis, (planes, rows, columns) in enumerate(((16, 3, 4), (24, 2, 4), (32, 2, 3))):
        cut = slice_patches(volume, axis, 8)
        assert cut.shape == (planes * rows * columns, 8, 8)
        plane = np.take(volume, 1, axis)  # the second patch of the second plane
        np.testing.assert_array_equal(cut[rows * columns + 1], plane[:8, 8:16])


def test_patches_can_overlap_and_skip_planes_and_background() -> None:
    volume = np.zeros((9, 16, 16))
    volume[4, :8, :8] = np.random.default_rng(0).normal(size=(8, 8))
    assert len(slice_patches(volume, 0, 8, stride=4)) == 9 * 9
    assert len(slice_patches(volume, 0, 8, step=4)) == 3 * 4
    (only,) = slice_patches(volume, 0, 8, least_deviation=0.5)
    np.testing.assert_array_equal(only, volume[4, :8, :8])
    drawn = slice_patches(volume, 0, 4, count=10, seed=1)
    assert drawn.shape == (10, 4, 4)
    np.testing.assert_array_equal(drawn, slice_patches(volume, 0, 4, count=10, seed=1))
    np.testing.assert_array_equal(slice_patches(volume[4], 0, 8)[0], volume[4, :8, :8])


def test_patches_that_do_not_fit_are_refused() -> None:
    volume = np.random.default_rng(0).normal(size=(6, 16, 16))
    with pytest.raises(DiffuscopeError, match="smaller patches"):
        slice_patches(volume, 1, 8)
    with pytest.raises(DiffuscopeError, match="axis"):
        slice_patches(volume, 3, 4)
    with pytest.raises(DiffuscopeError, match="least_deviation"):
        slice_patches(volume, 0, 4, least_deviation=1e6)
    with pytest.raises(DiffuscopeError, match="1 or more"):
        slice_patches(volume, 0, 4, stride=0)


def test_inception_asks_for_its_weights_and_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DiffuscopeError, match="no file"):
        InceptionFeatures(tmp_path / "none.pth", 0, 1)(patches(2))
    with pytest.raises(DiffuscopeError, match="low must be smaller"):
        InceptionFeatures(tmp_path / "none.pth", 1, 1)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not weights")
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(DiffuscopeError, match=r"pip install 'napari-diffuscope\[fid\]'"):
        InceptionFeatures(weights, 0, 1)(patches(2))


class Runs:
    """What a file of weights must not do: run something when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.slow
def test_inception_describes_patches_and_runs_nothing_it_reads(tmp_path: Path) -> None:
    module = needs_torch_fidelity("feature_extractor_inceptionv3")
    import torch

    torch.manual_seed(0)
    target, mark = tmp_path / "weights.pth", tmp_path / "mark"
    torch.save({"weights": Runs(mark)}, target)
    with pytest.raises(DiffuscopeError, match="plain weights"):
        InceptionFeatures(target, 0, 100)(patches(2))
    assert not mark.exists()
    torch.save({"weights": torch.zeros(2)}, target)
    with pytest.raises(DiffuscopeError, match="does not hold"):
        InceptionFeatures(target, 0, 100)(patches(2))

    with pytest.MonkeyPatch.context() as patch:  # random weights of the right kind
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        network = module.FeatureExtractorInceptionV3(
            "x", ["2048"], feature_extractor_weights_path=str(target)
        )
    torch.save(network.state_dict(), target)
    some = patches(3)
    numbers = InceptionFeatures(target, 0, 100, batch=2)(some)
    assert numbers.shape == (3, 2048)
    grey = torch.from_numpy(np.rint(2.55 * np.clip(some, 0, 100)).astype(np.uint8))
    expected = network(grey[:, None].repeat(1, 3, 1, 1))[0]
    np.testing.assert_allclose(numbers, expected.numpy(), rtol=1e-4, atol=1e-5)
