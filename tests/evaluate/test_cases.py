"""Test cases: decided by the seed, with the noise that is said, and clear words where data do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.evaluate.restore.cases import Case, case_names, make_case, noise_of
from napari_diffuscope.evaluate.restore.fields import Field, read_fields
from napari_diffuscope.evaluate.restore.settings import RestoreEvaluationSettings
from napari_diffuscope.evaluate.restore.structures import STRUCTURES, standard_specimen
from napari_diffuscope.evaluate.restore.work import sampled_cases


def fields(*data: str, limit: int | None = 1, edge: int = 64, shrink: int = 1) -> tuple[Field, ...]:
    return read_fields(data, seed=0, edge=edge, shrink=shrink, limit=limit)


@pytest.mark.parametrize("kind", STRUCTURES)
def test_structures_fill_the_field_and_follow_the_seed(kind: str) -> None:
    made = [standard_specimen(kind, (96, 96), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(made[0].image, made[1].image)
    assert not np.array_equal(made[0].image, made[2].image)
    for specimen in made:
        assert specimen.image.max() == 1
        assert specimen.image.min() >= 0
        assert (specimen.density >= 0).all()
        assert specimen.image.std() > 0.02


def simulated(target: str = "equal-blur") -> list[Case]:
    names = case_names(fields("standard"), ("camera", "scanner"), ("low", "high"), target)  # type: ignore[arg-type]
    return [make_case(name, seed=0) for name in names]


def test_every_field_gets_every_noise_at_every_level_and_cases_do_not_depend_on_each_other() -> None:
    cases = simulated()
    assert len(cases) == 3 * 2 * 2
    assert len({case.name.key for case in cases}) == 12
    again = make_case(cases[7].name, seed=0)
    np.testing.assert_array_equal(again.noisy, cases[7].noisy)
    assert not np.array_equal(make_case(cases[7].name, seed=1).noisy, again.noisy)


def test_noise_is_about_what_the_classical_methods_are_told() -> None:
    for case in simulated():
        expected = case.gain * (case.clean.mean() - case.offset) + case.read_noise**2
        found = np.mean((case.noisy.astype(float) - case.clean) ** 2)
        # flicker and pixel-to-pixel gain come on top where there is much light
        assert 0.85 < found / expected < 1.6, case.name


def test_without_noise_the_image_is_its_own_truth() -> None:
    names = case_names(fields("standard"), ("camera", "scanner"), ("none", "low"), "equal-blur")
    for name in names:
        case = make_case(name, seed=0)
        error = np.abs(case.noisy - case.clean).max() / np.ptp(case.clean)
        assert (error < 1e-6) == (name.level == "none"), name


def test_the_target_of_deblurring_is_the_same_specimen_under_a_spot_half_as_wide() -> None:
    for case in simulated("sharp"):
        assert case.psf is not None
        assert case.target_psf is not None
        variances = [
            float((p.sum(0) * (np.arange(len(p)) - len(p) // 2) ** 2).sum())
            for p in (case.psf, case.target_psf)
        ]
        assert np.sqrt(variances[0] / variances[1]) == pytest.approx(2, rel=0.05)
        # Blurred by what is missing, the target is what the noisy image scatters around.
        missing = gaussian_filter(case.clean.astype(float), np.sqrt(variances[0] - variances[1]))
        error = (case.noisy - missing)[8:-8, 8:-8]
        expected = case.gain * (missing.mean() - case.offset) + case.read_noise**2
        assert 0.7 < np.mean(error**2) / expected < 1.7, case.name


def test_noise_of_a_pair_is_found_by_regression() -> None:
    rng = np.random.default_rng(0)
    signal = 100 + 2 * rng.uniform(5, 200, (200, 200))
    noisy = 100 + 2 * rng.poisson((signal - 100) / 2) + rng.normal(0, 6, signal.shape)
    gain, offset, read_noise = noise_of(noisy, signal)
    assert gain == pytest.approx(2, rel=0.1)
    for level in (120, 300, 480):
        told = gain * (level - offset) + read_noise**2
        assert told == pytest.approx(2 * (level - 100) + 36, rel=0.15)


def test_clean_folders_are_shrunk_scaled_and_cropped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stack = rng.integers(100, 1000, (3, 100, 140)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "b.TIFF", stack[0])
    found = fields(str(tmp_path), limit=None, edge=32, shrink=2)
    assert [field.name for field in found] == ["a-1", "a-2", "a-3", "b"]
    assert {field.source for field in found} == {tmp_path.name}
    small = stack[0].reshape(50, 2, 70, 2).mean((1, 3))
    low, high = np.percentile(small, [0.5, 99.9])
    np.testing.assert_allclose(
        found[0].clean, ((small[9:41, 19:51] - low) / (high - low)).clip(0, 2), atol=1e-6
    )
    assert [field.name for field in fields(str(tmp_path), limit=2, edge=32)] == ["a-1", "a-3", "b"]


def pairs(folder: Path, names: tuple[str, ...] = ("x.tif",), low: tuple[str, ...] | None = None) -> Path:
    rng = np.random.default_rng(0)
    for part, files in (("high", names), ("low", names if low is None else low)):
        (folder / part).mkdir(parents=True)
        for name in files:
            tifffile.imwrite(folder / part / name, rng.integers(0, 100, (48, 48)).astype(np.uint16))
    return folder


def test_pairs_are_read_as_they_are(tmp_path: Path) -> None:
    found = fields(str(pairs(tmp_path / "p", ("x.tif", "y.tif"))), edge=32)
    assert [field.group for field in found] == ["x", "y"]
    case = make_case(case_names(found, ("camera",), ("low", "high"), "equal-blur")[0], seed=0)
    assert case.affine
    np.testing.assert_array_equal(case.clean, tifffile.imread(tmp_path / "p" / "high" / "x.tif")[8:40, 8:40])


def test_what_is_wrong_with_data_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match=r"There is no .*nowhere"):
        fields(str(tmp_path / "nowhere"))
    with pytest.raises(DiffuscopeError, match="holds no TIFF images"):
        fields(str(tmp_path))
    with pytest.raises(DiffuscopeError, match=r"b\.tif lies in high alone"):
        fields(str(pairs(tmp_path / "p", ("a.tif", "b.tif"), ("a.tif",))))
    (tmp_path / "q" / "low").mkdir(parents=True)
    with pytest.raises(DiffuscopeError, match="no folder 'high'"):
        fields(str(tmp_path / "q"))
    (tmp_path / "r").mkdir()
    tifffile.imwrite(tmp_path / "r" / "flat.tif", np.zeros((40, 40), np.uint8))
    with pytest.raises(DiffuscopeError, match=r"flat\.tif has a plane without content"):
        fields(str(tmp_path / "r"))
    with pytest.raises(DiffuscopeError, match="is there twice"):
        fields("standard", "standard")


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(DiffuscopeError, match="'sensor' is unknown; choose one of camera, scanner"):
        RestoreEvaluationSettings(noises=("sensor",))
    with pytest.raises(DiffuscopeError, match="samples must be at least 2"):
        RestoreEvaluationSettings(samples=1)
    with pytest.raises(DiffuscopeError, match="At least one of the levels"):
        RestoreEvaluationSettings(levels=())


def test_sampled_cases_are_spread_over_groups() -> None:
    names = case_names(fields("standard", limit=2), ("camera",), ("low",), "equal-blur")
    chosen = [name for name in names if name.key in sampled_cases(names, 4)]
    assert sorted(name.field.group for name in chosen) == ["bacteria", "neurites", "neurites", "sarcomeres"]
    assert sampled_cases(names, 0) == frozenset()
