"""Outputs of processes that are killed again and again, and the memory that such processes need."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.imaging.blocks import partial_path
from napari_diffuscope.imaging.files import open_image

pytest.importorskip("zarr")

SCRIPT = Path(__file__).with_name("blocks_script.py")
LENGTHS = "272,40,70"
"""More than 256 planes, so that there are coarser levels."""


def started(out, lengths=LENGTHS, edge=32, pause=0.0):
    command = [sys.executable, str(SCRIPT), str(out), lengths, str(edge), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    text, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return int(text)


def lines_of(out):
    journal = partial_path(out) / "journal"
    try:
        return journal.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def killed_after(out, lines, delay):
    """Whether a process was killed a moment after its journal had that many lines."""
    process = started(out, pause=0.004)
    while lines_of(out) < lines and process.poll() is None:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    _, errors = process.communicate(timeout=500)
    assert process.returncode in (0, -signal.SIGKILL), errors
    return process.returncode != 0


def contents(path):
    if path.is_file():
        return path.read_bytes()
    files = (file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): file.read_bytes() for file in files}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("name", ["out.ome.zarr", "out.ome.tif"])
def test_killed_again_and_again(tmp_path, name):
    """Bit for bit the files of a run that nobody disturbed, and nothing else left behind."""
    calm, out = tmp_path / "calm" / name, tmp_path / "killed" / name
    calm.parent.mkdir()
    out.parent.mkdir()
    ended(started(calm))
    draw = random.Random(0)
    # Two lines are written before the first block; 54 blocks follow, then the coarser levels.
    moments = (0, 2, 9, 30, 54, 57, 62) if name.endswith("zarr") else (0, 2, 20, 40)
    kills = sum(killed_after(out, lines, draw.uniform(0, 0.01)) for lines in moments if not out.exists())
    assert kills >= 3
    if partial_path(out).exists() or not out.exists():
        ended(started(out))
    assert contents(out) == contents(calm)
    assert [one.name for one in out.parent.iterdir()] == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_finished_blocks_stay(tmp_path):
    """Those that the journal of a killed process names are not written again."""
    out = tmp_path / "out.ome.zarr"
    assert killed_after(out, 20, 0)
    lines = [json.loads(line) for line in (partial_path(out) / "journal").read_text().splitlines()]
    assert sum(line[0] == "block" for line in lines[1:]) >= 18
    shards = [file for file in (partial_path(out) / "image" / "0" / "c").rglob("*") if file.is_file()]
    whole = {file.relative_to(partial_path(out) / "image"): file.stat().st_mtime_ns for file in shards}
    ended(started(out))
    kept = [name for name, written in whole.items() if (out / name).is_file() and
            (out / name).stat().st_mtime_ns == written]  # fmt: skip
    assert len(kept) >= 18


def test_a_resumed_image_is_whole(tmp_path):
    """The toy repeats itself along Z every eleven planes."""
    out = tmp_path / "out.tif"
    killed_after(out, 10, 0)
    ended(started(out))
    pixels = np.asarray(open_image(out).data[...])
    assert pixels.shape == (272, 40, 70)
    np.testing.assert_allclose(pixels[5:-16], pixels[16:-5], rtol=1e-5)
    assert np.isfinite(pixels).all()
    assert pixels.std(axis=(1, 2)).min() > 0.1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("name", ["out.ome.zarr", "out.tif"])
def test_memory_does_not_grow_with_the_image(tmp_path, name):
    small = ended(started(tmp_path / f"small_{name}", "128,128,128", 64))
    large = ended(started(tmp_path / f"large_{name}", "256,256,256", 64))  # 64 MiB
    assert large < 1.2 * small
