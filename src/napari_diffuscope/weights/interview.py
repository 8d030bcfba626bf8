"""What is still to be answered about a checkpoint before it is a model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.weights.answers import parsed_answers
from napari_diffuscope.weights.archives import said_about, unpacked
from napari_diffuscope.weights.card import CARD_FILE
from napari_diffuscope.weights.diffusers_folder import gather_diffusers, is_diffusers_folder
from napari_diffuscope.weights.evidence import Evidence
from napari_diffuscope.weights.model import model_place, no_model_in
from napari_diffuscope.weights.published import gather
from napari_diffuscope.weights.question import Asked, Choice, Likely
from napari_diffuscope.weights.questions import QUESTIONS, questions_about
from napari_diffuscope.weights.sidecar import SeveralNetworksError, Sidecar


@dataclass(frozen=True)
class Interview:
    """A checkpoint and the questions about it.

    Parameters
    ----------
    path
        The file or folder.
    what
        What its network is, as far as it tells.
    asked
        What is open, what must be answered first; empty for a model folder and for the published models.
    volumes
        Whether it works on volumes, so that answers cannot be tried on an image.
    """

    path: Path
    what: str
    asked: tuple[Asked, ...]
    volumes: bool = False

    @property
    def needed(self) -> tuple[Asked, ...]:
        """The questions without whose answers the model cannot be used."""
        return tuple(one for one in self.asked if one.needed)

    @property
    def likely(self) -> dict[str, Any]:
        """The likely answers to the questions that must be answered."""
        return {one.question.name: one.likely.value for one in self.needed}


def interview(path: str | os.PathLike[str], answers: Mapping[str, Any] | Sidecar | None = None) -> Interview:
    """Ask about a checkpoint what its names and shapes, its sidecar file and some answers leave open.

    Parameters
    ----------
    path
        A checkpoint, a folder, or an archive with one of these in it.
    answers
        What is said already.

    Raises
    ------
    DiffuscopeError
        If it is no checkpoint of a network that is known.
    """
    source, said = model_place(path), parsed_answers(answers)
    with unpacked(source) as inside:
        place = model_place(inside)
        if (place / CARD_FILE).is_file():
            return Interview(source, "a model with a card", ())
        with reading(place, "model"):
            return _about(source, place, said_about(source, said))


def _about(source: Path, place: Path, said: Sidecar) -> Interview:
    which: tuple[Asked, ...] = ()
    try:
        evidence = _evidence(place, said)
    except SeveralNetworksError as error:
        which = (_which(error.names),)
        evidence = _evidence(place, replace(said, weights=error.names[0]))
    volumes = evidence.facts.arguments.get("dims") == 3
    return Interview(source, evidence.in_words(), (*which, *questions_about(evidence)), volumes)


def _evidence(place: Path, said: Sidecar) -> Evidence:
    if not place.is_dir():
        return gather(place, said).evidence
    if is_diffusers_folder(place):
        return gather_diffusers(place, said).evidence
    raise no_model_in(place)


def _which(names: tuple[str, ...]) -> Asked:
    """The question which of several networks is meant."""
    question = next(question for question in QUESTIONS if question.name == "weights")
    choices = tuple(Choice(name, name or "the one at the top") for name in names)
    return Asked(replace(question, choices=choices), Likely(names[0], "it comes first in the file"), True)
