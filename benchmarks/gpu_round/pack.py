"""Copy what the recipes of a round read into ``.gpu-round``, to be carried to the machine with the GPU.

Run: ``python -m benchmarks.gpu_round.pack [--shared ../shared]``. Prints how much travels: that and the repository.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tomllib
from pathlib import Path

from benchmarks.gpu_round.places import BESIDE, CARRIED, RECIPES, ROOT

from napari_diffuscope.training.recipe import read_recipe

MOST_MIB = 64


def needed(plan: Path, shared: Path) -> list[Path]:
    """Files that the recipes of a plan read, and the recorded networks."""
    wanted = sorted((shared / "published").glob("*.*"))
    for starter in tomllib.loads(plan.read_text())["starter"]:
        data = read_recipe(RECIPES / starter["recipe"]).data
        for name in [*(source.path for source in data.images), data.folder]:
            if name:
                there = shared / Path(name).relative_to(BESIDE)
                wanted += sorted(p for p in there.rglob("*") if p.is_file()) if there.is_dir() else [there]
    return list(dict.fromkeys(wanted))


def pack(plan: Path, shared: Path, carried: Path) -> float:
    """Copy them; returns their size in MiB."""
    shutil.rmtree(carried / "shared", ignore_errors=True)
    size = 0
    for path in needed(plan, shared):
        place = carried / "shared" / path.relative_to(shared)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        size += place.stat().st_size
    return size / 2**20


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
        raise SystemExit("That is more than may be carried.")


if __name__ == "__main__":
    main()
