"""Generating images: time, memory of a large field, and whether the borders of its tiles can be told.

python benchmarks/generate.py            # the starter; a network of its size, untrained, where there is none
python benchmarks/generate.py --model MODEL --size 4096
python benchmarks/generate.py --field-alone --class "tubulin (STED)" --threads 1 --steps 4
python benchmarks/generate.py --field FIELD.tif      # the borders of a field that is there
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _seams import seams_in_words

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


def seconds(sizes: list[dict[str, int]], model: str, repeats: int = 3) -> list[tuple[float, float]]:
    """Of each way to make images the shortest of some runs, and the least time of the processors.

    The ways take turns, so that other work on the machine meets all of them; the model is loaded anew in each run.
    """
    from napari_diffuscope import generate

    times: list[list[tuple[float, float]]] = [[] for _ in sizes]
    for _ in range(repeats):
        for kept, size in zip(times, sizes, strict=True):
            began, worked = time.perf_counter(), time.process_time()
            generate(model=model, size=128, steps=20, **size)
            kept.append((time.perf_counter() - began, time.process_time() - worked))
    return [(min(wall for wall, _ in kept), min(cpu for _, cpu in kept)) for kept in times]


def large_field(
    model: str, size: int, steps: int, threads: int, out: Path, structure: str | None = None
) -> tuple[float, float]:
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
        *(("--class", structure) if structure else ()),
    ]
    code = f"import torch; torch.set_num_threads({threads}); from napari_diffuscope.cli import main; main()"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *words, "--quiet"], check=True)
    return time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def print_seams(path: Path) -> None:
    """Whether the borders of tiles can be told in a field."""
    from napari_diffuscope.imaging.files import open_image

    field = open_image(path).read_plane(0)
    for tile in (512, 256):
        print(f"  {seams_in_words(field, tile)}")


def print_seconds(model: str) -> None:
    """How long single images and batches take."""
    batches = (1, 2, 4, 8)
    ways = [{"number": 1}, *({"number": 8, "batch": batch} for batch in batches)]
    [(took, worked), *several] = seconds(ways, model)
    print(f"128 x 128, 20 steps: {took:.2f} s ({worked:.2f} s of processors), the model loaded")
    for batch, (took, worked) in zip(batches, several, strict=True):
        print(f"8 images, {batch} at a time: {took / 8:.2f} s ({worked / 8:.2f} s of processors) each")


def main() -> None:
    """Measure and print."""
    import torch

    from napari_diffuscope.methods.generate.settings import DEFAULT_MODEL
    from napari_diffuscope.weights.catalogue import model_folders

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--class", dest="structure", help="of the field; one whose spectrum is corrected")
    parser.add_argument("--field-alone", action="store_true")
    parser.add_argument("--skip-field", action="store_true")
    parser.add_argument("--field", type=Path)
    chosen = parser.parse_args()
    if chosen.field:
        print_seams(chosen.field)
        return
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as place:
        known = chosen.model in model_folders() or Path(chosen.model).exists()
        model = chosen.model if known else str(untrained(Path(place) / "untrained"))
        print(f"{model}, {chosen.threads} threads")
        if not chosen.field_alone:
            print_seconds(model)
        if chosen.skip_field:
            return
        out = Path(place) / "field.tif"
        took, peak = large_field(model, chosen.size, chosen.steps, chosen.threads, out, chosen.structure)
        print(f"{chosen.size} x {chosen.size}, {chosen.steps} steps: {took:.0f} s, {peak:.0f} MB at most")
        print_seams(out)


if __name__ == "__main__":
    main()
