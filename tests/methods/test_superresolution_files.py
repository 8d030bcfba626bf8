"""Super-resolution on the command line: out of core, killed and continued, bad input in one sentence."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError, Image, SuperresSettings, superresolve
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.blocks import BlockSink, open_sink, read_zarr_record
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.states import States, states_path
from napari_diffuscope.methods.storing import files_job, opened_sinks, output_files
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.scale import plan_scale
from napari_diffuscope.methods.superres.settings import SUPERRES_MODES
from tests.methods.superres_models import write_tiny

MICROMETRES = ("micrometer",) * 3


class Killed(BaseException):
    """As sudden as a signal: nothing catches it."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("models") / "tiny-slices"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "stack.ome.tif"
    pixels = np.random.default_rng(0).poisson(30, (4, 20, 24)).astype(np.uint16)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.6}
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata)
    return path


def command(*words: Any) -> int:
    try:
        main([*map(str, words), "--quiet"])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("ending", [".ome.zarr", ".tif"])
def test_the_command_writes_what_python_computes(
    tiny: str, source: Path, tmp_path: Path, ending: str
) -> None:
    out, record = tmp_path / f"out{ending}", tmp_path / "record.json"
    assert command("superres", source, out, "--model", tiny, "--json", record) == 0
    written = open_image(out)
    expected = superresolve(open_image(source), model=tiny)
    assert np.array_equal(np.asarray(written.data[:, :, :]), expected.superresolved)
    np.testing.assert_allclose(written.scale, (0.2, 0.2, 0.2), rtol=1e-6)
    assert written.units == MICROMETRES
    kept = json.loads(record.read_text())
    assert kept["settings"]["model"] == tiny
    assert kept["disagreement"][0]["value"] == expected.record["disagreement"][0]["value"]
    if ending == ".ome.zarr":
        found = read_zarr_record(out)
        assert found is not None
        assert found["measured_planes"] == "bit-exact"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert command("superres", source, out, "--model", tiny) == 1  # it exists
    again = tmp_path / f"again{ending}"
    assert command("repeat", out, again) == 0
    assert np.array_equal(np.asarray(open_image(again).data[:, :, :]), expected.superresolved)


def test_a_mean_writes_its_deviation_beside_it(tiny: str, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    words = ("--model", tiny, "--mode", "mean", "--samples", 2, "--steps", 1)
    assert command("superres", source, out, *words) == 0
    assert open_image(tmp_path / "out_deviation.ome.zarr").shape == (10, 20, 24)


@pytest.mark.parametrize("mode", ["estimate", "sample", "mean"])
def test_killed_anywhere_it_goes_on_to_the_same_bits(
    tiny: str, tmp_path: Path, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies at three places: after a block was written, after notes were, and in between."""
    pixels = np.random.default_rng(0).poisson(30, (2, 3, 20, 24)).astype(np.uint16)
    image = Image(pixels, "CZYX", scale=(1, 0.4, 0.2, 0.2), units=("pixel", *MICROMETRES))
    settings = SuperresSettings(model=tiny, mode=mode, samples=2, steps=2, block=(4, 8, 24))
    expected = superresolve(image, settings=settings)
    small = partial(open_sink, most_bytes=4 * 4 * 8 * 24)  # as many blocks as a large volume has
    monkeypatch.setattr("napari_diffuscope.methods.storing.open_sink", small)
    files = output_files(SUPERRES, {"image": image}, settings, tmp_path / "out.ome.zarr")
    saves, writes = States.save, BlockSink.write_block
    seen = {"calls": 0, "die": 0}

    def counted(original: Any, before: bool) -> Any:
        def call(*words: Any) -> None:
            seen["calls"] += 1
            if seen["calls"] == seen["die"] and before:
                raise Killed
            original(*words)
            if seen["calls"] == seen["die"]:
                raise Killed

        return call

    monkeypatch.setattr(States, "save", counted(saves, before=True))
    monkeypatch.setattr(BlockSink, "write_block", counted(writes, before=False))
    deaths = 0
    # an estimate keeps no states: what is noted of a block stands in the line that says that it is there
    for die in (1, 1, 1, 0) if mode == "estimate" else (2, 3, 4, 5, 7, 0):
        seen.update(calls=0, die=die)
        try:
            result = run(files_job(SUPERRES, {"image": image}, settings, files))
            break
        except Killed:
            deaths += 1
    assert deaths >= 3
    for name, path in files.items():
        assert np.array_equal(np.asarray(open_image(path).data[:, :, :, :]), expected.outputs[name]), name
    for mine, other in zip(result.record["disagreement"], expected.record["disagreement"], strict=True):
        assert mine["value"] == pytest.approx(other["value"], rel=1e-6)  # summed over other blocks
    assert not states_path(tmp_path / "out.ome.zarr").exists()


def test_other_settings_do_not_continue_an_unfinished_output(tiny: str, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    image, files = open_image(source), {"superresolved": out}
    with opened_sinks(SUPERRES, {"image": image}, SuperresSettings(model=tiny), files):
        pass
    assert command("superres", source, out, "--model", tiny, "--blur", 0.5) == 1
    assert command("superres", source, out, "--model", tiny, "--blur", 0.5, "--overwrite") == 0


UNKNOWN = Image(np.zeros((4, 8, 8)), "ZYX")
KNOWN = Image(np.zeros((4, 8, 8)), "ZYX", scale=(0.6, 0.2, 0.2), units=MICROMETRES)


@pytest.mark.parametrize(
    ("image", "choices", "words"),
    [
        (Image(np.zeros((8, 8)), "YX"), {}, "no z axis"),
        (Image(np.zeros((1, 8, 8)), "ZYX"), {"zoom": 2}, "one plane"),
        (UNKNOWN, {}, "--z-step"),
        (UNKNOWN, {"z_step": 0.5}, "--pixel-size"),
        (KNOWN, {"z_step": 0.1}, "already 2 times as fine"),
        (KNOWN, {"target_step": 0.05}, "more than 10 times"),
        (Image(np.zeros((4, 8, 3)), "ZYX"), {"zoom": 2}, "colour"),
        (Image(np.zeros((4, 8, 8)), "ZYX", scale=(1, 0.3, 0.2), units=MICROMETRES), {}, "not square"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    image: Image, choices: dict[str, Any], words: str
) -> None:
    with pytest.raises(DiffuscopeError, match=words) as caught:
        plan_scale(image, SuperresSettings(**choices))
    assert str(caught.value).count(". ") <= 1


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"zoom": 11}, "at most 10"),
        ({"zoom": 1}, "more than 1"),
        ({"zoom": 2, "target_step": 1.0}, "one of them"),
        ({"z_step": -1.0}, "positive"),
        ({"mode": "sharpened"}, "unknown"),
        ({"mode": "mean", "samples": 1}, "at least 2"),
        ({"block": (1, 2, 0)}, "three lengths"),
    ],
)
def test_settings_are_checked(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DiffuscopeError, match=words):
        SuperresSettings(**choices)


def test_models_that_do_not_fit_are_refused(tiny: str, tiny_model: Path) -> None:
    with pytest.raises(DiffuscopeError, match="restoration, not for super-resolution"):
        superresolve(KNOWN, model=str(tiny_model))
    with pytest.raises(DiffuscopeError, match="published"):
        superresolve(KNOWN, model=tiny, mode="as-published")


def test_colours_become_luminance_and_that_is_said(tiny: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 12, 14, 3)).astype(np.uint8)
    result = superresolve(pixels, axes="ZYXS", model=tiny, zoom=2)
    assert result.superresolved.shape == (5, 12, 14)
    assert any("luminance" in message for message in result.record["messages"])
    each = superresolve(pixels, axes="ZYXS", rgb="channels", model=tiny, zoom=2).superresolved
    assert np.array_equal(each[:, ::2], np.moveaxis(pixels, -1, 0))


def test_scales_given_by_hand(tiny: str) -> None:
    result = superresolve(UNKNOWN, model=tiny, z_step=0.5, pixel_size=0.25)
    spec = result.specs["superresolved"]
    assert spec.scale == (0.25, 0.25, 0.25)
    assert spec.units == MICROMETRES
    nanometres = Image(np.zeros((4, 8, 8)), "ZYX", scale=(30, 10, 10), units=("nanometer",) * 3)
    spec = superresolve(nanometres, model=tiny, z_step=0.02).specs["superresolved"]
    assert spec.scale == (10.0, 10.0, 10.0)


def test_every_mode_and_option_is_explained_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "docs" / "superres.md").read_text(encoding="utf-8")
    names = {
        name
        for cell in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    }
    assert set(SUPERRES_MODES) <= names
    assert {field.name for field in fields(SuperresSettings)} <= names
    for name in ("model", "mode", "samples", "seed", "consensus", "blur", "rgb", "pixels", "device"):
        (cell,) = re.findall(rf"^\| `{name}` \| ([^|]+) \|", text.split("## Options")[1], re.MULTILINE)
        assert cell.strip("` ") == str(getattr(SuperresSettings(), name))


@pytest.mark.parametrize("ending", [".ome.zarr", ".tif"])
@pytest.mark.parametrize("model", ["restoration-fluorescence", "shape-red-blood-cells"])
def test_a_model_that_is_refused_leaves_nothing_behind(
    source: Path, tmp_path: Path, model: str, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("superres", source, tmp_path / f"out{ending}", "--model", model) == 1
    assert "choose another model" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
