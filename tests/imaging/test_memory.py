"""Tiles that fit into what is free, and running out of memory recognised for what it is."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import psutil
import pytest

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory
from napari_diffuscope.imaging import memory
from napari_diffuscope.imaging.memory import (
    TileChoice,
    choose_tiles,
    free_memory,
    is_out_of_memory,
    smaller_tiles,
)
from napari_diffuscope.imaging.tiles import tile_boxes

GIB = 2**30


def choice(shape=(4000, 4000), **changes) -> TileChoice:
    options = {
        "halo": 64,
        "stride": 16,
        "bytes_per_pixel": 1000.0,
        "fixed_bytes": 0.1 * GIB,
        "free": 16 * GIB,
    }
    return choose_tiles(shape, **{**options, **changes})


AMOUNTS = {
    "123": 123,
    "12B": 12,
    "3GiB": 3 * GIB,
    "3 gib": 3 * GIB,
    "3G": 3 * GIB,
    "3GB": 3 * 10**9,
    "0.5MiB": 2**19,
    "2T": 2 * 2**40,
}


@pytest.mark.parametrize(("text", "number"), AMOUNTS.items())
def test_amounts_of_memory(text, number):
    assert memory.parse_bytes(text) == number


@pytest.mark.parametrize("text", ["", "much", "3XiB", "-1GiB", "GiB"])
def test_what_is_no_amount(text):
    with pytest.raises(DiffuscopeError, match="3GiB"):
        memory.parse_bytes(text)


def test_free_memory_of_the_cpu(monkeypatch):
    monkeypatch.delenv(memory.LIMIT_VARIABLE, raising=False)
    assert 0 < free_memory("cpu") <= psutil.virtual_memory().total


def test_the_limit_counts_what_the_process_holds(monkeypatch):
    held = psutil.Process().memory_info().rss
    monkeypatch.setenv(memory.LIMIT_VARIABLE, str(held + 50 * 2**20))
    assert 0 < free_memory("cpu") <= 60 * 2**20
    monkeypatch.setenv(memory.LIMIT_VARIABLE, "1MiB")
    assert free_memory("cpu") == 0
    monkeypatch.setenv(memory.LIMIT_VARIABLE, "plenty")
    with pytest.raises(DiffuscopeError, match="plenty"):
        free_memory("cpu")


def group(folder: Path, limit: str, used: int, cached: int, *, old: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if old else ("memory.max", "memory.current")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    key = "total_inactive_file" if old else "inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{key} {cached}\n")


def test_limits_of_containers(tmp_path):
    root, member = tmp_path / "cgroup", tmp_path / "self"
    group(root / "a", "1000", 700, 100)
    group(root / "a" / "b", "max", 600, 0)
    member.write_text("0::/a/b\n")
    assert memory._cgroup_free(root, member) == [400]
    group(root / "memory" / "c", "5000", 1000, 7, old=True)
    member.write_text("3:cpu,cpuacct:/c\n4:memory:/c\n")
    assert memory._cgroup_free(root, member) == [4007]
    member.write_text("0::/hidden/outside\n")
    group(root, "900", 100, 0)
    assert memory._cgroup_free(root, member) == [800]
    assert memory._cgroup_free(root, tmp_path / "absent") == []


def test_unknown_devices():
    with pytest.raises(DiffuscopeError, match="'tpu'"):
        free_memory("tpu")


def test_plenty_of_memory_takes_the_largest_tile():
    assert choice() == TileChoice(512, 1)
    assert choice(default_tile=1024) == TileChoice(1024, 1)


@pytest.mark.parametrize("free", np.linspace(0.25, 3.0, 12))
def test_chosen_tiles_stay_below_the_share_and_the_next_would_not(free):
    found = choice(free=int(free * GIB), most_batch=4)

    def need(tile: int, batch: int) -> float:
        (window,) = {t.window_shape for t in tile_boxes((4000, 4000), tile=tile, halo=64, stride=16)}
        return 0.1 * GIB + 1000.0 * window[0] * window[1] * batch

    assert need(found.tile, found.batch) <= 0.8 * free * GIB
    if found.batch < 4:
        assert need(found.tile, found.batch + 1) > 0.8 * free * GIB
    larger = [edge for edge in memory.LADDER if found.tile < edge <= 512]
    assert not larger or need(larger[-1], 1) > 0.8 * free * GIB


def test_batches_fill_the_memory_but_not_more_than_there_are_tiles():
    assert choice(most_batch=8).batch == 8
    assert choice(shape=(1000, 500), most_batch=8) == TileChoice(512, 2)
    assert choice(shape=(100, 100), most_batch=8).batch == 1


def test_small_images_start_with_the_tile_that_covers_them():
    assert choice(shape=(300, 200)) == TileChoice(384, 1)
    assert choice(region=((100, 200), (50, 90))) == TileChoice(128, 1)


def test_tight_memory_tries_the_smallest_tile_and_then_refuses():
    need = 0.1 * GIB + 1000 * (64 + 128) ** 2
    assert choice(free=int(need * 1.1)) == TileChoice(64, 1)
    with pytest.raises(OutOfMemory, match=r"A tile of 64 pixels needs 0\.1 GiB"):
        choice(free=int(need * 0.9))


def test_backing_off_ends():
    steps = [TileChoice(512, 5)]
    while following := smaller_tiles(steps[-1]):
        steps.append(following)
    assert steps[:4] == [TileChoice(512, 5), TileChoice(512, 2), TileChoice(512, 1), TileChoice(384, 1)]
    assert steps[-1] == TileChoice(64, 1)
    assert smaller_tiles(TileChoice(200)) == TileChoice(192)
    assert smaller_tiles(TileChoice(50)) is None


def test_real_failures_of_torch_and_numpy():
    torch = pytest.importorskip("torch")
    for allocate in (lambda: torch.empty(2**60, dtype=torch.uint8), lambda: np.empty(2**60, np.uint8)):
        with pytest.raises((RuntimeError, MemoryError)) as caught:
            allocate()
        assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OutOfMemory("A tile does not fit."), True),
        (RuntimeError("shape mismatch"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_which_errors_mean_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected
