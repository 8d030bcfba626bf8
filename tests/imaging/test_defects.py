"""What is no image is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.imaging.defects import bridged, bright_objects, isolated_defects
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import own_heights
from napari_diffuscope.imaging.stack_intensity import PlaneLines, measure_intensities

SAMPLES = Path(__file__).parents[2] / "sample_data"
ORDINARY = sorted(SAMPLES.glob("*_noisy.ome.tif")) + sorted(SAMPLES.glob("*_clean.ome.tif"))


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return open_image(SAMPLES / "pair_noisy.ome.tif").read_plane(0)


@pytest.mark.parametrize("path", ORDINARY, ids=lambda path: path.name)
def test_ordinary_images_have_no_defects_and_keep_their_range(path: Path) -> None:
    image = open_image(path)
    (robust,), (plain,) = measure_intensities(image), measure_intensities(image, robust=False)
    assert robust.map == plain.map
    lines = PlaneLines(image)
    for flat in range(0, image.plane_count, 4):
        plane = image.read_plane(flat)
        assert isolated_defects(plane, robust.heights) is None
        assert bright_objects(plane, robust.map) is None
        assert not lines.far(flat, robust.map, plane)


@pytest.mark.parametrize("value", [2000.0, 65535.0, 1e9, 1e30])
def test_isolated_pixels_are_found_exactly(noisy: np.ndarray, value: float) -> None:
    plane, wrong = noisy.copy(), np.zeros(noisy.shape, bool)
    wrong[[0, 100, 101, 300, 511], [0, 77, 77, 300, 400]] = True
    plane[wrong] = value
    found = isolated_defects(plane, own_heights(plane))
    assert found is not None
    assert np.array_equal(found, wrong)
    whole = bridged(plane, found)
    assert np.array_equal(whole[~wrong], noisy[~wrong])
    assert np.abs(whole[wrong] - noisy[wrong]).max() < 300


def test_what_went_through_a_lens_is_no_defect(noisy: np.ndarray) -> None:
    y, x = np.indices(noisy.shape)
    sharp = 60000 * np.exp(
        -((y - 200) ** 2 + (x - 200) ** 2) / (2 * 0.85**2)
    )  # two pixels wide at half maximum
    plane = (noisy + sharp).astype(np.float32)
    assert isolated_defects(plane, own_heights(plane)) is None


def test_single_photons_are_no_defects() -> None:
    rng = np.random.default_rng(0)
    photons = (rng.random((400, 400)) < 0.02) * rng.exponential(100.0, (400, 400))
    assert isolated_defects(photons.astype(np.float32), own_heights(photons.astype(np.float32))) is None


@pytest.mark.parametrize("share", [0.001, 0.015])
def test_an_extended_bright_thing_does_not_decide_the_range(noisy: np.ndarray, share: float) -> None:
    y, x = np.indices(noisy.shape)
    plane = noisy.copy()
    plane[np.hypot(y - 250, x - 250) <= np.sqrt(share * plane.size / np.pi)] = 60000
    (found,), (clean,) = measure_intensities(Image.wrap(plane)), measure_intensities(Image.wrap(noisy))
    assert found.map.scale == pytest.approx(clean.map.scale, rel=0.05)
    assert found.map.offset == pytest.approx(clean.map.offset, abs=0.05 * clean.map.scale)
    bright = bright_objects(plane, found.map)
    assert bright is not None
    assert bright[plane == 60000].all()
    assert bright.mean() < 1.2 * share


def test_planes_without_anything_do_not_count() -> None:
    image = open_image(SAMPLES / "stack_noisy.ome.tif")
    stack = np.asarray(image.data)[:4]
    padded = np.concatenate([stack, np.zeros((16, *stack.shape[1:]), stack.dtype)])
    (found,), (alone,) = measure_intensities(Image.wrap(padded)), measure_intensities(Image.wrap(stack))
    assert found.map.scale == pytest.approx(alone.map.scale, rel=0.1)
