"""Specimens and textures for all starters, rendered once by all cores."""

from __future__ import annotations

import os
from pathlib import Path

from napari_diffuscope.training.clean import TEXTURES, TRAINING, simulated_images
from napari_diffuscope.training.place import SPECIMENS
from napari_diffuscope.training.place import TEXTURES as TEXTURES_FILE
from napari_diffuscope.training.recipe import Data


def render(folder: Path, *, specimens: int, textures: int, seed: int) -> dict[str, int]:
    """Write both files; returns how many images each has."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {SPECIMENS: specimens, TEXTURES_FILE: textures}
    for (name, count), purpose in zip(counts.items(), (TRAINING, TEXTURES), strict=True):
        simulated_images(Data(), seed=seed, purpose=purpose, count=count, cache=folder / name)
    return counts


def share(bank: Path, run: Path) -> None:
    """Let a training find the bank in its own folder."""
    run.mkdir(parents=True, exist_ok=True)
    for path in bank.glob("*.npy"):
        if not (run / path.name).exists():
            os.link(path, run / path.name)
