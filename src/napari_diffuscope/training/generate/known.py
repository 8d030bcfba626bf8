"""What a generator carries of the images that it learned from, and the images that were kept out, cut into patches."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.measure.memorisation import Memorisation
from napari_diffuscope.measure.real_images import MOST_IMAGES, RealImages, described_images
from napari_diffuscope.measure.training_images import TrainingImages, collect
from napari_diffuscope.training.generate.fields import Field, Fields
from napari_diffuscope.training.generate.patches import EMPTY, density_of, windows_of

KEPT_PATCHES = 120
"""Most patches of a class that were kept out, to judge generated ones by."""


def training_images(fields: Fields, patch: int) -> TrainingImages:
    """The training images, and how much the images that were kept out resemble them."""
    known = collect(
        [field.pixels for field in fields.training],
        [field.label for field in fields.training],
        [field.name for field in fields.training],
        highest=fields.highest,
        patch=patch,
        classes=fields.classes,
    )
    patches: list[np.ndarray] = []
    labels: list[int] = []
    for label in sorted({field.label for field in fields.kept}):
        chosen = patches_of(fields.kept, label, patch, highest=fields.highest, most=KEPT_PATCHES)
        patches.extend(chosen)
        labels.extend([label] * len(chosen))
    return Memorisation(known).calibrated(patches, labels)


def real_images(fields: Fields, patch: int) -> RealImages:
    """What images are like that were kept out, and those of the training, of each class."""

    def patches(group: tuple[Field, ...]) -> list[np.ndarray]:
        labels = range(max(len(fields.classes), 1))
        return [patches_of(group, label, patch, highest=fields.highest, most=MOST_IMAGES) for label in labels]

    return described_images(patches(fields.kept), patches(fields.training), fields.classes, patch)


def patches_of(
    fields: tuple[Field, ...], label: int, patch: int, *, highest: float, most: int, seed: int = 0
) -> np.ndarray:
    """Patches of the fields of a class ``(N, P, P)`` as they are, all fields alike; not those that are all but empty.

    Parameters
    ----------
    fields
        To cut.
    label
        Of the class.
    patch
        Edge in pixels.
    highest
        Brightest value of the training.
    most
        At most so many; they overlap the more, the fewer fields there are.
    seed
        Of the choice.
    """
    chosen = [field for field in fields if field.label == label]
    rng = np.random.default_rng([seed, label])
    share = -(-most // max(len(chosen), 1))
    found: list[np.ndarray] = []
    for field in chosen:
        windows = windows_of(field.pixels, patch, max(1, patch // 8))
        filled = [window for window in windows if density_of(window, highest) >= EMPTY] or list(windows)
        order = rng.permutation(len(filled))[:share]
        found.extend(filled[place] for place in order)
    return np.stack(found[:most]) if found else np.empty((0, patch, patch), np.float32)
