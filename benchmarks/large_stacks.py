"""Does the memory of a run depend on how large the stack is?

    python benchmarks/large_stacks.py                                      # 1 and 4 GiB, TIFF and OME-Zarr
    python benchmarks/large_stacks.py --gib 0.0625 0.25                     # seconds
    python benchmarks/large_stacks.py --gib 16 --methods restore --endings tif --every 16     # 17 GiB of disk

Each row is the real command in a process of its own, with one thread and a network of one narrow layer, so that memory
is that of everything around the network. Stacks are of float32, planes of 2048 x 2048 pixels of photon noise with cells
that move; a super-resolution makes twice as many planes of half as many. Counted is the most memory that the process
ever had, interpreter and torch included. The claim holds where the largest peak of a row of sizes is at most 10 % above
the smallest. With ``--every N`` only every N-th plane of a TIFF file holds an image and the others are holes of zeros,
which saves the time of the network and room for the input. Inputs and results are deleted at once. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

EDGE, DIFFERENT = 2048, 4
"""Edge of a plane, and how many planes are drawn; the others are these, moved."""

ZOOM = 2
COMMAND = "import sys; from napari_diffuscope.cli import main; main(sys.argv[1:])"


def planes(count: int, edge: int = EDGE) -> Iterator[np.ndarray]:
    """Planes of a stack, float32."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:edge, :edge].astype(np.float32)
    mean = 20 + 60 * np.maximum(np.sin(y / 37) * np.cos(x / 29), 0) ** 4
    drawn = [rng.poisson(mean).astype(np.float32) for _ in range(DIFFERENT)]
    for number in range(count):
        yield np.roll(drawn[number % DIFFERENT], (number, 3 * number), axis=(0, 1))


def write_stack(path: Path, count: int, edge: int = EDGE) -> None:
    """A stack in the format that the ending of its name says."""
    from napari_diffuscope.imaging.blocks import BlockPlan, VolumeSpec, open_sink

    units = ("micrometer",) * 3
    spec = VolumeSpec((count, edge, edge), "ZYX", scale=(0.2, 0.1, 0.1), units=units)
    with open_sink(path, spec, {}, planes=True, block=(1, edge, edge)) as sink:
        depth, made = sink.block[0], planes(count, edge)
        for block in BlockPlan(spec.shape, sink.block):
            sink.write_block(block, np.stack([next(made) for _ in range(min(depth, block.shape[0]))]))
        sink.finish()


def write_sparse(path: Path, count: int, edge: int, every: int) -> None:
    """A TIFF file of holes, in which some planes have pixels."""
    from napari_diffuscope.imaging.tiff.blank import create_blank

    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.2}
    made = planes(count, edge)
    with path.open("w+b") as file:
        first = create_blank(file, (count, edge, edge), np.dtype(np.float32), metadata)
        for number in range(0, count, every):
            file.seek(first + number * edge * edge * 4)
            file.write(next(made).tobytes())


def write_model(folder: Path, task: str) -> Path:
    """A network of one block of four channels; its weights do not matter."""
    import torch

    from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
    from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
    from napari_diffuscope.weights.folder import write_folder

    torch.manual_seed(0)
    channels = 2 if task == "superres" else 1
    network = LocalUNet(
        LocalUNetConfig(
            widths=(4,), encoder_blocks=(1,), decoder_blocks=(), embedding=4, condition_channels=channels
        )
    )
    card = ModelCard(
        name=f"one-layer-{task}",
        title="One layer",
        purpose="Memory.",
        task=task,
        network=NetworkSpec("local-unet", network.config.to_dict()),
        diffusion=DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=2),
        condition_channels=channels,
    )
    write_folder(folder / card.name, card, dict(network.state_dict()))
    return folder / card.name


def run(words: list[str]) -> tuple[float, float, float]:
    """Peak in MiB, seconds, and seconds of processor time of the command."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *words, "--quiet"], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    return usage.ru_maxrss / 1024, time.perf_counter() - started, usage.ru_utime + usage.ru_stime


def measure(
    method: str, ending: str, gib: float, folder: Path, edge: int, every: int
) -> tuple[float, float, float]:
    """One row: a stack is written, worked on, and deleted."""
    count = round(gib * 2**30 / (4 * edge * edge))
    source, out = folder / f"in.{ending}", folder / f"out.{ending}"
    here = [sys.executable, __file__, "--edge", str(edge), "--every", str(every), "--write"]
    subprocess.run([*here, str(source), str(count // ZOOM if method == "superres" else count)], check=True)
    subprocess.run([*here, str(folder), method], check=True)
    words = [method, str(source), str(out), "--model", str(folder / f"one-layer-{method}"), "--device", "cpu"]
    try:
        return run(words + (["--zoom", str(ZOOM)] if method == "superres" else []))
    finally:
        for made in folder.iterdir():
            shutil.rmtree(made) if made.is_dir() else made.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gib", type=float, nargs="+", default=[1, 4])
    parser.add_argument("--methods", nargs="+", default=["restore", "superres"])
    parser.add_argument("--endings", nargs="+", default=["tif", "ome.zarr"])
    parser.add_argument("--edge", type=int, default=EDGE)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="Where there is room; a temporary folder by default.")
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        place, what = given.write
        if what.isdigit():
            if given.every > 1:
                write_sparse(Path(place), int(what), given.edge, given.every)
            else:
                write_stack(Path(place), int(what), given.edge)
        else:
            write_model(Path(place), what)
        return
    print(
        "| method | file | stack (GiB) | peak (MiB) | seconds | of a processor |\n|---|---|---|---|---|---|"
    )
    for method in given.methods:
        for ending in given.endings:
            peaks = []
            for gib in given.gib:
                with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                    peak, seconds, worked = measure(
                        method, ending, gib, Path(folder), given.edge, given.every
                    )
                peaks.append(peak)
                row = f"{gib:g} | {peak:.0f} | {seconds:.0f} | {worked:.0f}"
                print(f"| {method} | {ending} | {row} |", flush=True)
            if len(peaks) > 1:
                print(f"| | | largest over smallest | {max(peaks) / min(peaks):.3f} | | |", flush=True)


if __name__ == "__main__":
    main()
