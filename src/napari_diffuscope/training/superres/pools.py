"""What patches with missing rows are cut from: planes of images and of simulated specimens; and what is kept out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import intensity_from_planes
from napari_diffuscope.imaging.shrink import averaged_down
from napari_diffuscope.imaging.tiles import reflect_index
from napari_diffuscope.training.clean import (
    TRAINING,
    VALIDATION,
    check_finite,
    check_size,
    check_varied,
    named_planes,
    simulated_images,
)
from napari_diffuscope.training.kept_out import expand, keep_out, named, source_notes
from napari_diffuscope.training.reading import opened_sources
from napari_diffuscope.training.recipe import Cut, Data, ImageSource, Recipe
from napari_diffuscope.training.superres.stacks import along_z, check_none_lost, check_stacks, uneven_notes


@dataclass(frozen=True)
class SlicePool:
    """Planes to cut patches from, in network values.

    Parameters
    ----------
    planes
        ``(S, Y, X)``, of any size that holds a patch: each with the slices on both sides of it, if any, in order.
    weights
        How often each is drawn.
    upright
        Of each, whether its rows follow each other along z, so that it is turned by half turns alone.
    """

    planes: Sequence[np.ndarray]
    weights: np.ndarray
    upright: np.ndarray

    def draw(self, rng: np.random.Generator, patch: int, margin: int) -> np.ndarray:
        """A random crop ``(S, H, patch)``, turned and mirrored, ``patch`` high and up to the margin on both sides."""
        number, turns = rng.choice(len(self.planes), p=self.weights), int(rng.integers(4))
        turned = np.rot90(self.planes[number], turns - turns % 2 if self.upright[number] else turns, (1, 2))
        height, width = turned.shape[1:]
        high = min(height, patch + 2 * margin)
        top, left = rng.integers(height - high + 1), rng.integers(width - patch + 1)
        crop = turned[:, top : top + high, left : left + patch].astype(np.float32)
        crop = crop if rng.random() < 0.5 else crop[:, :, ::-1]
        if len(crop) > 1 and rng.random() < 0.5:
            crop = crop[::-1]
        gain, offset = np.exp(rng.uniform(-0.25, 0.25)), rng.uniform(-0.15, 0.15)
        return np.asarray(crop * np.float32(gain) + np.float32(offset))


@dataclass(frozen=True)
class Pools:
    """What is trained on, what is kept out, what the card says of both, and what the user must be told."""

    training: SlicePool
    kept: SlicePool
    known: dict[str, Any]
    notes: tuple[str, ...] = ()


def slice_pools(recipe: Recipe, run: Path) -> Pools:
    """Planes to train on and to validate on.

    Raises
    ------
    DiffuscopeError
        If there are none, or they are too small.
    """
    data, seed = recipe.data, recipe.optimisation.seed
    training, kept = keep_out(expand(data.images), share=data.validation_share or 0.0, seed=seed)
    sources = [*training, *kept]
    images = opened_sources(sources)
    check_stacks(sources, images, data.beside)
    read = [(source, _planes(source, images[source.path], data)) for source in training]
    kept_read = [(source, _planes(source, images[source.path], data)) for source in kept]
    real, kept_real = _weighed(read, data.beside), _weighed(kept_read, data.beside)
    simulated: list[np.ndarray] = []
    drawn: list[np.ndarray] = []
    if data.simulated:
        with writing(run):
            run.mkdir(parents=True, exist_ok=True)
            specimens = simulated_images(
                data, seed=seed, purpose=TRAINING, count=data.simulated, cache=run / "specimens.npy"
            )
        simulated = [_mapped(specimen) for specimen in specimens]
        drawn = [
            _mapped(image)
            for image in simulated_images(data, seed=seed, purpose=VALIDATION, count=data.validation)
        ]
    if not real and not simulated:
        raise DiffuscopeError("The recipe has nothing to train on: neither simulated specimens nor images.")
    if not kept_real and not drawn:
        raise DiffuscopeError(
            "The recipe has nothing to validate on; name planes of a volume with validation = true."
        )
    facts = {
        "simulated": data.simulated,
        "images": [named(source) for source in training],
        "kept_out": [named(source) for source in kept],
    }
    share = data.simulated_share if real and simulated else float(bool(simulated))
    notes = (*source_notes(read, kept, images), *uneven_notes(sources, images, data.beside))
    return Pools(_pool(real, simulated, share), _pool(kept_real, drawn, 0.5), facts, notes)


def _pool(
    real: Sequence[tuple[np.ndarray, float, bool]], simulated: Sequence[np.ndarray], simulated_share: float
) -> SlicePool:
    weights = np.array([weight for _, weight, _ in real], float)
    parts = []
    if len(weights):
        parts.append(weights / weights.sum() * (1 - simulated_share if len(simulated) else 1))
    if len(simulated):
        parts.append(np.full(len(simulated), (simulated_share if len(weights) else 1) / len(simulated)))
    joined = np.concatenate(parts)
    upright = np.array([*(upright for _, _, upright in real), *[False] * len(simulated)], bool)
    planes = [*(plane for plane, _, _ in real), *(image[None] for image in simulated)]
    return SlicePool(planes, joined / joined.sum(), upright)


def _weighed(
    images: Sequence[tuple[ImageSource, list[np.ndarray]]], beside: int
) -> list[tuple[np.ndarray, float, bool]]:
    """Planes with so many on each side, their weights, and whether their rows are along z.

    All planes of a source together weigh what it says.
    """
    return [
        (plane, source.weight / len(planes), source.cut != "xy")
        for source, planes in images
        for plane in _with_beside(planes, beside)
    ]


def _with_beside(planes: list[np.ndarray], beside: int) -> list[np.ndarray]:
    """``(S, Y, X)`` for each plane: it and those on both sides; the stack is mirrored at its ends."""
    if not beside:
        return [plane[None] for plane in planes]
    stack = np.stack(planes)[reflect_index(-beside, len(planes) + beside, len(planes))]
    return [stack[at : at + 1 + 2 * beside] for at in range(len(planes))]


def _planes(source: ImageSource, image: Image, data: Data) -> list[np.ndarray]:
    """Planes of a source in network values."""
    stack = list(_read(source, image))
    if along_z((source,), data.beside):
        check_none_lost(source, stack)
    planes = _cut([_blurred(plane, source.blur) for plane in stack], source.cut)
    check_size(source, planes[0], data.patch)
    check_varied(source, planes)
    line = intensity_from_planes(planes[:: max(1, len(planes) // 16)])
    return [_stored(line.forward(plane)) for plane in planes]


def _read(source: ImageSource, image: Image) -> Iterator[np.ndarray]:
    for flat in named_planes(source, image.plane_count):
        plane = image.read_plane(flat)
        check_finite(source, plane)
        yield averaged_down(plane, source.shrink)


def _blurred(plane: np.ndarray, blur: float) -> np.ndarray:
    if not blur:
        return plane
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(plane, blur))


def _cut(planes: list[np.ndarray], cut: Cut) -> list[np.ndarray]:
    """XY planes of a stack, or its XZ or YZ planes with rows along z."""
    return planes if cut == "xy" else list(np.moveaxis(np.stack(planes), 1 if cut == "xz" else 2, 0))


def _mapped(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image, np.float32)
    return _stored(intensity_from_planes([image]).forward(image))


def _stored(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.nan_to_num(values), -4, 8).astype(np.float16))
