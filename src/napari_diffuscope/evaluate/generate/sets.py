"""Sets of images of a class: real ones that were kept out, real ones of the training, drawn ones, generated ones."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.generate.settings import GenerateEvaluationSettings
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.generate import GENERATE, GenerateSettings
from napari_diffuscope.methods.running import array_sinks, method_job
from napari_diffuscope.simulate.filaments import actin_bundles, microtubules
from napari_diffuscope.training.generate.fields import Fields, relative
from napari_diffuscope.training.generate.known import patches_of
from napari_diffuscope.weights.card import ModelCard

KEPT, TRAINING, DRAWN = "kept out", "training", "mathematical model"
BLUR = 1.0
"""Gaussian that drawn filaments go through, in pixels, as the real ones did."""

LEAST_FILLED = 0.01


def real_sets(
    fields: Fields, label: int, patch: int, settings: GenerateEvaluationSettings
) -> dict[str, np.ndarray]:
    """Patches ``(N, P, P)`` of what was kept out of a class, and of its training."""
    return {
        name: patches_of(
            group, label, patch, highest=fields.highest, most=settings.number, seed=settings.seed
        ).astype(np.float32)
        for name, group in ((KEPT, fields.kept), (TRAINING, fields.training))
    }


def drawn_images(structure: str, count: int, edge: int, *, pixel_um: float, seed: int) -> np.ndarray:
    """Images of the mathematical model of filaments: worm-like chains, or bundles of them for actin.

    Parameters
    ----------
    structure
        Name of the class.
    count, edge
        Of the images.
    pixel_um
        Their pixel size.
    seed
        Of everything.
    """
    draw = actin_bundles if "actin" in structure.lower() else microtubules
    rng, made = np.random.default_rng([seed, 77]), list[np.ndarray]()
    while len(made) < count:
        image = gaussian_filter(draw(rng, (edge, edge), pixel_um).render((edge, edge), pixel_um), BLUR)
        if (image > 0.1 * image.max()).mean() >= LEAST_FILLED:
            made.append(relative(image))
    return np.stack(made)


def generated_images(
    model: str, card: ModelCard, structure: str, count: int, settings: GenerateEvaluationSettings
) -> Job[np.ndarray]:
    """Images of a model ``(N, P, P)``, in the units of its training.

    Raises
    ------
    DiffuscopeError
        If the model does not know the class.
    """
    if card.classes and structure not in card.classes:
        raise DiffuscopeError(
            f"{card.name} does not know the class {structure!r}, but {', '.join(card.classes)}."
        )
    chosen = GenerateSettings(
        model=model,
        class_=structure if card.classes else None,
        number=max(count, 2),
        size=(card.size or (128,))[0],
        steps=settings.steps,
        seed=settings.seed,
        device=settings.device,
    )
    sinks = array_sinks(GENERATE, GENERATE.outputs({}, chosen), chosen)
    result = yield from method_job(GENERATE, {}, chosen, sinks=sinks)
    return np.maximum(np.asarray(result.generated, np.float32)[:count], 0)
