"""A small bright thing, a flash, an outlier: what is far from it is restored as if it were not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods.restore.method import restore
from napari_diffuscope.methods.superres.method import superresolve

SAMPLES = Path(__file__).parents[2] / "sample_data"
MODELS = ("restoration-fluorescence", "deblurring-fluorescence")


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    return open_image(SAMPLES / "pair_noisy.ome.tif").read_plane(0)[:224, :224].copy()


@pytest.fixture(scope="module")
def undisturbed(noisy: np.ndarray) -> dict[str, np.ndarray]:
    return {model: restore(noisy, model=model, device="cpu").restored for model in MODELS}


def blob(shape: tuple[int, ...], share: float) -> np.ndarray:
    y, x = np.indices(shape)
    return np.asarray(np.hypot(y - 110, x - 120) <= np.sqrt(share * y.size / np.pi))


def single(shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[[110, 30, 180], [120, 40, 60]] = True
    return mask


def scattered(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).random(shape) < 0.001


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("mask", "value"),
    [(single, 65535.0), (single, 1e9), (scattered, 60000.0), (lambda shape: blob(shape, 0.001), 60000.0)],
    ids=["hot", "outlier", "scattered", "blob"],
)
def test_far_from_a_defect_nothing_changes(
    noisy: np.ndarray, undisturbed: dict[str, np.ndarray], model: str, mask: Any, value: float
) -> None:
    wrong, image = mask(noisy.shape), noisy.copy()
    image[wrong] = value
    updates: list[Update] = []
    result = restore(image, model=model, device="cpu", on_update=updates.append)
    expected = undisturbed[model]
    reach = np.ptp(np.percentile(expected, (1, 99.5)))
    far = distance_transform_edt(~wrong) > 8
    assert np.abs(result.restored - expected)[far].max() < 0.01 * reach
    assert np.array_equal(result.restored[wrong], image[wrong])  # as measured
    warned = [update.message for update in updates if update.warning]
    assert len(warned) == 1
    assert result.record["messages"] == warned
    found = result.record["defects"]
    assert found["isolated_pixels"] + found["bright_pixels"] >= wrong.sum()


def test_defects_can_be_bridged_or_left_alone(noisy: np.ndarray, undisturbed: dict[str, np.ndarray]) -> None:
    image = noisy.copy()
    image[110, 120] = 65535
    bridged = restore(image, device="cpu", defects="bridge").restored
    assert abs(bridged[110, 120] - undisturbed[MODELS[0]][110, 120]) < 50
    ignored = restore(image, device="cpu", defects="ignore")
    assert ignored.record["messages"] == []
    assert np.abs(ignored.restored - undisturbed[MODELS[0]])[100:120, 100:115].max() > 50


def test_a_flash_leaves_the_other_planes_alone_and_is_told() -> None:
    stack = np.asarray(open_image(SAMPLES / "stack_noisy.ome.tif").data)[:8, :96, :96].astype(np.float32)
    expected = restore(stack, device="cpu", planes=(2,)).restored
    stack[5] *= 80
    alone = restore(stack, device="cpu", planes=2)  # one number is one plane
    reach = np.ptp(np.percentile(expected, (1, 99.5)))
    assert np.abs(alone.restored - expected).max() < 0.05 * reach
    assert np.sqrt(np.mean((alone.restored - expected) ** 2)) < 0.01 * reach
    assert alone.record["messages"] == []
    both = restore(stack, device="cpu", planes=(2, 5))
    assert np.array_equal(both.restored[0], alone.restored[0])
    assert both.record["defects"]["planes_with_own_range"] == [5]
    assert "plane 5" in both.record["messages"][0]


def test_a_crop_of_a_constant_region_equals_that_part_of_the_whole(noisy: np.ndarray) -> None:
    image = noisy[:96, :96].copy()
    image[40:60, 40:60] = 300
    whole = restore(image, device="cpu").restored
    for y0, y1, x0, x1 in ((45, 55, 45, 55), (50, 51, 50, 51), (3, 4, 90, 91)):
        part = restore(image, device="cpu", crop=(y0, y1, x0, x1)).restored
        assert np.array_equal(part, whole[y0:y1, x0:x1])


@pytest.mark.parametrize("extreme", [1e-45, 3e38, -3e38])
def test_extreme_values_stay_finite(noisy: np.ndarray, extreme: float) -> None:
    image = noisy[:64, :64].copy()
    image[30, 30] = extreme
    assert np.isfinite(restore(image, device="cpu").restored).all()
    assert np.isfinite(restore(image, device="cpu", defects="ignore").restored).all()
    alone = np.zeros((64, 64), np.float32)
    alone[20:40, 20:40] = extreme
    alone[:20] = -extreme
    assert np.isfinite(restore(alone, device="cpu").restored).all()


def test_values_beyond_float32_are_told(noisy: np.ndarray) -> None:
    image = noisy[:64, :64].astype(np.float64)
    with pytest.raises(DiffuscopeError, match=r"more than the 3\.4e38"):
        restore(image * 1e300, device="cpu")
    image[3, 3] = 1e300
    result = restore(image, device="cpu")
    assert int(np.isnan(result.restored).sum()) == 1
    assert "beyond 3.4e38" in result.record["messages"][0]


@pytest.fixture(scope="module")
def coarse() -> np.ndarray:
    return np.asarray(open_image(SAMPLES / "anisotropic_noisy.ome.tif").data)[:9, :32, :32].astype(np.float32)


def test_a_plane_without_values_stays_without_in_superresolution(coarse: np.ndarray) -> None:
    expected = superresolve(coarse, zoom=2, device="cpu").superresolved
    image = coarse.copy()
    image[7] = np.nan
    found = superresolve(image, zoom=2, device="cpu").superresolved
    assert np.isnan(found[14]).all()
    assert int(np.isnan(found).sum()) == found[14].size
    reach = np.ptp(np.percentile(expected, (1, 99.5)))
    assert np.sqrt(np.mean((found[:7] - expected[:7]) ** 2)) < 0.02 * reach


def test_a_hot_pixel_spoils_nothing_in_superresolution(coarse: np.ndarray) -> None:
    expected = superresolve(coarse, zoom=2, device="cpu").superresolved
    image = coarse.copy()
    image[4, 16, 16] = 65535
    result = superresolve(image, zoom=2, device="cpu")
    reach = np.ptp(np.percentile(expected, (1, 99.5)))
    assert np.abs(result.superresolved - expected).max() < 0.02 * reach
    assert result.record["defects"]["isolated_pixels"] == 1
    assert len(result.record["messages"]) == 1


def test_a_block_without_a_measured_plane_can_have_its_planes_put_back(coarse: np.ndarray) -> None:
    stack, chosen = coarse[:3, :16, :16], {"zoom": 4, "reimpose": True, "device": "cpu"}
    blocks = superresolve(stack, block=(2, 8, 8), **chosen).superresolved
    assert np.array_equal(blocks, superresolve(stack, **chosen).superresolved)
    assert np.array_equal(blocks[::4], stack)
