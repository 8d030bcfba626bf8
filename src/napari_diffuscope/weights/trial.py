"""Whether a model does here what it did where it was made: one evaluation of its network, stored with its result."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_diffuscope.atomic import replace_bytes
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading, writing
from napari_diffuscope.weights.card import WEIGHTS_FILE
from napari_diffuscope.weights.describe import inspect
from napari_diffuscope.weights.folder import sha256_of
from napari_diffuscope.weights.folders import origin_of
from napari_diffuscope.weights.model import load_model, model_place
from napari_diffuscope.weights.place import TRIAL_FILE
from napari_diffuscope.weights.trial_run import FORMAT, evaluated, packed_trial

TOLERANCE = 0.01
"""Largest difference that is let pass, in units of the deviation of the stored result: other processors and graphics
cards differ by less, wrong or damaged weights by far more."""

_EXACT = 1e-9
"""What differs by less, in these units, is the same to the last digit."""


@dataclass(frozen=True)
class Tried:
    """How a trial went.

    Parameters
    ----------
    name
        Of the model.
    passed
        Whether the network gave what is stored.
    difference
        Largest difference in units of the deviation of the stored result; ``None`` where nothing is stored.
    seconds
        That the evaluation took.
    sentence
        What to tell the user.
    """

    name: str
    passed: bool
    difference: float | None
    seconds: float
    sentence: str


def verify_model(name_or_path: str | os.PathLike[str]) -> str:
    """Read a model through: its card, the checksum of its weights, computed anew, and that all are there and finite.

    Returns
    -------
    str
        The SHA-256 of the weights.

    Raises
    ------
    DiffuscopeError
        Saying what is wrong.
    """
    place = model_place(name_or_path)
    inspected = inspect(place)
    wanted = inspected.card.sha256
    weights = place / WEIGHTS_FILE
    if not weights.is_file():
        return wanted
    digest = sha256_of(weights)
    if wanted and digest != wanted:
        raise DiffuscopeError(
            f"{place.name} is damaged: its weights are not those that its card names (sha256 differs); get it again."
        )
    return digest


def try_model(name_or_path: str | os.PathLike[str], *, device: str = "cpu") -> Tried:
    """Run a model on its stored example, and compare.

    Parameters
    ----------
    name_or_path
        As for :func:`~napari_diffuscope.weights.model.load_model`.
    device
        Where.

    Raises
    ------
    DiffuscopeError
        If the model cannot be opened, or its example is damaged.
    """
    place = model_place(name_or_path)
    model = load_model(place, device=device)
    stored = _stored(place / TRIAL_FILE) if place.is_dir() else None
    began = time.perf_counter()
    output = evaluated(model)
    seconds = time.perf_counter() - began
    name = place.name
    if not np.isfinite(output).all():
        return Tried(name, False, None, seconds, f"{name} gives values that are not finite; do not use it.")
    if stored is None:
        sentence = f"{name} runs, but has no stored example to compare with."
        return Tried(name, True, None, seconds, sentence)
    if stored.shape != output.shape:
        raise DiffuscopeError(f"The stored example of {name} is of another network; get the model again.")
    difference = float(np.abs(output - stored).max() / max(float(stored.std()), 1e-12))
    if difference > TOLERANCE:
        sentence = (
            f"{name} gives another result than it did where it was made: they differ by {difference:.3g} of the "
            "spread of its values; get it again, or try the device CPU."
        )
        return Tried(name, False, difference, seconds, sentence)
    sentence = f"{name} gives what it gave where it was made"
    if difference > _EXACT:
        sentence += f" (largest difference {difference:.1g} of the spread of its values)"
    return Tried(name, True, difference, seconds, f"{sentence}.")


def store_trial(folder: Path) -> Path:
    """Run a model folder once and keep the result in it, so that it can be tested on other computers.

    Raises
    ------
    DiffuscopeError
        If the model cannot be opened or the file not be written.
    """
    with writing(folder / TRIAL_FILE):
        replace_bytes(folder / TRIAL_FILE, packed_trial(evaluated(load_model(folder))))
    return folder / TRIAL_FILE


def store_missing_trial(name_or_path: str | os.PathLike[str]) -> Path:
    """Store the example of a model that has none; see :func:`store_trial`.

    Raises
    ------
    DiffuscopeError
        If it is no model folder, comes with the package, or as :func:`store_trial`.
    """
    place = model_place(name_or_path)
    if not place.is_dir() or origin_of(place) == "shipped":
        raise DiffuscopeError(f"{place.name} is no model folder of yours; import it first.")
    return store_trial(place)


def _stored(path: Path) -> np.ndarray | None:
    """The stored result; ``None`` where there is none, or a later version made it."""
    if not path.is_file():
        return None
    with reading(path, "trial"), np.load(path, allow_pickle=False) as values:
        if int(values["format"]) != FORMAT:
            return None
        return np.asarray(values["output"], np.float32)
