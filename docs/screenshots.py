"""Make the pictures of the documentation: real windows, driven by script. `make docs` runs this."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor
from scipy.spatial import cKDTree

from napari_diffuscope.comparison.svg import COLOURS
from napari_diffuscope.weights.catalogue import list_models

IMAGES = Path(__file__).parent / "images"
PICTURES = {
    "restore": "restore",
    "estimate": "restore",
    "superres": "superres",
    "shape": "shape",
    "click": "shape",
    "generate": "generate",
    "pairs": "generate",
}
"""Demos, and the task whose models they need."""
PLACES = {"DIFFUSCOPE_MODELS": "/home/me/models", "DIFFUSCOPE_CACHE": "/home/me/downloads"}
"""Folders of nobody, for the dock that shows where models lie."""
COMPARED = ("grid", "swipe", "difference", "uncertainty", "numbers", "plots")
"""Ways to look at a restoration and the truth, and pages of the dock."""


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for demo, task in PICTURES.items():
        if not list_models(task):
            print(f"no picture of {demo}: no model for {task} is installed")
            continue
        photograph("napari_diffuscope.viewer.demo", IMAGES / f"{demo}-window.png", demo)
    photograph("napari_diffuscope.viewer.models.demo", IMAGES / "models-window.png")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "paper.pt"
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("paper_checkpoint.py")), str(checkpoint)],
            check=True,
        )
        photograph(
            "napari_diffuscope.viewer.models.import_demo", IMAGES / "import-dialog.png", str(checkpoint)
        )
    for way in COMPARED if list_models("restore") else ():
        photograph("napari_diffuscope.viewer.compare.demo", IMAGES / f"compare-{way}.png", way)
    if list_models("restore"):
        photograph("napari_diffuscope.viewer.batch.demo", IMAGES / "batch-window.png")
        photograph("napari_diffuscope.viewer.train.demo", IMAGES / "train-window.png")
        photograph("napari_diffuscope.viewer.restore.demo", IMAGES / "restore-where-i-look.png")


def photograph(module: str, target: Path, *demo: str) -> None:
    """Run a demo and keep its picture, in no more than 40 colours where much of it is noise."""
    command = [sys.executable, "-m", module, *demo, "--screenshot", str(target)]
    subprocess.run(command, check=True, env={**os.environ, **PLACES})
    shrink(target, 40 if "estimate" in demo else 256)
    print(f"wrote {target}")


def shrink(picture: Path, most: int = 256) -> None:
    """Keep some colours, which nobody sees and which takes half of the room.

    Those of curves stay among them: there are few pixels of each, so that two would be taken for one.
    """
    image = Image.open(picture).convert("RGB")
    chosen = image.quantize(most - len(COLOURS), dither=Image.Dither.NONE).convert("RGB").getcolors() or []
    table = np.array([colour for _, colour in chosen] + [ImageColor.getrgb(colour) for colour in COLOURS])
    nearest = cKDTree(table).query(np.asarray(image).reshape(-1, 3))[1]
    few = Image.fromarray(nearest.astype(np.uint8).reshape(image.size[::-1]), "L")
    few.putpalette(table.astype(np.uint8).tobytes())
    few.save(picture, optimize=True)


if __name__ == "__main__":
    main()
