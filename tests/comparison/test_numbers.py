"""The table of a comparison: numbers of other libraries, images on other grids, and what is wrong said in a cell."""

from __future__ import annotations

import csv
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage
from skimage import metrics

import napari_diffuscope
from napari_diffuscope import DiffuscopeError, Image, compare
from napari_diffuscope.comparison.job import Scene, comparison_job
from napari_diffuscope.comparison.placing import Placed, reference_placed
from napari_diffuscope.comparison.sampling import sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.jobs import run
from napari_diffuscope.measure import quality

SAMPLES = Path(napari_diffuscope.__file__).parent / "sample_data"
CLEAN, NOISY = SAMPLES / "pair_clean.ome.tif", SAMPLES / "pair_noisy.ome.tif"
ERRORS = ("mae", "rmse", "nrmse", "psnr", "ssim", "pearson")


def specimen(shape: tuple[int, ...] = (96, 112), seed: int = 0) -> np.ndarray:
    return 1000 * ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)


def noisy(image: np.ndarray, sigma: float = 5.0) -> np.ndarray:
    return image + sigma * np.random.default_rng(9).normal(size=image.shape)


def test_errors_are_those_of_scikit_image_and_numpy() -> None:
    truth, image = (tifffile.imread(path).astype(float) for path in (CLEAN, NOISY))
    row = compare(CLEAN, NOISY, measures=ERRORS)["pair_noisy"]
    span = np.ptp(truth)
    assert row["mae"] == pytest.approx(np.abs(truth - image).mean())
    assert row["rmse"] == pytest.approx(math.sqrt(metrics.mean_squared_error(truth, image)))
    assert row["nrmse"] == pytest.approx(metrics.normalized_root_mse(truth, image, normalization="min-max"))
    assert row["psnr"] == pytest.approx(metrics.peak_signal_noise_ratio(truth, image, data_range=span))
    assert row["ssim"] == pytest.approx(
        metrics.structural_similarity(truth, image, data_range=span), abs=1e-6
    )
    assert row["pearson"] == pytest.approx(np.corrcoef(truth.ravel(), image.ravel())[0, 1])


@pytest.mark.parametrize("affine", [False, True])
def test_all_errors_are_those_of_the_measures(affine: bool) -> None:
    truth = specimen((200, 180))
    image = 0.3 * noisy(truth) + 40
    row = compare(truth, image, affine=affine)["image 1"]
    expected = quality.compare(truth, image, affine=affine)
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert row["micro_ssim"] > 0.8 > compare(truth, image)["image 1"]["ssim"]


def test_a_stack_is_the_mean_over_planes_with_one_range_and_one_fit() -> None:
    truth = np.stack([specimen(seed=seed) * (1 + seed) for seed in range(3)])
    image = 2 * noisy(truth) - 7
    row = compare(truth, image, affine=True, measures=("ssim", "ms_ssim", "rmse", "psnr"))["image 1"]
    assert row == pytest.approx(
        {
            name: value
            for name, value in quality.compare(truth, image, affine=True, planewise=True).items()
            if name in row
        }
    )


def test_tiles_of_a_large_plane_give_the_errors_of_the_whole() -> None:
    truth = specimen((2100, 3100)).astype(np.float32)
    image = noisy(truth).astype(np.float32)
    row = compare(truth, image, measures=("mae", "psnr", "pearson", "ssim"))["image 1"]
    assert row["mae"] == pytest.approx(np.abs(truth.astype(float) - image).mean())
    assert row["pearson"] == pytest.approx(np.corrcoef(truth.ravel(), image.ravel())[0, 1], rel=1e-6)
    assert row["ssim"] == pytest.approx(quality.ssim(truth, image), abs=1e-3)


def placed_by_size(data: np.ndarray, step: float, start: float = 0.0) -> Image:
    return Image(data, "YX", scale=(step, step), units=("micrometer",) * 2, translate=(start, start))


def test_a_finer_image_is_averaged_over_the_pixels_of_the_reference() -> None:
    fine = specimen((120, 120))
    coarse = fine.reshape(60, 2, 60, 2).mean((1, 3))
    table = compare(
        placed_by_size(coarse, 0.2, 0.05),
        placed_by_size(fine, 0.1),
        names=("coarse", "fine"),
        measures=ERRORS,
    )
    assert table["fine"]["rmse"] < 1e-9
    assert "mean over 2 × 2 points" in table.to_csv()


def test_a_shifted_image_is_compared_where_both_are() -> None:
    whole = specimen((120, 120))
    first, second = placed_by_size(whole[:80, :80], 0.1), placed_by_size(whole[30:, 30:], 0.1, 3.0)
    table = compare(first, second, names=("a", "b"), measures=("mae", "ms_ssim"))
    assert table["b"]["mae"] < 1e-9
    assert "Y 30:80, X 30:80" in table.to_csv()


def test_a_coarse_image_is_interpolated_in_nanometres_too() -> None:
    rows, columns = np.mgrid[:40, :40].astype(float)
    coarse = Image(rows + 2 * columns, "YX", scale=(300.0, 300.0), units=("nm", "nm"))
    y, x = np.mgrid[:100, :100] / 3
    table = compare(placed_by_size(y + 2 * x, 0.1), coarse, names=("fine", "coarse"), measures=("mae",))
    assert table["coarse"]["mae"] < 1e-6


def test_a_rotated_image_is_compared_where_it_has_pixels() -> None:
    image = specimen((100, 100))
    angle = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]])
    reference = reference_placed(Image(image, "YX", name="straight"))
    turned = Image(np.rot90(image).copy(), "YX", name="quarter")  # [99 - x, y] holds [y, x]
    quarter = Placed(turned, np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([99.0, 0.0]))
    oblique = Placed(Image(np.ones((100, 100)), "YX", name="oblique"), angle, np.array([20.0, 30.0]))
    table = run(comparison_job(Scene(reference, (quarter, oblique)), CompareSettings(("mae", "ms_ssim"))))
    assert table["quarter"]["mae"] < 1e-9
    assert table["oblique"]["mae"] is not None
    assert table["oblique"]["ms_ssim"] is None
    assert "rectangle" in table.cell("oblique", "ms_ssim").why


def test_only_what_is_under_the_mask_counts() -> None:
    truth = specimen()
    image, mask = truth.copy(), np.zeros(truth.shape, dtype=np.uint8)
    image[:30] += 100
    mask[40:90, 20:100] = 1
    mask[60:70, 50:60] = 0
    inside = compare(truth, image, mask=mask, measures=("mae", "ssim", "ms_ssim"))
    assert inside["image 1"]["mae"] < 1e-9
    assert inside["image 1"]["ssim"] == pytest.approx(1)
    assert "rectangle" in inside.cell("image 1", "ms_ssim").why
    mask[40:90, 20:100] = 1  # a rectangle is a part like any other
    assert compare(truth, image, mask=mask, measures=("ms_ssim",))["image 1"]["ms_ssim"] == pytest.approx(1)
    with pytest.raises(DiffuscopeError, match="empty"):
        compare(truth, image, mask=0 * mask)


def test_plane_and_crop_choose_a_part() -> None:
    stack = np.stack([specimen(seed=seed) for seed in range(3)])
    other = stack.copy()
    other[1, :50] += 10
    assert compare(stack, other, measures=("mae",))["image 1"]["mae"] > 1
    assert compare(stack, other, plane=2, measures=("mae",))["image 1"]["mae"] < 1e-9
    assert compare(stack, other, plane=1, crop=(50, 90, 0, 60), measures=("mae",))["image 1"]["mae"] < 1e-9
    with pytest.raises(DiffuscopeError, match="Plane 3 does not exist"):
        compare(stack, other, plane=3)
    with pytest.raises(DiffuscopeError, match="does not lie"):
        compare(stack, other, crop=(0, 500, 0, 10))


def test_ring_correlation_of_two_exposures_and_not_of_an_image_with_its_result(tmp_path: Path) -> None:
    exposures = [noisy(specimen((256, 256)), 20) for _ in range(2)]
    exposures[1] = specimen((256, 256)) + 20 * np.random.default_rng(4).normal(size=(256, 256))
    table = compare(*exposures, measures=("frc", "frc_split"))
    assert 3 < table["image 1"]["frc"] < 20
    assert table["image 1"]["frc_split"] > table["image 1"]["frc"] / 3


def test_two_halves_of_a_result_are_refused_until_asked_for_twice(tmp_path: Path, tiny_model: Path) -> None:
    from napari_diffuscope.cli import main

    raw, restored = tmp_path / "raw.tif", tmp_path / "restored.tif"
    tifffile.imwrite(raw, noisy(specimen((128, 128)), 20).astype(np.float32))
    with pytest.raises(SystemExit, match="0"):
        main(["restore", str(raw), str(restored), "--model", str(tiny_model), "-q"])
    table = compare(raw, restored, measures=("frc", "frc_split"))
    assert table["restored"] == {"frc": None, "frc_split": None}
    assert "made by a model" in table.cell("restored", "frc_split").why
    assert "share its noise" in table.cell("restored", "frc").why
    assert table["raw"]["frc_split"] is not None or "too large" in table.cell("raw", "frc_split").why
    asked = compare(raw, restored, measures=("frc", "frc_split"), frc_of_results=True)
    assert "model" not in asked.cell("restored", "frc_split").why
    assert "noise" not in asked.cell("restored", "frc").why


def test_volumes_get_a_shell_correlation() -> None:
    volume = 300 * ndimage.gaussian_filter(np.random.default_rng(0).random((24, 64, 64)), 1.5)
    pair = [Image(noisy(volume, s), "ZYX", scale=(0.3, 0.1, 0.1), units=("um",) * 3) for s in (3, 0.01)]
    table = compare(*pair, measures=("frc",))
    assert table["image 1"]["frc"] is not None or "too large" in table.cell("image 1", "frc").why


def test_labels_are_compared_by_overlap() -> None:
    path = SAMPLES / "cells_labels.ome.tif"
    labels = tifffile.imread(path)
    fewer = np.where(labels == labels.max(), 0, labels)
    row = compare(path, fewer, labels=True, names=("all", "fewer"))["fewer"]
    kept = np.count_nonzero(fewer) / np.count_nonzero(labels)
    assert row["iou"] == row["volume_ratio"] == pytest.approx(kept)
    assert row["dice"] == pytest.approx(2 * kept / (1 + kept))
    count = len(np.unique(labels)) - 1
    assert row["object_iou"] == pytest.approx((count - 1) / count)
    with pytest.raises(DiffuscopeError, match="whole numbers"):
        compare(labels, labels + 0.5, labels=True)


def test_images_that_do_not_overlap_or_lack_an_axis_are_refused() -> None:
    here, there = placed_by_size(specimen(), 0.1), placed_by_size(specimen(), 0.1, 500.0)
    with pytest.raises(DiffuscopeError, match="do not overlap"):
        compare(here, there)
    with pytest.raises(DiffuscopeError, match="has an axis Z"):
        compare(specimen(), np.zeros((3, 96, 112)))
    with pytest.raises(DiffuscopeError, match="give both a pixel size"):
        compare(placed_by_size(specimen(), 0.1), specimen((50, 50)))
    with pytest.raises(DiffuscopeError, match="at least one other"):
        compare(specimen())
    with pytest.raises(DiffuscopeError, match="no measure"):
        compare(specimen(), specimen(), measures=("psnrr",))


@pytest.mark.parametrize(
    ("truth", "image", "empty", "why"),
    [
        (
            np.full((64, 64), 0.1),
            specimen((64, 64)),
            ("psnr", "ssim", "pearson", "micro_ssim"),
            "are 0.1 here",
        ),
        (specimen((64, 64)), np.full((64, 64), 7.0), ("pearson", "micro_ssim"), "alike"),
        (specimen((64, 64)), np.where(np.eye(64) > 0, np.nan, 1.0), ("mae", "psnr", "noise", "frc"), "NaN"),
        (specimen((10, 10)), noisy(specimen((10, 10))), ("ms_ssim", "decorrelation"), "pixels along"),
        (specimen((6, 6)), noisy(specimen((6, 6))), ("ssim", "micro_ssim"), "needs 7 pixels"),
    ],
)
def test_a_number_that_is_missing_says_why(
    truth: np.ndarray, image: np.ndarray, empty: tuple[str, ...], why: str
) -> None:
    table = compare(truth, image)
    for name in empty:
        cell = table.cell("image 1", name)
        assert cell.value is None
        assert cell.why
    assert any(why in table.cell("image 1", name).why for name in empty)
    assert why in table.to_csv()


def test_colours_are_compared_by_their_luminance() -> None:
    grey = specimen((64, 64))
    colours = np.stack([grey] * 3, axis=-1)
    row = compare(grey, Image.wrap(colours, "YXS"), names=("grey", "rgb"), measures=("mae",))["rgb"]
    assert row["mae"] == pytest.approx(0, abs=1e-3)


def test_the_exported_table_reads_back_and_says_what_it_is(tmp_path: Path) -> None:
    table = compare(CLEAN, NOISY, measures=("psnr", "micro_ms3im"), affine=True)
    lines = table.to_csv().splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert float(rows[1]["psnr"]) == table["pair_noisy"]["psnr"]
    assert rows[0]["psnr"] == ""
    header = "\n".join(line for line in lines if line.startswith("#"))
    assert "data range 558" in header
    assert "fitted by a line" in header
    assert "factor 0.02541" in header
    assert "on the grid of the reference" in header
    assert str(table).splitlines()[0].startswith("| image | PSNR (dB) |")
    assert table.to_dict() == {row: table[row] for row in ("pair_clean", "pair_noisy")}


def test_it_can_be_stopped_and_says_how_far_it_is() -> None:
    stack = np.stack([specimen(seed=seed) for seed in range(6)])
    updates = []

    def stop(update: object) -> None:
        updates.append(update)
        if len(updates) > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(stack, noisy(stack), on_update=stop)
    seen = []
    compare(stack, noisy(stack), on_update=seen.append)
    shares = [update.done / update.total for update in seen if update.total]
    assert shares == sorted(shares)
    assert shares[-1] == 1


class Counted:
    """A lazy array in chunks of 8 planes that counts what is read of it."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype = data, data.shape, data.dtype
        self.chunks = (8, *data.shape[1:])
        self.reads: list[tuple[int, int]] = []

    def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
        first = index[0] if isinstance(index[0], slice) else slice(index[0], index[0] + 1)
        for chunk in range(first.start // 8, (first.stop - 1) // 8 + 1):
            self.reads.append((chunk, 0))
        return self.data[index]


def test_each_chunk_is_read_once_in_each_pass() -> None:
    stack = np.stack([specimen((40, 40), seed) for seed in range(24)])
    one, other = Counted(stack), Counted(noisy(stack))
    compare(one, other, measures=("mae", "psnr", "ssim"))
    for array in (one, other):
        assert max(array.reads.count(read) for read in set(array.reads)) <= 2


def test_a_lazy_pair_larger_than_what_may_be_held_is_compared_in_pieces() -> None:
    class Made:
        """A stack of planes that are made when they are read."""

        shape, dtype = (300, 256, 256), np.dtype(np.uint16)

        def __getitem__(self, index: tuple[slice, ...]) -> np.ndarray:
            planes = np.arange(300, dtype=np.uint16)[index[0]]
            return (planes[:, None, None] % 7 + np.eye(256, dtype=np.uint16))[:, index[1], index[2]]

    tracemalloc.start()
    row = compare(Made(), Made(), measures=("mae", "psnr", "pearson"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert row["image 1"]["mae"] < 1e-9
    assert peak < 10e6 < 300 * 256 * 256 * 2


def test_sampling_reads_no_more_than_the_piece() -> None:
    counted = Counted(np.stack([specimen((40, 40))] * 24))
    placed = reference_placed(Image(counted, "ZYX"))
    from napari_diffuscope.comparison.placing import Box

    assert sampled(placed, Box(((9, 10), (3, 7), (5, 11)))).shape == (4, 6)
    assert set(counted.reads) == {(1, 0)}
