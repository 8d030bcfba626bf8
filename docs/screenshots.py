"""Make the pictures of the documentation: real windows, driven by script. `make docs` runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from napari_diffuscope.weights.catalogue import list_models

IMAGES = Path(__file__).parent / "images"
PICTURES = {"restore": "restoration", "superres": "superresolution", "shape": "shape", "click": "shape"}
"""Demos, and the task whose models they need."""


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    for demo, task in PICTURES.items():
        if not list_models(task):
            print(f"no picture of {demo}: no model for {task} is installed")
            continue
        target = IMAGES / f"{demo}-window.png"
        command = [sys.executable, "-m", "napari_diffuscope.viewer.demo", demo, "--screenshot", str(target)]
        subprocess.run(command, check=True)
        print(f"wrote {target}")


if __name__ == "__main__":
    main()
