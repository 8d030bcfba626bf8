"""Where a round finds what is not in the repository: carried along, or beside the checkout."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
BESIDE = (ROOT.parent / "shared").resolve()
"""What recipes call ``../../shared``."""

CARRIED = ROOT / ".gpu-round"
"""Ignored folder with copies of the data, made by ``python -m benchmarks.gpu_round.pack``."""


def shared(carried: Path = CARRIED) -> Path:
    """Where the data lie here."""
    return carried / "shared" if (carried / "shared").is_dir() else BESIDE


def moved(path: str, carried: Path = CARRIED) -> str:
    """A path of a recipe, as :func:`read_recipe` makes it absolute, where the data lie here."""
    if path and Path(path).is_relative_to(BESIDE):
        return str(shared(carried) / Path(path).relative_to(BESIDE))
    return path
