"""Pack what the recipes of a round read into ``.gpu-round``, to be carried to the machine with the GPU.

Run: ``python -m benchmarks.gpu_round.pack [--shared ../shared]``. Prints how much travels: that and the repository.
All lies in one archive, which the round unpacks. Where a recipe
reads some planes of a stack, those behind the last of them stay here.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import tifffile
from benchmarks.gpu_round.places import ARCHIVE, BESIDE, CARRIED, RECIPES, ROOT, RUNS

from napari_diffuscope.training.recipe import Recipe, read_recipe

MOST_MIB = 64
FIELDS = RUNS / "structures"
"""What ``recipes/structures.py`` makes, and the recipe of the generator reads."""


def recipes(plan: Path) -> list[Recipe]:
    """The recipes of a plan."""
    return [read_recipe(RECIPES / each["recipe"]) for each in tomllib.loads(plan.read_text())["starter"]]


def needed(plan: Path, shared: Path) -> dict[Path, int | None]:
    """Files that the recipes of a plan read, and the recorded networks; of stacks, how many planes."""
    left_out = tomllib.loads(plan.read_text()).get("leave_out", [])
    wanted: dict[Path, int | None] = dict.fromkeys(sorted((shared / "published").glob("*.*")))
    for recipe in recipes(plan):
        for source in recipe.data.images:
            there = shared / Path(source.path).relative_to(BESIDE)
            if there.name in left_out:
                continue
            if source.planes:
                wanted[there] = max(source.planes[1], wanted.get(there) or 0)
            else:
                wanted.setdefault(there, None)
        folder = Path(recipe.data.folder) if recipe.data.folder else None
        if folder is not None and folder.is_relative_to(BESIDE):
            files = (shared / folder.relative_to(BESIDE)).rglob("*")
            wanted |= dict.fromkeys(sorted(path for path in files if path.is_file()))
    return wanted


def collect(plan: Path, shared: Path, folder: Path) -> None:
    """Copy all that is needed to a folder, as it shall lie on the other machine."""
    for path, planes in needed(plan, shared).items():
        place = folder / "shared" / path.relative_to(shared)
        place.parent.mkdir(parents=True, exist_ok=True)
        if planes is None:
            shutil.copyfile(path, place)
        else:
            tifffile.imwrite(place, tifffile.imread(path)[:planes], compression="zlib", predictor=True)
    if any(recipe.data.folder == str(FIELDS) for recipe in recipes(plan)):
        fields = folder / "runs" / FIELDS.name
        subprocess.run(
            [sys.executable, RECIPES / "structures.py", shared / "data", fields],
            check=True,
            capture_output=True,
        )
        for path in fields.rglob("*.tif"):  # half precision, which compresses better, in the format as it was
            tifffile.imwrite(path, tifffile.imread(path).astype(np.float16).astype(np.float32))


def pack(plan: Path, shared: Path, carried: Path) -> float:
    """Write the archive; returns its size in MiB."""
    shutil.rmtree(carried, ignore_errors=True)
    carried.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        collect(plan, shared, Path(scratch))
        with tarfile.open(carried / ARCHIVE, "w:xz") as tar:
            for path in sorted(Path(scratch).iterdir()):
                tar.add(path, path.name)
    return (carried / ARCHIVE).stat().st_size / 2**20


def tracked_size() -> float:
    """Size of the repository's own files in MiB."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return (
        sum((ROOT / name).stat().st_size for name in listed.split("\0") if name and (ROOT / name).exists())
        / 2**20
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=BESIDE)
    parser.add_argument("--plan", type=Path, default=Path(__file__).with_name("plan.toml"))
    parser.add_argument("--out", type=Path, default=CARRIED)
    chosen = parser.parse_args()
    size, own = pack(chosen.plan, chosen.shared.resolve(), chosen.out), tracked_size()
    print(f"{chosen.out}: {size:.1f} MiB; with the repository {size + own:.1f} of {MOST_MIB} MiB")
    if size + own > MOST_MIB:
        raise SystemExit("That is more than may be carried: leave out images in the plan.")


if __name__ == "__main__":
    main()
