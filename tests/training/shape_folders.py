"""Folders of simulated cells whose 3D shape is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_diffuscope.training.recipe import Card, Data, Diffusion, Optimisation, Recipe

SIDE = 32
TINY = {
    "widths": [16, 32],
    "encoder_blocks": [1, 1],
    "decoder_blocks": [1],
    "stem": [4, 2, 2],
    "pool": [2, 4, 4],
    "embedding": 8,
}
"""A network that sees the whole window and is quick to train."""


def simulated_cell(kind: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ellipsoid: cells A are high and bright in the middle, cells B are flat and dark in the middle."""
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE].astype(float)
    long, short = rng.uniform(9, 12), rng.uniform(6, 8)
    angle = rng.uniform(0, np.pi)
    a, b = y - 15.5, x - 15.5
    u, v = a * np.cos(angle) + b * np.sin(angle), b * np.cos(angle) - a * np.sin(angle)
    rho = (u / long) ** 2 + (v / short) ** 2
    height = 11.0 if kind == "A" else 4.0
    inside = rho + ((z - 16) / height) ** 2 <= 1
    mask = inside[16]
    bright = 1 - rho[16] if kind == "A" else rho[16]
    image = np.where(mask, 60 + 120 * np.clip(bright, 0, 1), 5) + rng.normal(0, 2, mask.shape)
    return image.clip(0, 255).astype(np.uint8), np.uint8(255) * mask, np.uint8(255) * inside


def write_cells(folder: Path, counts: dict[str, int], *, seed: int = 0) -> Path:
    """Cells of some classes in folders ``image``, ``mask`` and ``obj``."""
    rng = np.random.default_rng(seed)
    for name in ("image", "mask", "obj"):
        (folder / name).mkdir(parents=True)
    for kind, count in counts.items():
        for number in range(count):
            for name, values in zip(("image", "mask", "obj"), simulated_cell(kind, rng), strict=True):
                tifffile.imwrite(folder / name / f"{kind}_{number:03}.tif", values)
    return folder


def shape_recipe(
    folder: Path, *, fold: tuple[int, int] | None = None, share: float = 0.25, **plan: Any
) -> Recipe:
    """A quick training on shapes; ``share`` of each batch at pure noise."""
    return Recipe(
        name="shapes",
        task="shape",
        card=Card("Shapes", "Tests."),
        network=TINY,
        data=Data(kind="shapes", folder=str(folder), fold=fold, patch=SIDE),
        optimisation=Optimisation(
            **{
                "steps": 3,
                "batch": 2,
                "warmup": 5,
                "ema": 0.9,
                "validate_every": 100,
                "checkpoint_every": 100,
                "learning_rate": 3e-2,
                "precision": "float32",  # in bfloat16 shapes were learned worse
                "decay_from": 0.2,
                **plan,
            }
        ),
        diffusion=Diffusion(shift=1.0, highest_share=share, sampling_steps=3),
    )
