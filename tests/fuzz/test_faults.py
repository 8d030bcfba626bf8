"""Disks that are full, folders that take nothing, processes that are killed: nothing is lost, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope.imaging.files import open_image
from tests.fuzz.models import write_models
from tests.fuzz.processes import CANNOT_MOUNT, Command, Starved
from tests.fuzz.rule import LONGEST_SENTENCE
from tests.methods.shape_models import disc
from tests.recipes import small_recipe

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs Linux's processes and disks"
)

RECIPE = small_recipe(steps=4000, validate_every=2000)


@dataclass(frozen=True)
class Bench:
    """Inputs that every command is tried on."""

    folder: Path
    models: dict[str, tuple[Path, ...]]

    def words(self, kind: str, out: Path) -> list[Any]:
        """The command of a kind that writes below ``out``; it runs for a second or more."""
        stack, cells, labels = (self.folder / name for name in ("stack.ome.tif", "cells.tif", "labels.tif"))
        restore, slices, shapes = (self.models[task][0] for task in ("restore", "superres", "shape"))
        match kind:
            case "restore":
                return ["restore", stack, out / "out.tif", "--model", restore]
            case "superres":
                return ["superres", stack, out / "out.ome.zarr", "--model", slices, "--block", "8,16,64"]
            case "superres-sample":
                sampled = ["--mode", "sample", "--steps", 3, "--block", "8,16,64"]
                return ["superres", stack, out / "out.tif", "--model", slices, *sampled]
            case "shape":
                sampled = ["--mode", "ensemble", "--samples", 4, "--probability"]
                return ["shape", cells, "--labels", labels, out / "out", "--model", shapes, *sampled]
            case "generate":
                made = ["--number", 24, "--size", 96, "--steps", 3]
                return ["generate", out / "out.ome.tif", "--model", self.models["generate"][0], *made]
            case "samples":
                return ["samples", out / "out"]
            case _:
                recipe, workers = self.folder / "recipe.toml", int(kind == "train-worker")
                return ["train", recipe, "--run", out / "run", "--out", out / "out", "--workers", workers]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    rng = np.random.default_rng(0)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.3}
    stack = rng.poisson(30, (48, 64, 64)).astype(np.uint16)
    tifffile.imwrite(folder / "stack.ome.tif", stack, metadata=metadata)
    labels = np.zeros((90, 120), np.uint8)
    for number in range(12):
        labels[disc(labels.shape, (15 + 30 * (number // 4), 15 + 30 * (number % 4)), 9)] = number + 1
    tifffile.imwrite(folder / "cells.tif", rng.poisson(20 + 40 * (labels > 0)).astype(np.uint8))
    tifffile.imwrite(folder / "labels.tif", labels)
    (folder / "recipe.toml").write_text(RECIPE)
    return Bench(folder, write_models(folder / "models"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def last_line(said: str) -> str:
    lines = said.replace("\r", "\n").strip().splitlines()
    return lines[-1].strip() if lines else ""


def check_clean(command: Command) -> None:
    """Neither a traceback nor Python's own complaints on the screen."""
    for word in ("Traceback", "Exception ignored", "Error:", "Warning:", "Aborted"):
        assert word not in command.said(), command.said()[-1500:]


@pytest.mark.parametrize(
    ("kind", "starved"),
    [
        *(
            (kind, "full")
            for kind in ("restore", "superres", "superres-sample", "shape", "generate", "samples", "train")
        ),
        *((kind, "limited") for kind in ("restore", "superres-sample", "shape", "samples", "train")),
        *((kind, "readonly") for kind in ("restore", "superres", "shape", "samples", "train")),
    ],
)
def test_a_disk_that_takes_nothing_is_told_in_a_sentence(
    bench: Bench, kind: str, starved: Starved, tmp_path: Path
) -> None:
    out = tmp_path / "disk"
    out.mkdir()
    before = contents(bench.folder)
    command = Command(bench.words(kind, out), out, tmp_path / "log", starved)
    code = command.ended()
    if code == CANNOT_MOUNT:
        pytest.skip("needs a disk of its own, which this account may not make")
    said = command.said()
    assert code == 1, said[-1500:]
    check_clean(command)
    sentence = last_line(said)
    assert sentence.startswith("diffuscope: "), said[-1500:]
    assert len(sentence) <= LONGEST_SENTENCE + len("diffuscope: ")
    assert str(out) in sentence, "the sentence names what could not be written"
    assert "damaged" not in sentence
    assert "0.0 GB" not in sentence
    assert contents(bench.folder) == before
    if kind in ("restore", "generate", "samples"):  # the others can go on when there is room
        assert command.left() == []
    elif kind == "shape":  # cells that were finished stay
        assert not [name for name in command.left() if Path(name).name.startswith(".")]


INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def begun(out: Path, kind: str) -> bool:
    """Whether a command is in the middle of its work."""
    if kind.startswith("train"):
        return (out / "run" / "checkpoint.pt").exists() or any((out / "run").glob("*checkpoint*"))
    return any(out.iterdir())


@pytest.mark.parametrize(
    ("kind", "stop"),
    [
        *(("restore", stop) for stop in (INT, TERM, HUP)),
        *(("train", stop) for stop in (INT, TERM)),
        ("superres", HUP),
        ("superres-sample", TERM),
        ("shape", TERM),
    ],
)
def test_a_signal_ends_it_as_ctrl_c_does(
    bench: Bench, kind: str, stop: signal.Signals, tmp_path: Path
) -> None:
    command = interrupted(bench, kind, tmp_path, stop)
    # A training that could end after a step, with a checkpoint, ends as if Ctrl-C had asked for it.
    expected = (128 + stop, 128 + INT) if kind == "train" else (128 + stop,)
    assert command.ended() in expected, command.said()[-1500:]
    check_clean(command)
    assert "stopp" in last_line(command.said()).lower()
    if (
        kind == "restore"
    ):  # what the same command goes on with is hidden, and nothing carries the name of the result
        assert all(name.startswith(".") for name in command.left())


def interrupted(bench: Bench, kind: str, folder: Path, stop: signal.Signals, *, times: int = 1) -> Command:
    """A command that was told to stop in the middle; on a busy machine one may be over before, and is tried again."""
    for attempt in range(4):
        out = folder / f"out{attempt}"
        out.mkdir()
        command = Command(bench.words(kind, out), out, folder / f"log{attempt}")
        assert command.until(lambda: begun(out, kind)), command.said()  # noqa: B023
        for _ in range(times):
            time.sleep(0.01)
            with suppress(ProcessLookupError):  # the first one was enough
                command.send(stop)
        if command.ended() != 0:
            break
    return command


@pytest.mark.parametrize("kind", ["restore", "superres-sample", "generate", "train"])
def test_ctrl_c_twice_ends_it_without_complaints(bench: Bench, kind: str, tmp_path: Path) -> None:
    command = interrupted(bench, kind, tmp_path, signal.SIGINT, times=2)
    assert command.ended() == 128 + signal.SIGINT, command.said()[-1500:]
    check_clean(command)


@pytest.mark.parametrize("kind", ["restore", "superres", "superres-sample", "shape", "generate"])
def test_killed_in_the_middle_and_begun_again(bench: Bench, kind: str, tmp_path: Path) -> None:
    """The pixels of a run that nobody disturbed, and nothing else."""
    calm, out = tmp_path / "calm", tmp_path / "out"
    for folder in (calm, out):
        folder.mkdir()
    assert Command(bench.words(kind, calm), calm, tmp_path / "calm.log").ended() == 0
    before = contents(bench.folder)
    for delay in (0.0, 0.1) if kind in ("restore", "superres") else (0.1,):
        command = Command(bench.words(kind, out), out, tmp_path / "log")
        assert command.until(lambda: begun(out, kind)), command.said()
        time.sleep(delay)
        command.send(signal.SIGKILL)
        assert command.ended() == -signal.SIGKILL, command.said()[-1500:]
    again = bench.words(kind, out) + (["--resume"] if kind == "shape" else [])
    last = Command(again, out, tmp_path / "log")
    assert last.ended() == 0, last.said()[-1500:]
    check_clean(last)
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in calm.iterdir())
    assert contents(bench.folder) == before
    for path in images_of(calm):
        twin = out / path.relative_to(calm)
        assert np.array_equal(pixels_of(twin), pixels_of(path)), twin.name


def images_of(folder: Path) -> list[Path]:
    found = [*folder.glob("*.zarr"), *folder.rglob("*.tif")]
    assert found
    return found


def pixels_of(path: Path) -> np.ndarray:
    return np.asarray(open_image(path).data[...])


@pytest.mark.parametrize("kind", ["restore", "superres"])
def test_an_input_that_vanishes_midway_is_missed_and_gone_on_with(
    bench: Bench, kind: str, tmp_path: Path
) -> None:
    here = replace(bench, folder=tmp_path / "in")
    shutil.copytree(bench.folder, here.folder, ignore=shutil.ignore_patterns("models"))
    stack, away, calm = here.folder / "stack.ome.tif", tmp_path / "away.tif", tmp_path / "calm"
    calm.mkdir()
    for attempt in range(4):  # on a busy machine it may be over before
        out = tmp_path / f"out{attempt}"
        out.mkdir()
        command = Command(here.words(kind, out), out, tmp_path / "log")
        assert command.until(lambda: blocks_in(out) > 0), command.said()  # noqa: B023
        stack.rename(away)
        code = command.ended()
        away.rename(stack)
        if code:
            break
    assert code == 1, command.said()[-1500:]
    check_clean(command)
    assert f"There is no file '{stack}'" in last_line(command.said())
    assert all(name.startswith(".") for name in command.left()), "nothing unfinished carries the name"
    for place in (calm, out):
        assert Command(here.words(kind, place), place, tmp_path / "log").ended() == 0
    for path in images_of(calm):
        assert np.array_equal(pixels_of(out / path.name), pixels_of(path))


def blocks_in(out: Path) -> int:
    """Finished blocks of an output that grows."""
    return sum(file.read_bytes().count(b'"block"') for file in out.glob(".*.partial/journal"))


def test_a_worker_of_a_training_that_is_killed_is_told_in_a_sentence(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = Command(bench.words("train-worker", out), out, tmp_path / "log")
    assert command.until(lambda: begun(out, "train") and bool(children_of(command))), command.said()
    for number in children_of(command):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    assert command.ended() == 1, command.said()[-1500:]
    check_clean(command)
    assert "process that makes the batches" in last_line(command.said())
    assert "--resume" in last_line(command.said())
    assert not (out / "out").exists()


def children_of(command: Command) -> list[int]:
    """Processes that a command has started."""
    pid = command.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
