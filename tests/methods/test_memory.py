"""The memory of a run from file to file is that of a plane or a block, not of the stack.

``benchmarks/large_stacks.py`` does the same with stacks of gigabytes, for more methods and formats.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from tests.fuzz.processes import server
from tests.tiny import tiny_network, write_local

CARD = ModelCard(
    name="one-layer",
    title="One layer",
    purpose="Tests.",
    task="restore",
    network=NetworkSpec("local-unet", {}),
    diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=2),
)
EDGE, FEW, MANY = 256, 64, 160
"""Planes of 256 KiB: stacks of 16 and of 40 MiB, results likewise."""


def _peak(words: list[str], said: str) -> None:
    """Run the command, and write down the most memory that this process ever had, in KiB."""
    import torch

    from napari_diffuscope.cli import main

    torch.set_num_threads(1)
    try:
        main(words)
    except SystemExit as stop:
        if stop.code:
            raise
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    Path(said).write_text(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def peak_of(folder: Path, planes: int, *words: Any) -> int:
    """Of restoring a stack of so many planes."""
    source, said = folder / f"{planes}.tif", folder / f"{planes}.txt"
    drawn = np.random.default_rng(0).poisson(30, (4, EDGE, EDGE)).astype(np.float32)
    tifffile.imwrite(source, np.tile(drawn, (planes // 4, 1, 1)), metadata={"axes": "ZYX"})
    call = ["restore", source, folder / f"{planes}.ome.zarr", *words, "--quiet"]
    process = server().Process(target=_peak, args=([str(word) for word in call], str(said)))
    process.start()
    process.join(240)
    assert process.exitcode == 0
    return int(said.read_text())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_larger_stack_needs_no_more_memory(tmp_path: Path) -> None:
    network = tiny_network(widths=(4,), encoder_blocks=(1,), decoder_blocks=(), embedding=4)
    model = write_local(tmp_path / "model", CARD, network)
    few, many = (peak_of(tmp_path, planes, "--model", model) for planes in (FEW, MANY))
    assert many < 1.1 * few
    assert 0.05 * 1024 * few < (MANY - FEW) * EDGE * EDGE * 4, "the difference would be seen"
