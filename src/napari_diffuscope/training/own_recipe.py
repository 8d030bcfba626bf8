"""The recipe of a training on one's own images, of what was chosen and of what the images are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.listing import image_files, is_folder
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.training.generate.fields import class_folders, class_names
from napari_diffuscope.training.kept_out import expand
from napari_diffuscope.training.learnable import Learnable
from napari_diffuscope.training.new_model import Learned, NewModel
from napari_diffuscope.training.pair_files import pair_places
from napari_diffuscope.training.plans import in_minutes, in_steps
from napari_diffuscope.training.reading import opened
from napari_diffuscope.training.recipe import Card, Data, Diffusion, ImageSource, Recipe
from napari_diffuscope.training.start import like_model
from napari_diffuscope.weights.card import ModelCard, read_card
from napari_diffuscope.weights.catalogue import find_model

PATCH_STEP = 16
LEAST = 32
"""Pixels that an image has at least along each axis."""


def own_recipe(what: Learnable, chosen: NewModel, learned: Learned) -> Recipe:
    """The recipe that ``diffuscope train`` runs, too.

    Parameters
    ----------
    what
        Is learned.
    chosen
        By the user.
    learned
        Images, and the model to begin with.

    Raises
    ------
    DiffuscopeError
        If there are no images, they cannot be read or are too small, or nothing could be kept out; or if the model to
        begin with does not fit.
    """
    learned = replace(learned, places=tuple(path.resolve() for path in learned.places))
    files = _files(what, learned.places)
    images = [opened(path) for path in files]
    edge = min(min(image.plane_shape) for image in images) // chosen.shrink
    recipe = Recipe(
        name=chosen.name,
        task=what.task,
        card=_card(what, chosen, files, images),
        network=_network(what, learned.places, edge),
        data=replace(_data(what, chosen, learned.places, images), patch=_patch(what, chosen, files, images)),
        diffusion=replace(Diffusion(), **what.diffusion),
        optimisation=_plan(what, chosen, learned.start),
    )
    if learned.start is not None:
        recipe = _beginning_with(what, recipe, learned)
    return recipe


def small_note(what: Learnable, chosen: NewModel, learned: Learned, patch: int) -> str | None:
    """What to say where the smallest image makes the pieces smaller that are learned from.

    Parameters
    ----------
    what, chosen, learned
        As of :func:`own_recipe`.
    patch
        Edge of the pieces.
    """
    if chosen.patch is not None or what.material == "cells" or patch >= what.patch:
        return None
    files = _files(what, [path.resolve() for path in learned.places])
    smallest = min(files, key=lambda path: min(opened(path).plane_shape))
    return (
        f"Pieces of {patch} x {patch} pixels are learned from instead of {what.patch} x {what.patch}, for "
        f"{smallest.name} is no larger: without it more of the surroundings could be learned."
    )


def _files(what: Learnable, places: Sequence[Path]) -> list[Path]:
    """The files by which sizes are told."""
    if not places:
        raise DiffuscopeError("There are no images to learn from; open some, or choose a folder.")
    if what.material == "pairs":
        return [
            path for folder in pair_places(places[0], places[1] if places[1:] else None) for path in folder
        ]
    if what.material == "cells":
        from napari_diffuscope.training.shape.cells import cell_files

        return [volume for _, _, volume in cell_files(places[0]).values()]
    if what.kind == "classes":
        return [path for folder in class_folders(_only_folder(places)) for path in image_files(folder)]
    return [Path(source.path) for source in expand([ImageSource(str(path)) for path in places])]


def _only_folder(places: Sequence[Path]) -> Path:
    if len(places) != 1 or not is_folder(places[0]):
        raise DiffuscopeError(
            "Generating is learned from one folder of images, or of a folder for each class."
        )
    return places[0]


def _patch(what: Learnable, chosen: NewModel, files: Sequence[Path], images: Sequence[Image]) -> int:
    """The largest usual patch that fits into all images, or that which was chosen."""
    edges = [min(image.plane_shape) // chosen.shrink for image in images]
    least = chosen.patch or LEAST
    smallest = min(edges)
    if smallest < least:
        path = files[edges.index(smallest)]
        after = " after shrinking" if chosen.shrink > 1 else ""
        raise DiffuscopeError(
            f"{path.name} is only {smallest} pixels wide{after}; {least} are the least. Leave it out, or choose "
            f"{'a smaller patch' if chosen.patch else 'larger images'}."
        )
    if what.material == "cells":
        return smallest
    return chosen.patch or min(what.patch, smallest // PATCH_STEP * PATCH_STEP)


def _data(what: Learnable, chosen: NewModel, places: Sequence[Path], images: Sequence[Image]) -> Data:
    share = chosen.validation_share
    data = replace(Data(), kind=what.kind, validation_share=share, **what.data)
    if what.material == "pairs":
        return replace(data, folder=str(places[0]), high_folder=str(places[1]) if places[1:] else "")
    if what.kind in ("classes", "shapes"):
        return replace(data, folder=str(places[0]))
    sources = [ImageSource(str(path), shrink=chosen.shrink) for path in places]
    if len(images) > 1:
        return replace(data, images=tuple(sources))
    return replace(data, images=_halves(expand(sources)[0], images[0], share), validation_share=None)


def _halves(source: ImageSource, image: Image, share: float) -> tuple[ImageSource, ImageSource]:
    """The first planes of the only file to learn from, and its last ones to measure on."""
    count = image.plane_count
    if count < 2:
        raise DiffuscopeError(
            f"{Path(source.path).name} is a single image, of which nothing can be kept out to measure on; add at least "
            "one more, or a stack."
        )
    kept = min(max(round(share * count), 1), count - 1)
    return (
        replace(source, planes=(0, count - kept)),
        replace(source, planes=(count - kept, count), validation=True),
    )


def _network(what: Learnable, places: Sequence[Path], edge: int) -> dict[str, Any]:
    network = dict(what.network)
    if what.kind == "classes":
        network["classes"] = len(class_names(_only_folder(places)))
    if what.kind == "shapes":
        network["stem"] = [edge, 2, 2]
    return network


def _plan(what: Learnable, chosen: NewModel, start: str | None) -> Any:
    plan = what.fresh if start is None else what.tuning
    plan = replace(plan, seed=chosen.seed, batch=chosen.batch or plan.batch)
    if chosen.until == "steps":
        return in_steps(plan, chosen.steps)
    return in_minutes(plan, chosen.minutes)


def _card(what: Learnable, chosen: NewModel, files: Sequence[Path], images: Sequence[Image]) -> Card:
    named = ", ".join(path.name for path in files[:5]) + (" and others" if len(files) > 5 else "")
    return Card(
        title=chosen.name,
        purpose=chosen.purpose or what.purpose,
        licence=chosen.licence or "unknown",
        limits=what.limits,
        data=f"{len(files)} files of the user's: {named}.",
        pixel_size=_pixel_size(images, chosen.shrink),
    )


def _pixel_size(images: Iterable[Image], shrink: int) -> tuple[float, float] | None:
    """Smallest and largest, in µm; ``None`` unless all are known."""
    sizes = [to_micrometres(image.scale[-1], image.units[-1]) for image in images]
    known = [round(size * shrink, 6) for size in sizes if size is not None and size > 0]
    return (min(known), max(known)) if known and len(known) == len(sizes) else None


def _beginning_with(what: Learnable, recipe: Recipe, learned: Learned) -> Recipe:
    """The recipe with the network of the model to begin with, and with the blur that it takes away."""
    place = Path(str(learned.start))
    start = str(place.resolve()) if place.exists() else str(learned.start)
    card = read_card(find_model(start))
    _check_fits(what, card, recipe)
    recipe = like_model(recipe, start)
    if what.kind == "slices" and card.axial_fwhm is not None:
        recipe = replace(recipe, data=replace(recipe.data, blur_fwhm=card.axial_fwhm))
    return recipe


def _check_fits(what: Learnable, card: ModelCard, recipe: Recipe) -> None:
    if card.task != what.task:
        raise DiffuscopeError(
            f"{card.title!r} does something else; begin with another model, or with nothing."
        )
    if what.kind == "classes" and len(card.classes) != recipe.network["classes"]:
        raise DiffuscopeError(
            f"{card.title!r} knows {len(card.classes)} classes of images, and yours are of "
            f"{recipe.network['classes']}; begin with another model, or with nothing."
        )
    if what.kind == "shapes" and card.size is not None and card.size[0] != recipe.data.patch:
        raise DiffuscopeError(
            f"{card.title!r} takes windows of {card.size[0]} voxels, and yours have {recipe.data.patch}; begin with "
            "another model, or with nothing."
        )
