"""A model made ready for a run: loaded, and refused where it cannot do what is asked for; the same for all methods."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.records import note_model
from napari_diffuscope.methods.registry import task_in_words
from napari_diffuscope.methods.work import Work
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import Model, load_model

MEASURING = "Measuring intensities"
"""What a job says next, once its model is ready."""


def ready_model(work: Work) -> Job[Model]:
    """The model of a run on its device, noted in the record.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, and as :func:`check_suits`.
    """
    settings = work.settings
    device = choose_device(work.crew.device(settings.device) if work.crew else settings.device)
    yield work.update(message=f"Loading {settings.model}")
    shelf = work.options.get("shelf")
    model = (shelf.load if shelf else load_model)(settings.model, device=device)
    check_suits(model.card, work.method, settings)
    note_model(work.record, model, device)
    return model


def check_suits(card: ModelCard, method: Method, settings: Any) -> None:
    """Refuse a model that is for another method, or cannot do the mode.

    Raises
    ------
    DiffuscopeError
        If so.
    """
    if card.task != method.name:
        raise DiffuscopeError(
            f"{card.name} is a model for {task_in_words(card.task)}, not for {method.models_for}; choose another model."
        )
    mode = getattr(settings, "mode", None)
    if mode == "as-published" and card.diffusion.published_steps is None:
        raise DiffuscopeError(f"{card.name} has no published sampler; choose another mode.")
    if mode not in (None, "estimate") and card.diffusion.estimate_only:
        raise DiffuscopeError(
            f"{card.name} was trained to give the best estimate alone, not samples; choose the mode 'estimate'."
        )
