"""Generating images: time, memory of a large field, and whether the borders of its tiles can be told.

python benchmarks/generate.py            # the starter; a network of its size, untrained, where there is none
python benchmarks/generate.py --model MODEL --size 4096
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BORDERS = 1000
ARCHITECTURE = {
    "condition_channels": 0,
    "widths": (48, 64, 128, 192),
    "encoder_blocks": (1, 1, 1, 2),
    "decoder_blocks": (1, 1, 1),
    "classes": 5,
    "smoothed": 4,
    "wavelets": 3,
}


def untrained(folder: Path) -> Path:
    """A model of the starter's size whose network has learned nothing."""
    import torch

    from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
    from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
    from napari_diffuscope.weights.folder import write_folder

    torch.manual_seed(0)
    network = LocalUNet(LocalUNetConfig(**ARCHITECTURE))
    for parameter in network.parameters():
        if parameter.dim() == 0:
            torch.nn.init.constant_(parameter, 0.3)
    card = ModelCard(
        "untrained",
        "Untrained",
        "Times.",
        "generate",
        NetworkSpec("local-unet", network.config.to_dict()),
        DiffusionSpec("v", ScheduleSpec("continuous-cosine"), steps=20, clip=(-1.0, 1.0)),
        size=(128, 128),
        condition_channels=0,
        class_optional=True,
    )
    write_folder(folder, card, dict(network.state_dict()))
    return folder


def seconds(**settings: object) -> float:
    """The shortest of three runs, the model loaded anew in each."""
    from napari_diffuscope import generate

    times = []
    for _ in range(3):
        began = time.perf_counter()
        generate(**settings)
        times.append(time.perf_counter() - began)
    return min(times)


def large_field(model: str, size: int, steps: int, threads: int, out: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of the command that makes a field."""
    words = [
        "generate",
        str(out),
        "--model",
        model,
        "--number",
        "1",
        "--size",
        str(size),
        "--steps",
        str(steps),
    ]
    code = f"import torch; torch.set_num_threads({threads}); from napari_diffuscope.cli import main; main()"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words, "--quiet"], check=True)
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def border_p(field: np.ndarray, tile: int) -> float:
    """Probability that steps across tile borders are as those elsewhere: Mann-Whitney on mean absolute steps.

    A border is a stretch of 32 pixels along an edge of a tile; the others lie half a tile away from it.
    """
    from scipy.stats import mannwhitneyu

    def steps(offset: int) -> np.ndarray:
        found = []
        for plane in (field, field.T):
            step = np.abs(np.diff(plane.astype(np.float64), axis=0))
            rows = np.arange(tile, plane.shape[0] - tile // 2, tile) - 1 + offset
            found += [step[row, x : x + 32].mean() for row in rows for x in range(0, plane.shape[1] - 32, 32)]
        return np.random.default_rng(0).permutation(found)[:BORDERS]

    across, inside = steps(0), steps(tile // 2)
    print(
        f"  {len(across)} borders of {tile} pixel tiles: {across.mean():.4f} across, {inside.mean():.4f} inside"
    )
    return float(mannwhitneyu(across, inside).pvalue)


def main() -> None:
    """Measure and print."""
    import torch

    from napari_diffuscope.imaging.files import open_image
    from napari_diffuscope.methods.generate.settings import DEFAULT_MODEL
    from napari_diffuscope.weights.catalogue import model_folders

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--skip-field", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as place:
        known = chosen.model in model_folders() or Path(chosen.model).exists()
        model = chosen.model if known else str(untrained(Path(place) / "untrained"))
        print(f"{model}, {chosen.threads} threads")
        one = seconds(model=model, number=1, size=128, steps=20)
        print(f"128 x 128, 20 steps: {one:.2f} s, the model loaded")
        for batch in (1, 2, 4, 8):
            took = seconds(model=model, number=8, size=128, steps=20, batch=batch)
            print(f"8 images, {batch} at a time: {took / 8:.2f} s each")
        if chosen.skip_field:
            return
        out = Path(place) / "field.tif"
        took, peak = large_field(model, chosen.size, chosen.steps, chosen.threads, out)
        print(f"{chosen.size} x {chosen.size}, {chosen.steps} steps: {took:.0f} s, {peak:.0f} MB at most")
        field = open_image(out).read_plane(0)
        for tile in (512, 256):
            print(f"  p = {border_p(field, tile):.2f}")


if __name__ == "__main__":
    main()
