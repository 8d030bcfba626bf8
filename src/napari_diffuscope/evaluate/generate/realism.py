"""How near sets of images are to real ones that were kept out of the training, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

import numpy as np

from napari_diffuscope.evaluate.tables import Value
from napari_diffuscope.measure.feature_distances import frechet_of_features
from napari_diffuscope.measure.features import Features
from napari_diffuscope.measure.realism import Comparison, compared, described, kernel_interval, resolved

COLUMNS = ("class", "set", *(field.name for field in fields(Comparison)))
SEEN_COLUMNS = ("class", "features", "set", "images", "kernel", "kernel_low", "kernel_high", "frechet")


def realism_rows(
    structure: str, kept: np.ndarray, sets: Mapping[str, np.ndarray], *, seed: int
) -> list[dict[str, Value]]:
    """How far each set is from what was kept out.

    Parameters
    ----------
    structure
        Name of the class.
    kept
        Real images that were kept out ``(N, Y, X)``.
    sets
        Others by name.
    seed
        Of the resampling.
    """
    real, below = described(kept), resolved(kept)
    others = {"kept out": real, **{name: described(images) for name, images in sets.items()}}
    return [
        {"class": structure, "set": name, **asdict(compared(real, other, below=below, seed=seed))}
        for name, other in others.items()
    ]


def seen_rows(
    structure: str, kept: np.ndarray, sets: Mapping[str, np.ndarray], features: Features, *, seed: int
) -> list[dict[str, Value]]:
    """The same with the features of a network that has seen many pictures; parameters as of `realism_rows`."""
    real, rows = features(kept), list[dict[str, Value]]()
    for name, images in sets.items():
        other = features(images)
        kernel, low, high = kernel_interval(real, other, seed=seed)
        rows.append(
            {
                "class": structure,
                "features": features.name,
                "set": name,
                "images": len(images),
                "kernel": kernel,
                "kernel_low": low,
                "kernel_high": high,
                "frechet": frechet_of_features(real, other),
            }
        )
    return rows
