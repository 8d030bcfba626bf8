"""Runs that go on: never with another image in the place of the one they began with, and with all that was counted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError, restore
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.blocks import BlockPlan, VolumeSpec, open_sink
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.storing import files_job, output_files
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.settings import SuperresSettings
from tests.methods import superres_models
from tests.methods.shape_models import three_cells
from tests.methods.shape_models import write_tiny as write_shapes

SIZES = {"scale": (0.4, 0.2, 0.2), "units": ("micrometer",) * 3}


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(superres_models.write_tiny(tmp_path_factory.mktemp("models") / "slices"))


def stack(seed: int, width: int) -> np.ndarray:
    """Dim noise; something bright in one corner, and hot pixels in every plane."""
    pixels = np.random.default_rng(seed).poisson(10, (5, 24, width)).astype(np.float32)
    pixels[:, 4:12, 10:40] += 200
    pixels[:, 20, 20] = 60000
    return pixels


def write(path: Path, seed: int, width: int = 48) -> Path:
    """A stack in a file, block by block; an older one of that name is gone."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    pixels = stack(seed, width)
    with open_sink(path, VolumeSpec(pixels.shape, "ZYX", **SIZES), {}) as sink:  # type: ignore[arg-type]
        for block in BlockPlan(pixels.shape, sink.block):
            sink.write_block(block, pixels[block.region])
        sink.finish()
    return path


def job_of(
    method: Method, source: Path, out: Path, settings: Any, on_update: Callable[[Update], None] | None = None
) -> dict[str, Any]:
    inputs = {"image": open_image(source)}
    files = output_files(method, inputs, settings, out)
    return run(files_job(method, inputs, settings, files), on_update).record


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many blocks as a large volume has."""
    small = partial(open_sink, most_bytes=4 * 4 * 24 * 32)
    monkeypatch.setattr("napari_diffuscope.methods.storing.open_sink", small)


class Killed(BaseException):
    """As sudden as a signal."""


def killed(after: int) -> Callable[[Update], None]:
    """Ends a run when so many blocks are written."""
    written: list[Update] = []

    def watch(update: Update) -> None:
        written.extend([update] if update.final else [])
        if len(written) == after:
            raise Killed

    return watch


def once(what: Callable[[], Any], *, blocks: bool = True) -> Callable[[Update], None]:
    """Do something when the first block is written, or when a sampler of volumes is on its way."""
    todo = [what]

    def watch(update: Update) -> None:
        if todo and (update.final if blocks else update.done > 30):
            todo.pop()()

    return watch


@pytest.mark.parametrize("ending", ["tif", "ome.zarr"])
@pytest.mark.parametrize("name", ["restore", "superres", "sampled"])
def test_an_input_that_is_exchanged_midway_stops_the_run(
    name: str, ending: str, tiny_model: Path, slices: str, tmp_path: Path
) -> None:
    source, out = write(tmp_path / f"in.{ending}", 0), tmp_path / "out.tif"
    mode: Any = "sample" if name == "sampled" else "estimate"
    method: Method = RESTORE
    settings: Any = RestoreSettings(str(tiny_model))
    if name != "restore":
        method, settings = SUPERRES, SuperresSettings(slices, mode=mode, steps=2, block=(4, 24, 24))
    expected = job_of(method, source, tmp_path / "expected.tif", settings)
    other, aside = write(tmp_path / f"other.{ending}", 1), tmp_path / "aside"

    def exchange() -> None:
        os.rename(source, aside)
        os.rename(other, source)

    with pytest.raises(DiffuscopeError, match=rf"'in.{ending}' was exchanged while it was being worked on"):
        job_of(method, source, out, settings, once(exchange, blocks=name != "sampled"))
    assert not out.exists()
    if name != "sampled":  # of which no block is there, and what it kept between its steps is deleted
        with pytest.raises(DiffuscopeError, match="of other settings or another input"):
            job_of(method, source, out, settings)
    os.rename(source, other)
    os.rename(aside, source)
    record = job_of(method, source, out, settings)
    assert np.array_equal(tifffile.imread(out), tifffile.imread(tmp_path / "expected.tif"))
    assert record["defects"] == expected["defects"]


def test_a_file_of_the_same_size_and_time_is_told_by_its_content(tiny_model: Path, tmp_path: Path) -> None:
    source, other = write(tmp_path / "in.tif", 0), write(tmp_path / "on.tif", 1)
    time = source.stat().st_mtime_ns
    os.utime(other, ns=(time, time))
    assert other.stat().st_size == source.stat().st_size
    copy = shutil.copy2(source, tmp_path / "copy.tif")
    settings = RestoreSettings(str(tiny_model))
    job_of(RESTORE, source, tmp_path / "same.tif", settings, once(partial(os.replace, copy, source)))
    with pytest.raises(DiffuscopeError, match="was exchanged"):
        job_of(RESTORE, source, tmp_path / "out.tif", settings, once(partial(os.replace, other, source)))


def test_shapes_of_another_image_of_that_name_are_not_taken_over(tmp_path: Path, capsys: Any) -> None:
    tiny = str(write_shapes(tmp_path / "model"))
    plane, labels = three_cells()
    tifffile.imwrite(tmp_path / "plane.tif", plane)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    words = ["shape", tmp_path / "plane.tif", tmp_path / "out", "--labels", tmp_path / "labels.tif"]
    words += ["--model", tiny, "--samples", 1, "--quiet"]

    def called(*more: Any) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in (*words, *more)])
        return int(ended.value.code or 0)

    assert called("--only", int(labels.max())) == 0
    tifffile.imwrite(tmp_path / "plane.tif", plane[::-1])
    assert called("--resume") == 1
    assert "was made from another image" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["restore", "superres", "mean"])
def test_what_was_counted_before_a_kill_counts_in_the_result(
    name: str, tiny_model: Path, slices: str, tmp_path: Path
) -> None:
    source = write(tmp_path / "in.tif", 0, width=300)
    restoring = RestoreSettings(str(tiny_model), skip_below=60.0)
    filling = SuperresSettings(
        slices,
        mode="mean" if name == "mean" else "estimate",
        steps=1,
        samples=2,
        block=(4, 24, 128),
        skip_below=60.0,
    )
    method, settings = (RESTORE, restoring) if name == "restore" else (SUPERRES, filling)
    whole = job_of(method, source, tmp_path / "whole.tif", settings)
    assert whole["defects"]["isolated_pixels"] >= 5
    with pytest.raises(Killed):
        job_of(method, source, tmp_path / "out.tif", settings, killed(3))
    resumed = job_of(method, source, tmp_path / "out.tif", settings)
    for key in ("defects", "skipped", "messages"):
        assert resumed[key] == whole[key], key


def test_what_does_nothing_in_a_mode_is_told_in_python_and_in_the_record(tiny_model: Path) -> None:
    told: list[str] = []
    result = restore(
        np.ones((16, 16), np.float32),
        model=str(tiny_model),
        steps=3,
        on_update=lambda u: told.append(u.message),
    )
    [sentence] = [message for message in result.record["messages"] if "does nothing" in message]
    assert sentence.startswith("steps (--steps) counts in the modes sample")
    assert sentence in told
