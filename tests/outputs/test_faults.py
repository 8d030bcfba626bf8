"""Signals, kills, two runs at once, full disks, folders that vanish: one sentence, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope.atomic import part_of
from napari_diffuscope.evaluate.tables import Table
from napari_diffuscope.imaging.blocks import BlockPlan, VolumeSpec, open_sink, partial_path
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.locks import RUNNING, only_one
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape import cell_job
from napari_diffuscope.methods.storing import opened_sinks
from tests.outputs.conftest import hidden
from tests.signals import LISTEN
from tests.training.test_pairs import write_pairs

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent differently on Windows")


@contextmanager
def computing(stack: Path, out: Path, model: Path) -> Iterator[subprocess.Popen[str]]:
    """The real command, in the middle of its work."""
    words = [
        sys.executable,
        "-m",
        "napari_diffuscope",
        "restore",
        str(stack),
        str(out),
        "--model",
        str(model),
    ]
    words += ["--mode", "samples", "--samples", "5000", "--planes", "0"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=LISTEN)
    try:
        assert process.stderr is not None
        while "%" not in (line := process.stderr.readline()):  # then it computes and its files are open
            assert line, "it ended before it began"
        yield process
    finally:
        process.kill()
        process.communicate()


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_to_stop_clean_up(stack: Path, tmp_path: Path, tiny_model: Path, name: str) -> None:
    number = getattr(signal, name)
    with computing(stack, tmp_path / "out.tif", tiny_model) as process:
        process.send_signal(number)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == [stack.name]


@POSIX
def test_what_a_killed_run_leaves_the_next_one_takes_away(
    stack: Path, tmp_path: Path, tiny_model: Path, command: Any
) -> None:
    out = tmp_path / "out.tif"
    for _ in range(2):
        with computing(stack, out, tiny_model) as process:
            assert hidden(tmp_path) == [partial_path(out).name]
            # While it runs, a second one onto the same file is refused.
            assert command("restore", stack, out, "--model", tiny_model, "--planes", "0") == 1
            assert "another process" in command.said
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=300)
        assert hidden(tmp_path) == [partial_path(out).name]
    words = ["restore", stack, out, "--model", tiny_model, "--planes", "0"]
    assert command(*words) == 1
    assert "start over with --overwrite" in command.said
    assert command(*words, "--overwrite") == 0, command.said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tif", stack.name]


def test_a_file_is_written_by_one_at_a_time(
    tmp_path: Path, stack: Path, tiny_model: Path, command: Any
) -> None:
    out, settings = tmp_path / "out.tif", RestoreSettings(model=str(tiny_model))
    inputs = {"image": open_image(stack)}
    with opened_sinks(RESTORE, inputs, settings, {"restored": out}):
        assert command("restore", stack, out, "--model", tiny_model) == 1
        assert "another process" in command.said
    assert command("restore", stack, out, "--model", tiny_model) == 0
    assert hidden(tmp_path) == []


def test_a_folder_is_worked_in_by_one_at_a_time(
    tmp_path: Path, cells: tuple[Path, Path], shapes_model: str, tiny_model: Path, command: Any
) -> None:
    write_pairs(tmp_path / "pairs")
    for place in (tmp_path / "out", tmp_path / "run"):
        place.mkdir()
        with only_one(place):
            for words in (
                ["shape", cells[0], place, "--labels", cells[1], "--model", shapes_model],
                ["train", "--pairs", tmp_path / "pairs", "--name", "m", "--run", place, "--device", "cpu"],
                ["evaluate", "restoration", "standard", "--out", place, "--models", tiny_model],
            ):
                assert command(*words) == 1
                assert "another process" in command.said
            assert hidden(place) == [RUNNING]
        assert hidden(place) == []


def test_a_lock_of_a_dead_process_is_none(
    tmp_path: Path, cells: tuple[Path, Path], shapes_model: str, command: Any
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / RUNNING).write_text("")
    part_of(out / "1.tif").write_bytes(b"half")
    part_of(out / "7.tif").write_bytes(b"half")
    assert command("shape", cells[0], out, "--labels", cells[1], "--model", shapes_model) == 0, command.said
    assert hidden(out) == []


def test_shapes_whose_folder_vanishes_are_missed(
    tmp_path: Path,
    cells: tuple[Path, Path],
    shapes_model: str,
    command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, real = tmp_path / "out", cell_job._measured

    def vanishing(cells_before: int) -> Any:
        calls = []

        def call(*words: Any) -> Any:
            calls.append(words)
            if len(calls) == cells_before + 1:
                shutil.rmtree(out)
            return real(*words)

        return call

    for cells_before in (0, 1):
        monkeypatch.setattr(cell_job, "_measured", vanishing(cells_before))
        assert command("shape", cells[0], out, "--labels", cells[1], "--model", shapes_model) == 1
        assert str(out) in command.said
        assert not (out / "record.json").exists()
        shutil.rmtree(out, ignore_errors=True)


def test_rows_that_are_computed_again_are_there_once(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    row = {"case": "a", "psnr": "30"}
    table = Table(path, ("case", "psnr"), ("case",))
    table.add([row, {"case": "b", "psnr": "31"}])
    Table(path, ("case", "psnr"), ("case",)).add([{"case": "a", "psnr": "32"}])
    assert path.read_text() == "case,psnr\na,32\nb,31\n"
    path.write_text("case,psnr\na,32\na,32\nb,31\n")
    assert len(Table(path, ("case", "psnr"), ("case",)).rows) == 2
    assert path.read_text() == "case,psnr\na,32\nb,31\n"


# --- full disks ---


def full_of(place: Path, free: int) -> None:
    """Leave so many bytes on a small disk."""
    room = shutil.disk_usage(place).free
    (place / "filler").write_bytes(b"0" * max(room - free, 0))


@pytest.mark.parametrize("mode", ["sample", "mean"])
def test_states_on_a_full_disk(
    small_disk: Callable[[int], Path], stack: Path, slices_model: str, command: Any, mode: str
) -> None:
    disk = small_disk(48)
    words = ["--model", slices_model, "--mode", mode, "--steps", "3", "--samples", "2"]
    assert command("superres", stack, disk / "out.tif", *words) == 1
    assert "disk is full" in command.said
    assert not (disk / "out.tif").exists()
    assert command("superres", stack, stack.parent / "out.tif", *words) == 0, command.said


def test_a_model_on_a_full_disk(small_disk: Callable[[int], Path], slices_model: str, command: Any) -> None:
    disk = small_disk(12)
    assert command("models", "import", slices_model, "--out", disk / "model") == 1
    assert "disk is full" in command.said
    assert list(disk.iterdir()) == []


def test_an_archive_on_a_full_disk_is_not_damaged(
    small_disk: Callable[[int], Path],
    slices_model: str,
    tmp_path: Path,
    command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in Path(slices_model).iterdir():
            file.write(path, f"model/{path.name}")
    monkeypatch.setattr("tempfile.tempdir", str(small_disk(12)))
    assert command("models", "import", archive, "--out", tmp_path / "model") == 1
    assert "disk is full" in command.said
    assert "damaged" not in command.said
    assert not (tmp_path / "model").exists()


def test_samples_on_a_full_disk(small_disk: Callable[[int], Path], command: Any) -> None:
    disk = small_disk(700)
    assert command("samples", disk / "new" / "samples") == 1
    assert "disk is full" in command.said
    assert list(disk.iterdir()) == []


@pytest.mark.parametrize("free", [0, 4096, 16384])
def test_an_evaluation_on_a_full_disk(
    small_disk: Callable[[int], Path], tmp_path: Path, command: Any, free: int
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    image = np.random.default_rng(0).poisson(30, (64, 64)).astype(np.uint16)
    tifffile.imwrite(data / "image.tif", image)
    disk = small_disk(64)
    full_of(disk, free)
    words = ["--methods", "gaussian", "--noise", "camera", "--levels", "low", "--limit-sampled", "0"]
    assert command("evaluate", "restoration", data, "--out", disk / "out", *words) == 1
    assert "disk is full" in command.said
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
    assert command("evaluate", "restoration", data, "--out", disk / "out", *words) == 0, command.said
    assert hidden(disk) == []


def test_a_shape_on_a_full_disk(
    small_disk: Callable[[int], Path], cells: tuple[Path, Path], shapes_model: str, command: Any
) -> None:
    disk = small_disk(16)
    assert command("shape", cells[0], disk / "out", "--labels", cells[1], "--model", shapes_model) == 1
    assert "disk" in command.said
    assert hidden(disk) == []


def test_too_little_room_is_told_with_numbers_that_differ(
    small_disk: Callable[[int], Path], stack: Path, tiny_model: Path, command: Any
) -> None:
    disk = small_disk(4)
    assert command("restore", stack, disk / "out.tif", "--model", tiny_model) == 1
    assert "7.7 kB" in command.said
    assert "4.1 kB" in command.said


@pytest.mark.parametrize("what", ["samples", "import", "restore", "superres", "shape", "evaluate", "train"])
def test_a_disk_that_may_not_be_written_to(
    small_disk: Callable[[int], Path],
    what: str,
    stack: Path,
    cells: tuple[Path, Path],
    slices_model: str,
    shapes_model: str,
    tiny_model: Path,
    tmp_path: Path,
    command: Any,
) -> None:
    disk = small_disk(64)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    write_pairs(tmp_path)
    words = {
        "samples": ["samples", disk / "out"],
        "import": ["models", "import", slices_model, "--out", disk / "out"],
        "restore": ["restore", stack, disk / "out.tif", "--model", tiny_model],
        "superres": ["superres", stack, disk / "out.ome.zarr", "--model", slices_model, "--mode", "sample"],
        "shape": ["shape", cells[0], disk / "out", "--labels", cells[1], "--model", shapes_model],
        "evaluate": ["evaluate", "restoration", "standard", "--out", disk / "out"],
        "train": ["train", "--pairs", tmp_path, "--name", "m", "--run", disk / "out"],
    }
    assert command(*words[what]) == 1
    assert "written" in command.said
    assert list(disk.iterdir()) == []


def test_names_that_are_too_long_are_a_sentence(
    stack: Path, tmp_path: Path, tiny_model: Path, command: Any
) -> None:
    assert command("restore", stack, tmp_path / f"{'a' * 250}.tif", "--model", tiny_model) == 1
    assert "too long" in command.said
    assert os.listdir(tmp_path) == [stack.name]


@pytest.mark.parametrize("kind", ["restore", "superres"])
@pytest.mark.parametrize("ending", ["tif", "ome.zarr"])
def test_what_is_damaged_in_the_middle_is_named_and_nothing_half_carries_the_name(
    tmp_path: Path, tiny_model: Path, slices_model: str, command: Any, kind: str, ending: str
) -> None:
    source, out = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    damage = write_damageable(source)
    words = [kind, source, out, "--model", tiny_model if kind == "restore" else slices_model]
    words += ["--block", "2,32,32", "--defects", "ignore"] if kind == "superres" else []
    mend = damage()
    assert command(*words) == 1
    assert source.name in command.said.splitlines()[-1]
    assert hidden(tmp_path) == ([partial_path(out).name] if blocks_of(out) else [])
    assert not out.exists()
    mend()
    assert command(*words) == 0, command.said
    assert hidden(tmp_path) == []
    assert np.isfinite(np.asarray(open_image(out).data[...])).all()


def write_damageable(path: Path) -> Callable[[], Callable[[], None]]:
    """A stack of 40 compressed planes, and what damages the 26th; that gives what mends it."""
    pixels = np.random.default_rng(0).poisson(30, (40, 20, 24)).astype(np.uint16)
    image = Image(pixels, "ZYX", scale=(0.4, 0.2, 0.2), units=("micrometer",) * 3)
    if path.suffix == ".zarr":
        spec = VolumeSpec(image.shape, "ZYX", "uint16", scale=image.scale, units=image.units)
        with open_sink(path, spec, {}, planes=True, most_bytes=20 * 24 * 2) as sink:
            for block in BlockPlan(spec.shape, sink.block):
                sink.write_block(block, pixels[block.region])
            sink.finish()
        place = path / "0" / "c" / "25" / "0" / "0"
    else:
        metadata = {"axes": "ZYX", "spacing": 0.4, "unit": "um"}
        tifffile.imwrite(path, pixels, imagej=True, metadata=metadata, resolution=(5, 5), compression="zlib")
        place = path
    whole, stamp = place.read_bytes(), place.stat()

    def mend() -> None:
        place.write_bytes(whole)
        os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def damage() -> Callable[[], None]:
        first, length = 0, len(whole)
        if place == path:
            with tifffile.TiffFile(path) as tif:
                page = tif.pages[25]
                first, length = page.dataoffsets[0], page.databytecounts[0]
        place.write_bytes(whole[:first] + bytes(length) + whole[first + length :])
        os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        return mend

    return damage


def blocks_of(out: Path) -> int:
    """Blocks that an unfinished output has."""
    journal = partial_path(out) / "journal"
    return journal.read_bytes().count(b'"block"') if journal.is_file() else 0
