"""Images of another pixel size, resampled for the model and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError, Image, restore
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods.effort import pixels_seen
from napari_diffuscope.methods.restore.effort import restore_effort
from napari_diffuscope.methods.restore.grid import grid_for
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.folder import read_tensors, write_folder


@pytest.fixture(scope="module")
def sized_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, made for pixels of 0.1 to 0.2 µm."""
    card, tensors = read_tensors(tiny_model)
    folder = tmp_path_factory.mktemp("sized") / "sized"
    write_folder(folder, replace(card, pixel_size=(0.1, 0.2)), tensors)
    return folder


def image_of(size: float, *shape: int, unit: str = "µm") -> Image:
    y, x = np.indices(shape)
    pixels = (np.sin(y / 9) * np.cos(x / 7) + 2).astype(np.float32)
    return Image(pixels, axes="YX", scale=(size, size), units=(unit,) * 2)


@pytest.mark.parametrize("mode", ["estimate", "mean", "samples"])
@pytest.mark.parametrize(
    ("size", "said"), [(0.04, "from pixels of 0.04 µm to 0.1 µm"), (0.5, "0.5 µm to 0.2 µm")]
)
def test_the_result_lies_on_the_grid_of_the_image_and_says_what_was_done(
    sized_model: Path, size: float, said: str, mode: str
) -> None:
    image = image_of(size, 70, 90)
    result = restore(image, model=str(sized_model), mode=mode, samples=2, resample=True)
    assert result.restored.shape[-2:] == (70, 90)
    assert np.isfinite(result.restored).all()
    assert any(said in message for message in result.record["messages"])
    assert result.record["settings"]["resample"] is True
    plain = restore(image, model=str(sized_model), mode=mode, samples=2)
    assert not np.array_equal(plain.restored, result.restored)


@pytest.mark.parametrize("size", [0.04, 0.5])
def test_what_is_seen_meanwhile_lies_where_the_result_will(sized_model: Path, size: float) -> None:
    seen: list[Update] = []
    image = image_of(size, 150, 170)
    result = restore(
        image, model=str(sized_model), mode="estimate", resample=True, tile=64, crop=(10, 140, 20, 170),
        on_update=seen.append,
    )  # fmt: skip
    previews = [update for update in seen if update.preview is not None and not update.final]
    together = np.full((130, 150), np.nan, np.float32)
    for update in previews:
        together[update.region] = update.preview
    assert np.isfinite(together).all(), "parts leave no gap"
    coarse, final = (gaussian_filter(array, 2)[10:-10, 10:-10] for array in (together, result.restored))
    alike = [np.corrcoef(np.roll(coarse, n, 1).ravel(), final.ravel())[0, 1] for n in range(-6, 7)]
    assert np.argmax(alike) == 6
    assert alike[6] > 0.9


def test_within_the_range_nothing_changes(sized_model: Path) -> None:
    for image in (image_of(0.15, 64, 64), image_of(1, 64, 64, unit="pixel")):
        result = restore(image, model=str(sized_model), resample=True)
        np.testing.assert_array_equal(result.restored, restore(image, model=str(sized_model)).restored)
    assert any("unknown, so that nothing is resampled" in message for message in result.record["messages"])


def test_a_part_is_that_part_of_the_whole_and_tiles_change_nothing(sized_model: Path) -> None:
    image = image_of(0.04, 200, 240)
    whole = restore(image, model=str(sized_model), resample=True).restored
    part = restore(image, model=str(sized_model), resample=True, crop=(50, 110, 80, 160)).restored
    np.testing.assert_allclose(part, whole[50:110, 80:160], rtol=1e-5, atol=1e-5)
    tiled = restore(image, model=str(sized_model), resample=True, tile=32).restored
    np.testing.assert_allclose(tiled, whole, rtol=1e-5, atol=1e-5)


def test_resampling_and_back_keeps_what_both_grids_hold(sized_model: Path) -> None:
    card = read_card(sized_model)
    for size in (0.05, 0.5):
        image = image_of(size, 101, 97)
        grid = grid_for(card, image, ((0, 101), (0, 97)))
        assert grid is not None
        (y0, y1), (x0, x1) = grid.region_there
        again = grid.back(grid.forward(image.read_plane(0))[y0:y1, x0:x1])
        np.testing.assert_allclose(again[4:-4, 4:-4], image.read_plane(0)[4:-4, 4:-4], atol=0.03)


def test_what_makes_no_sense_is_refused_and_the_work_is_counted_on_the_model_s_grid(
    sized_model: Path,
) -> None:
    with pytest.raises(DiffuscopeError, match=r"too far from the 0\.1 to 0\.2 µm"):
        restore(image_of(5.0, 64, 64), model=str(sized_model), resample=True)
    image, card = image_of(0.5, 400, 400), read_card(sized_model)
    effort = restore_effort({"image": image}, RestoreSettings(resample=True), card)
    assert effort.size == pytest.approx(pixels_seen(1000) ** 2)
