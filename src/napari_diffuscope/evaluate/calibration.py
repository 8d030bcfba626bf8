"""Deviations of samples matched with the errors found: from drawn images to the fit in a model's card.

What is drawn, and which numbers measured on the images count, every evaluation says itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.deviation_fit import fit_curve
from napari_diffuscope.weights.card import CARD_FILE, read_card
from napari_diffuscope.weights.card_parts import DeviationFit, DeviationTerm
from napari_diffuscope.weights.model import model_place

FACTS = "deviation_calibration"
"""Entry of the card's metrics that says what was calibrated on."""


@dataclass(frozen=True, eq=False)
class DrawnImage:
    """An image whose truth is known, after samples were drawn of it.

    Parameters
    ----------
    error, deviation
        Of the mean of the samples, absolute, and of the samples; of one shape, in values of the network.
    measures
        Numbers measured on what the network was shown, by name.
    """

    error: np.ndarray
    deviation: np.ndarray
    measures: Mapping[str, float] = field(default_factory=dict)


def fit_of(images: Sequence[DrawnImage], *, samples: int, terms: Mapping[str, int]) -> DeviationFit:
    """The fit of a card, with five digits.

    Parameters
    ----------
    images
        Disjoint from every test set.
    samples
        Drawn of each.
    terms
        Which of their numbers count, and by how many points each.

    Raises
    ------
    DiffuscopeError
        If errors or deviations are 0 almost everywhere.
    """
    curve = fit_curve(
        [(image.error, image.deviation) for image in images],
        samples=samples,
        measures=[image.measures for image in images],
        terms=terms,
    )
    return DeviationFit(
        samples,
        _rounded(curve.deviation),
        _rounded(curve.fitted),
        _rounded(curve.shares),
        _rounded(curve.widths),
        tuple(DeviationTerm(t.measure, _rounded(t.points), _rounded(t.factors)) for t in curve.terms),
    )


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    """As a card has them: five digits."""
    return tuple(float(f"{value:.5g}") for value in values)


def store_fit(place: str, fit: DeviationFit, facts: Mapping[str, Any]) -> None:
    """Write a fit into the card of a model folder, all or nothing.

    The factor of earlier versions stays what it is, so that their results can be made again.

    Parameters
    ----------
    place
        Name or path of the model.
    fit
        See :func:`fit_of`.
    facts
        What it was measured on.

    Raises
    ------
    DiffuscopeError
        If the model is a checkpoint, which has no card, or its folder cannot be written to.
    """
    path = card_path(place)
    values = json.loads(path.read_text(encoding="utf-8"))
    values["deviation_fit"] = asdict(fit)
    values.setdefault("metrics", {})[FACTS] = dict(facts)
    try:
        replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise DiffuscopeError(
            f"The calibration cannot be written to {path}: {error.strerror}; copy the model folder and calibrate that."
        ) from error
    read_card(path.parent)


def card_path(place: str) -> Path:
    """The card of a model folder.

    Raises
    ------
    DiffuscopeError
        If the model is a checkpoint.
    """
    path = model_place(place) / CARD_FILE
    if not path.is_file():
        raise DiffuscopeError(
            f"{place} is a checkpoint without a card to keep a calibration in; "
            "make a model folder of it with 'diffuscope models import' first."
        )
    return path
