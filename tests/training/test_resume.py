"""Trainings that end before their end: killed, stopped with Ctrl-C, out of room; and several processes."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.jobs import run
from napari_diffuscope.training import log, loop
from napari_diffuscope.training.log import LOG
from napari_diffuscope.training.recipe import read_recipe
from napari_diffuscope.training.run_files import CHECKPOINT
from napari_diffuscope.weights.card import read_card
from tests.recipes import small_recipe
from tests.signals import LISTEN

RECIPE = small_recipe(
    "simulated = 3\nvalidation = 2\nsize = 64",
    steps=60,
    batch=5,
    warmup=2,
    ema=0.9,
    checkpoint_every=7,
    precision="float32",
)


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return path


def command(recipe: Path, folder: Path, *more: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    words = [
        *(sys.executable, *(launcher or ()), "-m", "napari_diffuscope", "train", str(recipe)),
        *(
            "--run-folder",
            str(folder),
            "--out",
            str(folder / "model"),
            "--workers",
            "0",
            "--device",
            "cpu",
            *more,
        ),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words,
        env=environment,
        preexec_fn=LISTEN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def logged(folder: Path) -> list[list[str]]:
    """The log without the columns that tell the time."""
    path = folder / LOG
    return [line.split(",")[:4] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_curve(tmp_path: Path, recipe_file: Path) -> None:
    killed = command(recipe_file, tmp_path / "b")
    until(lambda: len(logged(tmp_path / "b")) > 8 and (tmp_path / "b" / CHECKPOINT).exists(), killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "b" / "model").exists()
    step = torch.load(tmp_path / "b" / CHECKPOINT, weights_only=True)["step"]
    assert 7 <= step < 60
    with (tmp_path / "b" / LOG).open("a") as file:  # rows that will be made again, and half a row
        file.write(f"{step + 1},9,9,9,9,9\n{step + 2},9,")

    finish(command(recipe_file, tmp_path / "b", "--resume"))
    finish(command(recipe_file, tmp_path / "a"))
    assert logged(tmp_path / "a") == logged(tmp_path / "b")
    assert len(logged(tmp_path / "a")) == 31
    whole, resumed = (read_card(tmp_path / folder / "model") for folder in "ab")
    assert whole.sha256 == resumed.sha256
    assert resumed.training["seconds"] > 0


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path, recipe_file: Path) -> None:
    recipe_file.write_text(RECIPE.replace("checkpoint_every = 7", "checkpoint_every = 1000"))
    process = command(recipe_file, tmp_path / "a")
    until(lambda: len(logged(tmp_path / "a")) > 3, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Ctrl-C again stops at once" in errors
    assert "Traceback" not in errors
    assert 6 <= torch.load(tmp_path / "a" / CHECKPOINT, weights_only=True)["step"] < 60


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no distributed training")
def test_two_processes_follow_the_curve_of_one(tmp_path: Path, recipe_file: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port))
    recipe_file.write_text(RECIPE.replace("steps = 60", "steps = 8"))
    finish(command(recipe_file, tmp_path / "two", launcher=launcher))
    finish(command(recipe_file, tmp_path / "one"))
    one, two = logged(tmp_path / "one"), logged(tmp_path / "two")
    assert one[0] == two[0]
    assert len(one) == len(two) == 5
    for a, b in zip(one[1:], two[1:], strict=True):
        assert [float(value) for value in a] == pytest.approx(
            [float(value) for value in b], rel=2e-3, abs=1e-3
        )
    assert read_card(tmp_path / "two" / "model").training["processes"] == 2
    assert torch.load(tmp_path / "two" / CHECKPOINT, weights_only=True)["step"] == 8


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_at_the_log_is_one_sentence(
    tmp_path: Path, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = loop.training_job(read_recipe(recipe_file), tmp_path / "a", tmp_path / "m", workers=0)
    next(update for update in job if update.done == 7)
    monkeypatch.setattr(log.csv, "writer", full)
    with pytest.raises(DiffuscopeError, match=r"log\.csv cannot be written"):
        run(job)
    assert torch.load(tmp_path / "a" / CHECKPOINT, weights_only=True)["step"] == 7
    assert not (tmp_path / "m").exists()


def test_a_full_disk_at_the_model_can_be_mended(
    tmp_path: Path, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe_file.write_text(RECIPE.replace("steps = 60", "steps = 2"))
    plan = read_recipe(recipe_file)
    with monkeypatch.context() as patch:
        patch.setattr("tifffile.imwrite", full)
        with pytest.raises(DiffuscopeError, match=r"model folder .* cannot be written"):
            run(loop.training_job(plan, tmp_path / "a", tmp_path / "out" / "m", workers=0))
    assert list((tmp_path / "out").iterdir()) == []
    card = run(loop.training_job(plan, tmp_path / "a", tmp_path / "out" / "m", workers=0, resume=True))
    assert card.training["steps"] == 2
    assert len(logged(tmp_path / "a")) == 2


def test_too_little_memory_is_one_sentence(
    tmp_path: Path, recipe_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def huge(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("napari_diffuscope.training.restore.denoising.denoising_loss", huge)
    with pytest.raises(DiffuscopeError, match="batch of 5 patches of 32 pixels does not fit"):
        run(loop.training_job(read_recipe(recipe_file), tmp_path / "a", tmp_path / "m", workers=0))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, recipe_file: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(DiffuscopeError, match="damaged"):
        run(loop.training_job(read_recipe(recipe_file), tmp_path, tmp_path / "m", workers=0, resume=True))


def test_a_new_training_begins_a_new_log(tmp_path: Path, recipe_file: Path) -> None:
    (tmp_path / LOG).write_text("step,loss\n500,0.1\n")
    job = loop.training_job(read_recipe(recipe_file), tmp_path, tmp_path / "m", workers=0)
    next(update for update in job if update.done == 3)
    job.close()
    assert [row[0] for row in logged(tmp_path)] == ["step", "2"]
