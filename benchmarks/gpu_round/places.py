"""Where a round finds what is not in the repository: carried along, or beside the checkout."""

from __future__ import annotations

import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
BESIDE = (ROOT.parent / "shared").resolve()
"""What recipes call ``../../shared``."""

RUNS = ROOT / "runs"
"""What recipes call ``../runs``."""

CARRIED = ROOT / ".gpu-round"
"""Ignored folder with an archive of the data, made by ``python -m benchmarks.gpu_round.pack``."""

ARCHIVE = "carried.tar.xz"


def unpacked(carried: Path, scratch: Path) -> Path:
    """Folder with what was carried: unpacked where it is an archive."""
    if not (carried / ARCHIVE).exists():
        return carried
    with tarfile.open(carried / ARCHIVE) as tar:
        tar.extractall(scratch, filter="data")
    return scratch


def shared(carried: Path) -> Path:
    """Where the data lie here."""
    return carried / "shared" if (carried / "shared").is_dir() else BESIDE


def moved(path: str, carried: Path) -> str:
    """A path of a recipe, as :func:`read_recipe` makes it absolute, where the data lie here."""
    if path and Path(path).is_relative_to(BESIDE):
        return str(shared(carried) / Path(path).relative_to(BESIDE))
    if path and Path(path).is_relative_to(RUNS) and (carried / "runs").is_dir():
        return str(carried / "runs" / Path(path).relative_to(RUNS))
    return path
