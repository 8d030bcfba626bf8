"""How much memory does a super-resolution need, and how long does it take?

    python benchmarks/superres_memory.py                       # a tiny network, outputs of about 256³ and 512³
    python benchmarks/superres_memory.py --edges 96 160 --block 32,64,64     # quick
    python benchmarks/superres_memory.py --edges 128 --model superres-em     # speed of a real model

Each row is a process of its own. Counted is the peak of its resident memory above that of the interpreter with torch
loaded. Planes are made as they are read, and the output is an OME-Zarr. A claim holds where the peaks of 256³ and
512³ differ by less than 20 %: memory is decided by the block. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FACTOR = 4


class LazyStack:
    """Planes of a moving pattern with noise, made when they are read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, planes: int, edge: int) -> None:
        self.shape = (planes, edge, edge)

    def __getitem__(self, index: tuple[int | slice, ...]) -> np.ndarray:
        first = index[0]
        numbers = [first] if isinstance(first, int) else range(*first.indices(self.shape[0]))
        found = np.stack([self._plane(number)[index[1:]] for number in numbers])
        return found[0] if isinstance(first, int) else found

    def _plane(self, number: int) -> np.ndarray:
        y, x = (np.arange(edge, dtype=np.float32) for edge in self.shape[1:])
        mean = 30 + 10 * np.sin(y[:, None] / 9 + number) * np.cos(x / 7)
        return np.random.default_rng(number).poisson(mean).astype(np.uint16)


def tiny_model(folder: Path) -> str:
    """A small untrained network; its weights do not matter for memory."""
    import torch

    from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
    from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
    from napari_diffuscope.weights.folder import write_folder

    torch.manual_seed(0)
    network = LocalUNet(
        LocalUNetConfig(
            condition_channels=2, widths=(8, 12), encoder_blocks=(1, 1), decoder_blocks=(1,), wavelets=2
        )
    )
    card = ModelCard(
        name="tiny",
        title="Tiny",
        purpose="Memory.",
        task="superres",
        network=NetworkSpec("local-unet", network.config.to_dict()),
        diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=2),
        condition_channels=2,
    )
    write_folder(folder / "tiny", card, dict(network.state_dict()))
    return str(folder / "tiny")


def peak_bytes() -> int:
    """Most memory that this process had."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def measure(edge: int, mode: str, model: str, block: str) -> dict[str, float]:
    import torch

    torch.ones(8) @ torch.ones(8)

    from napari_diffuscope import Image, SuperresSettings
    from napari_diffuscope.methods.storing import output_files, run_to_files
    from napari_diffuscope.methods.superres.method import SUPERRES

    image = Image(LazyStack((edge - 1) // FACTOR + 1, edge), "ZYX")
    with tempfile.TemporaryDirectory() as folder:
        z, y, x = map(int, block.split(","))
        settings = SuperresSettings(
            model=model or tiny_model(Path(folder)),
            mode=mode,
            zoom=FACTOR,
            steps=2,
            block=(z, y, x),  # type: ignore[arg-type]
        )
        before, started = peak_bytes(), time.perf_counter()
        inputs = {"image": image}
        files = output_files(SUPERRES, inputs, settings, Path(folder) / "out.ome.zarr")
        result = run_to_files(SUPERRES, inputs, settings, files)
        shape = result.specs["superresolved"].shape
        return {
            "planes": shape[0],
            "seconds": time.perf_counter() - started,
            "mib": (peak_bytes() - before) / 2**20,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--edges", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--modes", nargs="+", default=["estimate", "sample"])
    parser.add_argument("--model", default="")
    parser.add_argument("--block", default="64,128,128")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        edge, mode = given.one
        print(json.dumps(measure(int(edge), mode, given.model, given.block)))
        return
    print("| output | mode | peak MiB | seconds |\n|---|---|---|---|")
    for mode in given.modes:
        peaks = []
        for edge in given.edges:
            words = [sys.executable, __file__, "--model", given.model, "--block", given.block]
            done = subprocess.run(
                [*words, "--one", str(edge), mode], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout.splitlines()[-1])
            peaks.append(found["mib"])
            shape = f"{found['planes']:.0f} x {edge} x {edge}"
            print(f"| {shape} | {mode} | {found['mib']:.0f} | {found['seconds']:.1f} |", flush=True)
        if len(peaks) > 1:
            print(f"| largest over smallest | {mode} | {max(peaks) / min(peaks):.2f} | |", flush=True)


if __name__ == "__main__":
    main()
