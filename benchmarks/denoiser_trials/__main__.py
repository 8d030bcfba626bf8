"""Is the denoiser better with a noise map, a stabilised input, twice the parameters, or another fall of the rate?

    python -m benchmarks.denoiser_trials patches [--count 60000] [--runs runs/trials]
    python -m benchmarks.denoiser_trials train ARM ... [--minutes 45]
    python -m benchmarks.denoiser_trials compare

Each trial learns the best estimate from random weights, with one thread, for as much processor time as the others, from
the same patches in the same order: those of ``recipes/restoration-longer.toml``, noise drawn anew for each. The last
command prints a Markdown table: gain in PSNR on patches that were kept out, and the difference to the plain network
with its standard error over patches.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from benchmarks.denoiser_trials.arms import ARMS
from benchmarks.denoiser_trials.comparing import table
from benchmarks.denoiser_trials.patches import make_patches, read_patches
from benchmarks.denoiser_trials.training import train_arm

from napari_diffuscope.training.recipe import Recipe, read_recipe

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "restoration-longer.toml"
KEPT = ("simulated", "images")


def recipe_of(path: Path, specimens: int, textures: int) -> Recipe:
    """A recipe with a smaller bank."""
    recipe = read_recipe(path)
    data = replace(recipe.data, simulated=specimens, textures=textures, noise="workers")
    return replace(recipe, data=data, start_from=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("patches", "train", "compare"))
    parser.add_argument("arms", nargs="*", metavar="ARM", help=", ".join(ARMS))
    parser.add_argument("--runs", type=Path, default=Path("runs/trials"))
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="says what the patches are of")
    parser.add_argument("--count", type=int, default=60_000, help="patches to train on")
    parser.add_argument("--kept", type=int, default=256, help="patches of each set that is kept out")
    parser.add_argument("--specimens", type=int, default=2000)
    parser.add_argument("--textures", type=int, default=800)
    parser.add_argument("--minutes", type=float, default=45.0, help="processor time of a trial")
    parser.add_argument("--plain-steps", action="store_true", help="do not compile the network")
    chosen = parser.parse_args()
    if chosen.what == "patches":
        recipe = recipe_of(chosen.recipe, chosen.specimens, chosen.textures)
        make_patches(
            recipe, chosen.runs / "patches", count=chosen.count, kept=chosen.kept, workers=os.cpu_count() or 1
        )
        return
    kept = {name: read_patches(chosen.runs / "patches", name) for name in KEPT}
    if chosen.what == "train":
        if not chosen.arms or not ARMS.keys() >= set(chosen.arms):
            parser.error("which trials? " + ", ".join(ARMS))
        training = read_patches(chosen.runs / "patches", "training")
        for name in chosen.arms:
            train_arm(
                ARMS[name],
                training,
                kept,
                chosen.runs / name,
                minutes=chosen.minutes,
                compiled=not chosen.plain_steps,
            )
    else:
        print(table(kept, chosen.runs))


if __name__ == "__main__":
    main()
