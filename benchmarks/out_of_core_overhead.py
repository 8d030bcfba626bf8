"""What does it cost to work from file to file, beside the network?

    python benchmarks/out_of_core_overhead.py                       # the starter models, a minute or two
    python benchmarks/out_of_core_overhead.py --planes 16 --edge 2048

Counted is the time of the processor, so that other work beside it matters little: in the network, in reading the input,
in writing blocks and keeping the journal, in finishing (the coarser levels of an OME-Zarr, the record), and in all the
rest: intensities, defects, the model. Out of core are reading, writing and finishing. A claim holds where they take
less than 10 % of the network. Prints Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import napari_diffuscope.imaging.blocks.reading as reading
from napari_diffuscope import Image, RestoreSettings, SuperresSettings
from napari_diffuscope.imaging.blocks import BlockPlan, BlockSink, VolumeSpec, open_sink
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.storing import files_job, output_files

ENDINGS = ("tif", "ome.zarr")


class Clock:
    """Processor time by what it was spent on; the innermost counts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stack, self._since = ["rest"], time.process_time()

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Spent on something."""
        self._turn()
        self._stack.append(what)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def _turn(self) -> None:
        now = time.process_time()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def watch(self, owner: Any, name: str, what: str) -> None:
        """Count every call of a function or method."""
        original: Callable[..., Any] = getattr(owner, name)

        def timed(*words: Any, **more: Any) -> Any:
            with self.on(what):
                return original(*words, **more)

        setattr(owner, name, timed)


def stack(folder: Path, ending: str, planes: int, edge: int) -> Path:
    """A stack of photon noise over cells."""
    y, x = np.mgrid[:edge, :edge].astype(np.float32)
    mean = 20 + 60 * np.maximum(np.sin(y / 37) * np.cos(x / 29), 0) ** 4
    rng, path = np.random.default_rng(0), folder / f"in.{ending}"
    spec = VolumeSpec((planes, edge, edge), "ZYX", "uint16", scale=(0.3, 0.1, 0.1), units=("micrometer",) * 3)
    with open_sink(path, spec, {}) as sink:
        pixels = rng.poisson(mean, spec.shape).astype(np.uint16)
        for block in BlockPlan(spec.shape, sink.block):
            sink.write_block(block, pixels[block.region])
        sink.finish()
    return path


def run(clock: Clock, method: str, source: Path, out: Path) -> dict[str, float]:
    """Work on a stack; seconds by what they were spent on."""
    settings: Any = RestoreSettings() if method == "restore" else SuperresSettings()
    clock.seconds.clear()
    with clock.on("rest"):
        inputs = {"image": open_image(source)}
        files = output_files(METHODS[method], inputs, settings, out)
        job = files_job(METHODS[method], inputs, settings, files)
        for update in job:
            if update.message.startswith("Making the coarser"):
                break
        with clock.on("finishing"):
            for _ in job:
                pass
    return dict(clock.seconds)


def watched() -> Clock:
    """A clock on the network, and on what reads and writes."""
    from napari_diffuscope.methods.superres.slices import SliceModel
    from napari_diffuscope.weights.model import Model

    clock = Clock()
    clock.watch(Model, "estimate", "network")
    clock.watch(SliceModel, "estimate", "network")
    clock.watch(Image, "pixels", "reading")
    clock.watch(reading.BlockReader, "__call__", "reading")
    clock.watch(BlockSink, "write_block", "writing")
    return clock


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--planes", type=int, default=4)
    parser.add_argument("--edge", type=int, default=768)
    parser.add_argument("--methods", nargs="+", default=["restore", "superres"])
    given = parser.parse_args()
    clock = watched()
    names = ("network", "reading", "writing", "finishing", "rest")
    print(f"| method | file | {' | '.join(names)} | out of core / network |\n|{'---|' * (len(names) + 3)}")
    for method in given.methods:
        edge = given.edge if method == "restore" else given.edge // 3
        for ending in ENDINGS:
            with tempfile.TemporaryDirectory() as folder:
                source = stack(Path(folder), ending, given.planes, edge)
                seconds = run(clock, method, source, Path(folder) / f"out.{ending}")
            spent = [seconds.get(name, 0.0) for name in names]
            share = sum(spent[1:4]) / spent[0]
            print(
                f"| {method} | {ending} | {' | '.join(f'{s:.2f}' for s in spent)} | {share:.1%} |", flush=True
            )


if __name__ == "__main__":
    main()
