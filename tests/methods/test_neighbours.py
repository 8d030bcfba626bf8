"""Restoration of stacks whose planes are joined with their neighbours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_diffuscope import DiffuscopeError, Image, restore, run_batch
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.jobs import run
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.methods.noticed import Noticed
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.neighbours import KeptPlanes, around, planes_to_keep
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.storing import files_job, output_files


def stack(planes: int = 5, seed: int = 0) -> np.ndarray:
    """Expected photons of blobs that run on over some planes."""
    white = np.random.default_rng(seed).standard_normal((planes + 20, 96, 96))
    blurred = gaussian_filter(white, (8, 3, 3))[10:-10]
    return np.asarray(3 + 40 * gaussian_filter((blurred > blurred.std()).astype(float), (2, 1.5, 1.5)))


def photographed(light: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (100 + rng.poisson(light) + rng.normal(0, 1.5, light.shape)).astype(np.float32)


def called(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_a_stack_gains_and_each_channel_is_joined_by_itself() -> None:
    light = np.stack([stack(), 3 * stack(seed=1)])
    noisy = photographed(light)
    alone, joined = (
        restore(noisy, axes="CZYX", neighbours=axis, planes=(2, 7)).restored for axis in ("none", "z")
    )
    for channel in (0, 1):
        clean = 100 + light[channel, 2]
        assert psnr(clean, joined[channel, 0]) > psnr(clean, alone[channel, 0]) + 0.5
    by_itself = restore(noisy[1], axes="ZYX", neighbours="z", planes=(2,)).restored
    np.testing.assert_array_equal(by_itself[-1], joined[1, -1])


def test_tiles_crops_and_single_planes_are_those_of_the_whole(tiny_model: Path) -> None:
    noisy = photographed(stack(4))
    whole = restore(noisy, axes="TYX", neighbours="t", model=str(tiny_model))
    tiled = restore(noisy, axes="TYX", neighbours="t", model=str(tiny_model), tile=48)
    np.testing.assert_array_equal(tiled.restored, whole.restored)
    part = restore(
        noisy, axes="TYX", neighbours="t", model=str(tiny_model), planes=(2,), crop=(10, 60, 5, 90)
    )
    np.testing.assert_array_equal(part.restored[0], whole.restored[2, 10:60, 5:90])
    assert whole.record["neighbours"]["axis"] == "T"
    plain = restore(noisy, axes="TYX", model=str(tiny_model))
    assert "neighbours" not in plain.record
    assert not np.array_equal(plain.restored, whole.restored)


def test_planes_of_something_else_are_left_out_and_named(tiny_model: Path) -> None:
    light = stack(5)
    light[3] = stack(1, seed=7)[0]
    result = restore(photographed(light), neighbours="z", model=str(tiny_model))
    assert result.record["neighbours"]["left_out"] == {"2": [3], "3": [2, 4], "4": [3]}
    assert any("4 neighbours were not used" in message for message in result.record["messages"])
    assert Noticed.of(Noticed(left_out=(2, 4)).facts()) == Noticed(left_out=(2, 4))


def test_a_value_that_is_missing_in_a_neighbour_costs_no_pixel(tiny_model: Path) -> None:
    noisy = photographed(stack(3))
    noisy[0, 20:30, 20:30] = np.nan
    noisy[2] = np.nan
    result = restore(noisy, neighbours="z", model=str(tiny_model))
    assert np.isfinite(result.restored[1]).all()
    np.testing.assert_array_equal(np.isnan(result.restored), np.isnan(noisy))


def test_neighbours_are_of_the_same_channel_moment_and_depth() -> None:
    image = Image(np.zeros((2, 3, 4, 8, 8), np.float32), axes="TCZYX")
    assert around(image, 0, "Z") == (None, 1)
    assert around(image, 3, "Z") == (2, None), "the next plane is of another channel"
    assert around(image, 5, "T") == (None, 17)
    assert around(image, 17, "T") == (5, None)


def test_planes_along_time_are_read_once_where_memory_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image(np.zeros((4, 3, 8, 8), np.float32), axes="TZYX")
    read = list[int]()

    def planes_read() -> int:
        read.clear()
        kept = KeptPlanes(
            lambda flat: read.append(flat) or image.read_plane(flat), planes_to_keep(image, "T")
        )
        for flat in range(image.plane_count):
            for each in (flat, *around(image, flat, "T")):
                if each is not None:
                    kept(each)
        return len(read)

    assert planes_read() == image.plane_count
    monkeypatch.setattr("napari_diffuscope.methods.restore.neighbours.free_memory", lambda _: 0)
    assert planes_to_keep(image, "T") == 3
    assert planes_read() > image.plane_count


@pytest.mark.parametrize(
    ("axes", "shape", "asked"), [("ZYX", (3, 40, 40), "t"), ("YX", (40, 40), "z"), ("ZYX", (1, 40, 40), "z")]
)
def test_an_axis_that_is_not_there_is_refused(axes: str, shape: tuple[int, ...], asked: str) -> None:
    with pytest.raises(DiffuscopeError, match=f"No neighbours along {asked}: the image has the axes {axes}"):
        restore(np.ones(shape, np.float32), axes=axes, neighbours=asked)


def test_on_the_command_line_it_is_recorded_and_repeated(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("stack.tif", photographed(stack(3)), metadata={"axes": "ZYX"}, imagej=True)
    options = ["--model", str(tiny_model), "--quiet"]
    assert called("restore", "stack.tif", "out.tif", "--neighbours", "t", *options) == 1
    assert "No neighbours along t" in capsys.readouterr().err
    assert not Path("out.tif").exists()
    assert called("restore", "stack.tif", "out.tif", "--neighbours", "z", "--dry-run", *options) == 0
    assert not Path("out.tif").exists()
    assert called("restore", "stack.tif", "out.tif", "--neighbours", "z", *options) == 0
    record = record_of_file(Path("out.tif"))
    assert record["settings"]["neighbours"] == "z"
    assert record["neighbours"]["noise"]["0"]["gain"] == pytest.approx(1, rel=0.5)
    assert called("repeat", "out.tif", "again.tif", "--quiet") == 0
    np.testing.assert_array_equal(tifffile.imread("again.tif"), tifffile.imread("out.tif"))
    python = restore("stack.tif", neighbours="z", model=str(tiny_model)).restored
    np.testing.assert_array_equal(tifffile.imread("out.tif"), python)


def test_an_image_of_a_batch_without_neighbours_is_restored_alone_and_says_so(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {"plane": photographed(stack(1))[0], "stack": photographed(stack(2))}
    (tmp_path / "raw").mkdir()
    for name, pixels in images.items():
        axes = "ZYX"[3 - pixels.ndim :]
        tifffile.imwrite(tmp_path / "raw" / f"{name}.tif", pixels, metadata={"axes": axes}, imagej=True)
    choices = ["--neighbours", "z", "--model", str(tiny_model), "--quiet"]
    command = ["restore", str(tmp_path / "raw"), str(tmp_path / "out"), *choices]
    assert called(*command) == 0
    height, width = images["plane"].shape
    told = f"Neighbours are not used: this image (YX, {height} x {width}) has no two planes along z"
    assert capsys.readouterr().err.count(told) == 1
    for name, neighbours in (("plane", "none"), ("stack", "z")):
        result = tmp_path / "out" / f"{name}.tif"
        alone = restore(images[name], neighbours=neighbours, model=str(tiny_model)).restored
        np.testing.assert_array_equal(tifffile.imread(result), alone)
        record = record_of_file(result)
        assert record["settings"]["neighbours"] == neighbours, "what was done"
        assert any(told in message for message in record["messages"]) is (name == "plane")
    report = run_batch("restore", tmp_path / "raw", tmp_path / "out", model=str(tiny_model), neighbours="z")
    assert [(row.state, row.message) for row in report.rows] == [("there already", "")] * 2
    assert called("repeat", str(tmp_path / "out" / "plane.tif"), str(tmp_path / "again.tif"), "--quiet") == 0
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "again.tif"), tifffile.imread(tmp_path / "out" / "plane.tif")
    )


def test_records_of_earlier_versions_join_nothing() -> None:
    earlier = {key: value for key, value in RestoreSettings().to_dict().items() if key != "neighbours"}
    assert RestoreSettings.from_dict(earlier).joined_along is None
    assert RestoreSettings(mode="sample", neighbours="z").joined_along is None


def test_what_does_not_go_together_is_said(tiny_model: Path) -> None:
    result = restore(photographed(stack(2)), neighbours="z", adapt=True, model=str(tiny_model))
    assert any("Not adapted" in message for message in result.record["messages"])
    small = photographed(stack(2))[:, :20, :20]
    result = restore(small, neighbours="z", model=str(tiny_model))
    assert any("Neighbours are not used" in message for message in result.record["messages"])
    np.testing.assert_array_equal(result.restored, restore(small, model=str(tiny_model)).restored)


def test_a_stopped_run_goes_on_and_still_names_what_was_left_out(tiny_model: Path, tmp_path: Path) -> None:
    light = stack(5)
    light[1] = stack(1, seed=7)[0]
    source, out = tmp_path / "stack.tif", tmp_path / "out.ome.zarr"
    tifffile.imwrite(source, photographed(light), metadata={"axes": "ZYX"}, imagej=True)
    inputs, settings = {"image": open_image(source)}, RestoreSettings(str(tiny_model), neighbours="z")
    files = output_files(RESTORE, inputs, settings, out)
    job = files_job(RESTORE, inputs, settings, files)
    written = 0
    while written < 3:
        written += next(job).final
    job.close()
    record = run(files_job(RESTORE, inputs, settings, files)).record
    whole = restore(source, settings=settings)
    assert record["neighbours"] == whole.record["neighbours"]
    assert record["neighbours"]["left_out"] == {"0": [1], "1": [0, 2], "2": [1]}
    np.testing.assert_array_equal(open_image(out).data[:], whole.restored)
