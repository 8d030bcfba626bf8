"""Training pairs: what the optics and the camera do to an image, and the files that come of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.jobs import run
from napari_diffuscope.simulate.twins import TwinOptics, low_quality, pairs_job

PIXEL = 0.02


def filaments(count: int, size: int = 128) -> np.ndarray:
    """Thin straight lines, on nothing."""
    rng = np.random.default_rng(3)
    images = np.zeros((count, size, size), np.float32)
    t = np.linspace(0, 1, 4 * size)
    for image in images:
        for _ in range(12):
            (y0, x0), (y1, x1) = rng.uniform(0, size - 1, (2, 2))
            image[np.round(y0 + t * (y1 - y0)).astype(int), np.round(x0 + t * (x1 - x0)).astype(int)] += 5
    return images


def twin(**optics: Any) -> np.ndarray:
    [high] = filaments(1)
    rng = np.random.default_rng(0)
    return low_quality(high, TwinOptics(**optics), rng, pixel_um=PIXEL, limits=(0.0, float(high.max())))


def fineness(image: np.ndarray) -> float:
    """Share of the power in frequencies above 1 / (16 pixels)."""
    power = np.abs(np.fft.rfft2(image - image.mean())) ** 2
    y, x = np.fft.fftfreq(len(image))[:, None], np.fft.rfftfreq(len(image))[None]
    return float(power[np.hypot(y, x) > 1 / 16].sum() / power.sum())


BRIGHT = {"photons": 1e5, "background": 0.0, "read_noise": 0.0, "camera_pixel": PIXEL}


def test_smaller_apertures_longer_waves_and_larger_pixels_blur_more() -> None:
    sharp = fineness(twin(**BRIGHT))
    assert fineness(twin(**BRIGHT, numerical_aperture=0.7)) < 0.7 * sharp
    assert fineness(twin(**BRIGHT, wavelength=1100.0)) < 0.7 * sharp
    coarse = twin(**{**BRIGHT, "camera_pixel": 0.3})
    fidelity = [np.corrcoef(filaments(1).ravel(), one.ravel())[0, 1] for one in (coarse, twin(**BRIGHT))]
    assert fidelity[0] < 0.9 * fidelity[1]
    assert fineness(twin(**BRIGHT)) < 0.5 * fineness(filaments(1)[0])


def test_light_and_camera_decide_the_noise() -> None:
    expected = twin(**BRIGHT) - 100

    def error(**optics: Any) -> float:
        image = twin(camera_pixel=PIXEL, **optics)
        factor = float((image * expected).mean() / np.square(expected).mean())
        return float((image - factor * expected).std() / (factor * expected.std()))

    few = error(photons=50.0, background=0.0, read_noise=0.0)
    assert few < error(photons=5.0, background=0.0, read_noise=0.0)
    assert few < error(photons=50.0, background=200.0, read_noise=0.0)
    assert few < error(photons=50.0, background=0.0, read_noise=20.0)


def test_counts_are_those_of_a_camera_and_do_not_saturate() -> None:
    dark = twin(photons=0.1, background=0.0, read_noise=0.0, camera_pixel=PIXEL)
    assert np.median(dark) == pytest.approx(100, abs=1)
    assert twin(photons=1e6, background=1e4).max() < 65535


def test_the_papers_way_adds_a_background_and_noise_of_a_twentieth() -> None:
    image = twin(mode="paper", read_noise=0.2)
    assert 0 < np.median(image) < 0.2
    flat = low_quality(
        np.ones((64, 64), np.float32),
        TwinOptics(mode="paper", read_noise=0.0),
        np.random.default_rng(0),
        pixel_um=PIXEL,
        limits=(0.0, 1.0),
    )
    assert flat.std() == pytest.approx(1 / 20, rel=0.3)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    images = filaments(6)
    like = Image.wrap(images, "TYX", scale=(1, PIXEL, PIXEL), units=("pixel", "µm", "µm"))
    write_image(tmp_path / "fields.tif", images, like)
    return tmp_path / "fields.tif"


def called(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_pairs_have_equal_names_shapes_and_pixel_sizes(stack: Path, tmp_path: Path) -> None:
    words = ("--numerical-aperture", 1.1, "--photons", 80, "--seed", 4, "-q")
    assert called("pairs", stack, "--out", tmp_path / "pairs", *words) == 0
    high, low = (sorted((tmp_path / "pairs" / kind).iterdir()) for kind in ("high", "low"))
    assert [path.name for path in high] == [path.name for path in low]
    assert [path.name for path in high] == [f"fields_{n:05d}.tif" for n in range(6)]
    first, blurred = open_image(high[0]), open_image(low[0])
    np.testing.assert_array_equal(first.data[:], filaments(6)[0])
    assert first.shape == blurred.shape
    assert first.scale == blurred.scale == (PIXEL, PIXEL)
    about = json.loads((tmp_path / "pairs" / "pairs.json").read_text())
    assert (about["pairs"], about["numerical_aperture"], about["seed"]) == (6, 1.1, 4)
    assert called("pairs", tmp_path / "pairs" / "high", "--out", tmp_path / "again", *words) == 0
    other = open_image(tmp_path / "again" / "low" / "fields_00000.tif")
    np.testing.assert_array_equal(other.data[:], blurred.data[:])


def test_a_network_is_trained_on_them(stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert called("pairs", stack, "--out", "pairs", "-q") == 0
    words = ("--name", "care", "--steps", 2, "--workers", 0, "--device", "cpu", "-q")
    assert called("train", "--pairs", "pairs", *words) == 0
    assert (tmp_path / "runs" / "care" / "care" / "model.json").is_file()


REFUSED = [
    (Image.wrap(np.ones((64, 64)), "YX", scale=(PIXEL,) * 2, units=("µm",) * 2), "show nothing"),
    (Image.wrap(filaments(1)[0], "YX"), "does not say its pixel size; give it in µm"),
    (Image.wrap(filaments(1)[0], "YX", scale=(0.5,) * 2, units=("µm",) * 2), "smaller than those of"),
    (Image.wrap(filaments(1)[0], "YX", scale=(1.0,) * 2, units=("mm",) * 2), "far larger than the spot"),
    (Image.wrap(filaments(1)[0], "YX", scale=(1e-6,) * 2, units=("µm",) * 2), "far smaller than the spot"),
    (
        Image.wrap(
            np.where(np.eye(64) > 0, np.inf, filaments(1)[0][:64, :64]),
            "YX",
            scale=(PIXEL,) * 2,
            units=("µm",) * 2,
        ),
        "no numbers",
    ),
]


@pytest.mark.parametrize(("image", "said"), REFUSED)
def test_what_cannot_be_paired_is_refused(image: Image, said: str, tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match=said):
        run(pairs_job([image], TwinOptics(camera_pixel=0.1), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_and_equal_names_are_refused(stack: Path, tmp_path: Path) -> None:
    image = open_image(stack)
    with pytest.raises(DiffuscopeError, match="is not empty"):
        run(pairs_job([image], TwinOptics(), tmp_path))
    with pytest.raises(DiffuscopeError, match="Two images are called 'fields'"):
        run(pairs_job([image, image], TwinOptics(), tmp_path / "out"))


def test_a_run_that_fails_leaves_no_half_set(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.imaging import tiff

    real, written = tiff.write_image, []

    def full(path: Path, *more: Any, **most: Any) -> None:
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        real(path, *more, **most)

    monkeypatch.setattr(tiff, "write_image", full)
    with pytest.raises(DiffuscopeError, match="disk"):
        run(pairs_job([open_image(stack)], TwinOptics(), tmp_path / "out"))
    assert len(written) == 4
    assert not (tmp_path / "out").exists()


def test_a_plane_with_a_pixel_that_is_no_number_makes_no_pair(tmp_path: Path) -> None:
    planes = np.stack([*filaments(3)])
    planes[1, 5, 5] = np.nan
    image = Image.wrap(planes, "TYX", scale=(1.0, PIXEL, PIXEL), units=("pixel", "µm", "µm"), name="fields")
    with pytest.raises(DiffuscopeError, match="no numbers"):
        run(pairs_job([image], TwinOptics(), tmp_path / "out"))
    assert not (tmp_path / "out").exists()
