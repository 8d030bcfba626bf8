"""A recipe for a folder of pairs, where the user wrote none."""

from __future__ import annotations

from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.pair_files import find_pairs
from napari_diffuscope.training.plans import FINE_TUNING, FRESH
from napari_diffuscope.training.recipe import (
    DEFAULT_VALIDATION_SHARE,
    Card,
    Data,
    Recipe,
)
from napari_diffuscope.training.start import like_model

LARGEST_PATCH = 128
PATCH_STEP = 16


def pairs_recipe(folder: Path, name: str, *, start_from: str | None) -> Recipe:
    """Recipe that trains on pairs.

    Parameters
    ----------
    folder
        Holds ``low`` and ``high``.
    name
        Of the model.
    start_from
        Model to fine-tune, by name or path; ``None`` to begin with random weights.

    Raises
    ------
    DiffuscopeError
        If the folder holds no pairs, an image cannot be read or is too small, or there is no such model.
    """
    folder = folder.resolve()
    recipe = Recipe(
        name=name,
        task="restore",
        card=Card(
            title=name,
            purpose="Makes images like those of low quality in its training look like those of high quality.",
            data=f"Pairs of images in {folder.name}.",
            limits="Trained on few images; check it on images that were not in its training.",
        ),
        data=Data(kind="pairs", folder=str(folder), patch=_patch(folder), validation=48),
        optimisation=FRESH if start_from is None else FINE_TUNING,
    )
    return recipe if start_from is None else like_model(recipe, start_from)


def _patch(folder: Path) -> int:
    """The largest usual patch that fits into all low images."""
    from napari_diffuscope.imaging.files import open_image

    training, kept = find_pairs(folder, share=DEFAULT_VALIDATION_SHARE, seed=0)
    edges = {pair.low: min(open_image(pair.low).plane_shape) for pair in [*training, *kept]}
    path = min(edges, key=lambda p: edges[p])
    patch = min(LARGEST_PATCH, edges[path] // PATCH_STEP * PATCH_STEP)
    if not patch:
        raise DiffuscopeError(f"{path} is only {edges[path]} pixels wide; {PATCH_STEP} are the least.")
    return patch
