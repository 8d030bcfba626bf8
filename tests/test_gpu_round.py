"""The round that is prepared for a GPU, rehearsed on the processor with seconds, as on a machine that has little."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from benchmarks.gpu_round.pack import MOST_MIB, needed, tracked_size
from benchmarks.gpu_round.places import BESIDE, moved, unpacked

from napari_diffuscope import restore
from napari_diffuscope.weights.card import read_card

ROOT = Path(__file__).resolve().parents[1]

REHEARSED = """
import runpy, sys, time
time.monotonic = time.perf_counter = time.process_time  # a busy machine is no shorter round
class Absent:
    absent = ("napari", "qtpy", "magicgui", "dask", "zarr", "typer", "psutil", "pooch", "platformdirs", "pydantic")
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.absent:
            raise ImportError(f"{name} is not on that machine")
if __name__ == "__main__":
    sys.meta_path.insert(0, Absent())
    sys.argv[0] = "gpu_round"
    runpy.run_module("benchmarks.gpu_round", run_name="__main__")
"""

PLAN = """
[[starter]]
recipe = "restoration-longer.toml"
start_from = "restoration-fluorescence"
share = 0.5
batch = 1
learning_rate = 1e-3

[[starter]]
recipe = "absent.toml"
share = 0.1
batch = 1
learning_rate = 1e-3

[[starter]]
recipe = "superres-fluorescence.toml"
start_from = "superres-fluorescence"
share = 0.4
batch = 1
learning_rate = 1e-3
"""


@pytest.mark.slow
def test_a_round_is_rehearsed_without_a_gpu(tmp_path: Path) -> None:
    script, plan, out = tmp_path / "rehearse.py", tmp_path / "plan.toml", tmp_path / "out"
    script.write_text(REHEARSED)
    plan.write_text(PLAN)
    (tmp_path / "carried" / "shared").mkdir(parents=True)  # no images: specimens alone
    options = [
        "--device",
        "cpu",
        "--minutes",
        "0.45",
        "--specimens",
        "2",
        "--textures",
        "2",
        "--workers",
        "0",
    ]
    done = subprocess.run(
        [sys.executable, script, *options, "--out", out, "--plan", plan, "--carried", tmp_path / "carried"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = (out / "report.md").read_text()
    for part in ("Machine", "Parity", "Bank", "Training, patches per second"):
        assert f"## {part}" in report
    assert "of the range apart" in report, report
    assert report.count("**Failed**") == 1, report  # the recipe that is not there
    assert "absent.toml" in report

    names = sorted(path.name for path in out.iterdir())
    assert names == ["report.md", "restoration-fluorescence.tar", "superres-fluorescence.tar"]
    assert all(path.stat().st_size < 16 * 2**20 for path in out.iterdir())
    for name in ("restoration-fluorescence", "superres-fluorescence"):
        with tarfile.open(out / f"{name}.tar") as tar:
            tar.extractall(tmp_path / "got", filter="data")
        card = read_card(tmp_path / "got" / name)
        assert card.training["steps"] >= 1
        assert card.training["recipe"]["start_from"] == name
        rows = (tmp_path / "got" / f"{name}-log.csv").read_text().splitlines()
        assert rows[1].startswith("0,nan")
    example = tmp_path / "got" / "restoration-fluorescence" / "example_input.tif"
    restored = restore(str(example), model=str(tmp_path / "got" / "restoration-fluorescence"), device="cpu")
    assert restored.restored.shape == (128, 128)


def test_what_the_recipes_read_is_carried(tmp_path: Path) -> None:
    """Files of a plan, under the names that the recipes are given on the other machine."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.gpu_round.pack",
        "--shared",
        tmp_path / "shared",
        "--out",
        tmp_path / "c",
    ]
    images = tmp_path / "shared" / "data" / "fibsem_medulla"
    images.mkdir(parents=True)
    volume = np.random.default_rng(0).integers(0, 255, (130, 4, 5)).astype(np.uint8)
    tifffile.imwrite(images / "training_sample1.tif", volume)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[starter]]\nrecipe = "superres-em.toml"\nshare = 1.0\nbatch = 1\nlearning_rate = 1e-3\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [*command, "--plan", plan], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "of 64 MiB" in done.stdout
    carried = unpacked(tmp_path / "c", tmp_path / "there")
    name = moved(str(BESIDE / "data" / "fibsem_medulla" / "training_sample1.tif"), carried)
    np.testing.assert_array_equal(tifffile.imread(name), volume[:125])  # what the recipe reads, no plane more


def test_all_that_a_round_needs_and_the_repository_may_be_carried() -> None:
    if not (BESIDE / "data").is_dir():
        pytest.skip("needs the images beside the checkout")
    plan = ROOT / "benchmarks" / "gpu_round" / "plan.toml"
    size = sum(path.stat().st_size for path, planes in needed(plan, BESIDE).items() if planes is None)
    assert size / 2**20 + tracked_size() < MOST_MIB - 5, "leave room for stacks and fields"
