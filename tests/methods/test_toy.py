"""A method that is declared in a few lines gets a command and a Python function, its files can be gone on with."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.jobs import Job, run
from napari_diffuscope.methods.declared import Settings, declared
from napari_diffuscope.methods.method import Input, Inputs, Method, Output
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.running import run_method
from napari_diffuscope.methods.storing import files_job
from napari_diffuscope.methods.work import Work

from . import toys
from .toys import BRIGHTEN, STRIPES, BrightenSettings

PIXELS = np.arange(5 * 32 * 32, dtype=np.float32).reshape(5, 32, 32)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for method in (BRIGHTEN, STRIPES):
        METHODS.add(method)
    yield
    for method in (BRIGHTEN, STRIPES):
        METHODS.remove(method.name)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.tif"
    write_image(path, PIXELS, Image(PIXELS, "ZYX", scale=(0.5, 0.1, 0.1), units=("µm",) * 3))
    return path


def called(*words: object) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_two_toys_take_eighty_lines() -> None:
    assert len(inspect.getsource(toys).splitlines()) <= 80


def test_the_python_function_has_the_settings_and_the_record() -> None:
    result = run_method(BRIGHTEN, PIXELS, gain=3.0)
    np.testing.assert_array_equal(result.bright, PIXELS * 3)
    assert result.record["method"] == "brighten"
    assert result.record["settings"]["gain"] == pytest.approx(3.0)


def test_the_command_helps_checks_and_gives_the_same_numbers(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("brighten", "--help") == 0
    assert "How many times brighter." in capsys.readouterr().out
    assert called("brighten", source, tmp_path / "out.tif", "--gain", "101") == 2
    assert not (tmp_path / "out.tif").exists()
    assert called("brighten", source, tmp_path / "out.ome.zarr", "--gain", "3", "--way", "inverted") == 0
    made = open_image(tmp_path / "out.ome.zarr")
    np.testing.assert_array_equal(made.data[:], run_method(BRIGHTEN, PIXELS, gain=3.0, way="inverted").bright)
    assert made.scale == (0.5, 0.1, 0.1)


def test_a_result_is_repeated_from_its_file(source: Path, tmp_path: Path) -> None:
    assert called("brighten", source, tmp_path / "out.tif", "--gain", "3", "--offset", "2", "--twice") == 0
    assert called("repeat", tmp_path / "out.tif", tmp_path / "again.tif") == 0
    once, again = (tifffile.imread(tmp_path / name) for name in ("out.tif", "again.tif"))
    np.testing.assert_array_equal(once, PIXELS * 9 + 2)
    np.testing.assert_array_equal(once, again)


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_an_interrupted_run_goes_on(source: Path, tmp_path: Path, name: str) -> None:
    inputs, settings, seen = {"image": open_image(source)}, BrightenSettings(), []

    def stop(update: object) -> None:
        seen.append(update)
        if getattr(update, "done", 0) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(files_job(BRIGHTEN, inputs, settings, {"bright": tmp_path / name}), stop)
    assert not (tmp_path / name).exists()
    run(files_job(BRIGHTEN, inputs, settings, {"bright": tmp_path / name}), seen.append)
    assert len([update for update in seen if update.final]) == len(PIXELS)
    np.testing.assert_array_equal(open_image(tmp_path / name).data[:], PIXELS * 2)


def test_a_method_without_an_image(tmp_path: Path) -> None:
    assert called("stripes", tmp_path / "stripes.tif", "--size", "16") == 0
    np.testing.assert_array_equal(
        open_image(tmp_path / "stripes.tif").data[:], run_method(STRIPES, size=16).stripes
    )
    assert called("repeat", tmp_path / "stripes.tif", tmp_path / "again.tif") == 0


def tinted(inputs: Inputs, settings: TintSettings) -> list[Output]:
    return [Output("tint", VolumeSpec((8, 8), "YX"))]


def tint(work: Work) -> Job[None]:
    level = float(work.inputs["like"].data[0, 0]) if "like" in work.inputs else work.settings.class_
    for block in work.blocks():
        yield from work.write(block, {"tint": np.full(block.shape, level, np.float32)})


@dataclass(frozen=True)
class TintSettings(Settings):
    class_: int = declared(1, "Class", "Which grey.")


def test_an_input_may_be_left_out_and_is_repeated_where_it_was_given(tmp_path: Path) -> None:
    like = Input("like", "An image to take the grey from.", optional=True)
    METHODS.add(Method("tint", "Tint", "Make a plane.", TintSettings, tinted, tint, inputs=(like,)))
    try:
        tifffile.imwrite(tmp_path / "seven.tif", np.full((8, 8), 7, np.uint8))
        assert called("tint", tmp_path / "a.tif", "--class", 3) == 0
        assert called("tint", tmp_path / "b.tif", "--like", tmp_path / "seven.tif") == 0
        assert called("repeat", tmp_path / "b.tif", tmp_path / "c.tif") == 0
        assert called("repeat", tmp_path / "a.tif", tmp_path / "d.tif") == 0
    finally:
        METHODS.remove("tint")
    means = [tifffile.imread(tmp_path / f"{name}.tif").mean() for name in "abcd"]
    assert means == [3, 7, 7, 3]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gain": -1.0}, "gain must lie between 0 and 100, not -1"),
        ({"gain": "much"}, "gain must be a number, not 'much'"),
        ({"offset": 1.5}, "offset must be a whole number"),
        ({"way": "up"}, "Way 'up' is unknown; choose one of plain, inverted"),
        ({"twice": 1}, "twice must be true or false"),
    ],
)
def test_settings_are_checked_by_name(values: dict[str, object], said: str) -> None:
    with pytest.raises(DiffuscopeError, match=said):
        replace(BrightenSettings(), **values)
