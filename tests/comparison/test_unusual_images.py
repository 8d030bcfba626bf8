"""Images that are not what a comparison expects: it says so in a sentence, or measures what can be measured."""

from __future__ import annotations

import base64
import re
import tracemalloc
from pathlib import Path
from typing import Any

import dask.array as da
import imageio.v3
import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError, compare
from napari_diffuscope.comparison import gathering
from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.opening import open_scene
from napari_diffuscope.comparison.report import report_job
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.singles import split_curve
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import run

SIDE = 72


def scene_of(seed: int = 0, noise: float = 0.1) -> np.ndarray:
    """A bright square on noise that belongs to a number."""
    specimen = np.zeros((SIDE, SIDE))
    specimen[20:50, 20:50] = 2.0
    return specimen + noise * np.random.default_rng(seed).normal(size=specimen.shape)


def micrometres(pixels: np.ndarray, step: float | tuple[float, float], **more: Any) -> Image:
    steps = step if isinstance(step, tuple) else (step, step)
    return Image(pixels, "YX", scale=steps, units=("µm", "µm"), **more)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_do_not_depend_on_the_unit_of_intensity(dtype: Any) -> None:
    one, other = scene_of(1), scene_of(2)
    plain = compare(one, other)["image 1"]
    for factor in (2.0**-100, 2.0**100):
        table = compare((one * factor).astype(dtype), (other * factor).astype(dtype))
        for name in ("psnr", "ssim", "micro_ms3im", "rsp_nanoj", "frc_split", "decorrelation", "snr"):
            assert table["image 1"][name] == pytest.approx(plain[name], rel=1e-4), name


@pytest.mark.parametrize("factor", [1e38, 1e200, 1e-300])
def test_numbers_that_no_detector_records_are_told(factor: float) -> None:
    table = compare(scene_of(1) * factor, scene_of(2) * factor)
    assert set(table["image 1"].values()) == {None}
    assert all("no intensity" in reason for reason in table.reasons())


def test_of_a_constant_image_nothing_is_resolved() -> None:
    table = compare(scene_of(), np.full((SIDE, SIDE), 3.0))
    for name in ("frc", "frc_split", "decorrelation", "noise", "snr"):
        assert table["image 1"][name] is None
        assert "alike" in table.cell("image 1", name).why or "All pixels" in table.cell("image 1", name).why


@pytest.mark.parametrize("shape", [(1, 1), (1, SIDE), (3, 3), (SIDE, 7)])
def test_images_of_a_few_pixels_have_the_numbers_that_they_can_have(shape: tuple[int, int]) -> None:
    table = compare(scene_of(1)[: shape[0], : shape[1]], scene_of(2)[: shape[0], : shape[1]])
    assert table["image 1"]["mae"] is not None
    assert table["image 1"]["frc_split"] is None
    assert "planewise" not in table.to_csv()


def test_an_array_of_colours_is_taken_for_colours_and_that_is_said() -> None:
    colours = np.repeat((100 * scene_of()).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    table = compare(colours, colours[..., 0])
    assert table["image 1"]["mae"] == pytest.approx(0, abs=1.0)
    assert any("colours" in note for note in table.notes)


def test_an_image_that_is_compared_with_itself_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "one.tif"
    tifffile.imwrite(file, scene_of().astype(np.float32))
    table = compare(file, file)
    assert any("given twice" in note for note in table.notes)


def test_a_mask_of_nothing_covers_nothing() -> None:
    mask = np.full((SIDE, SIDE), np.nan)
    with pytest.raises(DiffuscopeError, match="mask is empty"):
        compare(scene_of(1), scene_of(2), mask=mask)
    mask[:, :40] = 1
    whole = compare(scene_of(1)[:, :40], scene_of(2)[:, :40], measures=["mae"])["image 1"]["mae"]
    assert compare(scene_of(1), scene_of(2), mask=mask, measures=["mae"])["image 1"]["mae"] == whole


@pytest.mark.parametrize(
    "part",
    [
        {"plane": (9,)},
        {"plane": 1.5},
        {"plane": True},
        {"crop": (5, 10, 0)},
        {"crop": "all"},
        {"crop": (0, 2.5, 0, 9)},
    ],
)
def test_parts_that_make_no_sense_are_a_sentence(part: dict[str, Any]) -> None:
    stack = np.stack([scene_of()] * 3)
    with pytest.raises(DiffuscopeError, match=r"plane|part"):
        compare(stack, stack, **part)


def test_an_array_that_does_not_know_its_size_is_a_sentence() -> None:
    lazy = da.from_array(scene_of(), chunks=24)
    with pytest.raises(DiffuscopeError, match="does not know its size"):
        compare(lazy[lazy[:, 0] > 0], scene_of())


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_finer_image_whose_first_pixel_lies_on_that_of_the_reference_is_measured(factor: int) -> None:
    coarse = micrometres(scene_of(1), 0.4)
    fine = micrometres(np.kron(scene_of(2), np.ones((factor, factor))), 0.4 / factor, name="fine")
    numbers = compare(coarse, fine)["fine"]
    assert numbers["mae"] is not None
    assert numbers["rsp_nanoj"] > 0.9
    assert numbers["rsp_nanopyx"] > 0.9


def test_squirrel_says_which_pixels_do_not_go_together() -> None:
    table = compare(micrometres(scene_of(1), 0.1), micrometres(scene_of(2)[:40, :40], 0.17))
    assert "whole number" in table.cell("image 1", "rse_nanoj").why


def test_pixels_that_are_no_squares_are_not_taken_for_squares() -> None:
    image = scene_of()
    flat = compare(micrometres(image, (0.1, 0.2)), micrometres(scene_of(2), (0.1, 0.2)))
    assert "square" in flat.cell("reference", "decorrelation").why
    placed = open_scene(micrometres(image, (0.1, 0.2)), [image]).reference
    curve = split_curve(placed, image, CompareSettings())
    assert curve.frequency[-1] == pytest.approx(1 / (2 * 2 * 0.1), rel=0.1)  # that of the finer axis


def test_of_a_stack_single_planes_are_measured_all_over_and_their_median_is_given() -> None:
    noise = np.linspace(0.05, 0.45, 5)
    stack = np.stack([scene_of(number, level) for number, level in enumerate(noise)])
    table = compare(stack, stack[::-1].copy(), measures=["noise", "frc_split", "rse_nanoj"])
    assert table["reference"]["noise"] == pytest.approx(np.median(noise), rel=0.1)
    assert table["image 1"]["rse_nanoj"] is not None
    assert "median over 5 planes" in table.columns[-1].basis
    one = compare(stack, stack[::-1].copy(), plane=4, measures=["noise"])
    assert one["reference"]["noise"] == pytest.approx(0.45, rel=0.1)
    assert "median" not in one.to_csv()


def test_a_plane_without_a_number_is_told_and_the_others_count() -> None:
    stack = np.stack([scene_of(1), np.full((SIDE, SIDE), 1.0), scene_of(2)])
    table = compare(stack, stack + 1, measures=["noise"])
    cell = table.cell("reference", "noise")
    assert cell.value == pytest.approx(0.1, rel=0.1)
    assert cell.why.startswith("2 of 3 planes")
    assert "2 of 3 planes" in table.to_csv()


def test_planes_of_a_long_stack_are_spread_over_it() -> None:
    stack = da.zeros((4, 250, 16, 16), chunks=(1, 1, 16, 16))
    scene: Scene = open_scene(stack, [stack])
    planes = scene.planes_of(scene.common)
    assert len(planes) == 16
    assert planes[0].ranges[:2] == ((0, 1), (0, 1))
    assert planes[-1].ranges[:2] == ((3, 4), (249, 250))


def frames() -> np.ndarray:
    return np.stack([scene_of(number, 2.0) for number in range(3)])


def test_two_frames_of_one_image_are_correlated() -> None:
    film = Image(frames(), "TYX", name="film")
    first, second, third = (
        compare(*pair, measures=["frc"])["image 1"]["frc"] for pair in _neighbours(frames())
    )
    one = compare(film, film.data[0], plane=0, measures=["frc_frames", "mae"])
    assert one["film"]["frc_frames"] == first > 1
    table = compare(film, film.data[0], measures=["frc_frames", "mae"])
    assert table["film"]["frc_frames"] == pytest.approx(np.median([first, second, third]))
    assert "no second frame" in table.cell("image 1", "frc_frames").why


def _neighbours(film: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Every frame and the next one; of the last, the one before."""
    return [(film[0], film[1]), (film[1], film[2]), (film[2], film[1])]


def test_an_image_without_frames_has_no_column_for_them() -> None:
    assert "frc_frames" not in compare(scene_of(1), scene_of(2))["image 1"]
    asked = compare(scene_of(1), scene_of(2), measures=["frc_frames"])
    assert "no second frame" in asked.cell("image 1", "frc_frames").why


def test_memory_does_not_depend_on_the_number_of_planes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (
        ("MOST_WHOLE", 10_000),
        ("MOST_KEPT", 2_000),
    ):  # as of stacks that are a thousand times as large
        monkeypatch.setattr(gathering, name, few)

    class Made:
        """A stack of planes that are made when they are read."""

        dtype = np.dtype(np.uint16)

        def __init__(self, planes: int, seed: int) -> None:
            self.shape = (planes, 64, 64)
            self._plane = np.random.default_rng(seed).integers(0, 1000, (64, 64)).astype(np.uint16)

        def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
            planes = np.arange(self.shape[0], dtype=np.uint16)[index[0]]
            return (planes.reshape(*planes.shape, 1, 1) + self._plane)[..., index[1], index[2]]

    measures = ("mae", "micro_ssim", "noise")
    peaks = []
    for planes in (17, 17, 34):  # the first one warms up
        tracemalloc.start()
        table = compare(Made(planes, 1), Made(planes, 2), measures=measures)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert table["image 1"]["micro_ssim"] is not None
    assert peaks[2] < 1.15 * peaks[1]


def test_the_page_shows_where_squirrel_finds_the_error() -> None:
    truth = scene_of(0, 0.0)
    invented = truth.copy()
    invented[60:66, 4:10] = 3.0
    scene = open_scene(truth, [invented], names=["raw", "sharp"])
    settings = CompareSettings(measures=("rse_nanoj",))
    page = run(report_job(scene, settings)).html
    picture = re.search(r'alt="error map of sharp" src="data:image/jpeg;base64,([^"]+)"', page)
    assert picture
    pixels = imageio.v3.imread(base64.b64decode(picture[1])).astype(int)
    row, column = np.unravel_index(int(pixels.argmax()), pixels.shape[:2])
    assert (abs(row - 63) <= 3, abs(column - 7) <= 3) == (True, True)
    without = run(report_job(scene, CompareSettings(measures=("mae",)))).html
    assert "error map" not in without
