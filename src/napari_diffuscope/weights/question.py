"""A question about a file of weights, and its answers. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.weights.evidence import Evidence


@dataclass(frozen=True)
class Likely:
    """A likely answer, and why it is likely."""

    value: Any
    why: str


@dataclass(frozen=True)
class Choice:
    """An answer that may be given, and what it means."""

    value: Any
    words: str


@dataclass(frozen=True)
class Question:
    """Something that a file of weights does not tell.

    Parameters
    ----------
    name
        Entry of the sidecar file.
    title
        The question, in a few words.
    explanation
        What it means, and how a wrong answer shows, for a microscopist.
    choices
        Answers that may be given; others of the kind ``form`` says may be, too, where it is not empty.
    form
        How other answers are written; empty where only ``choices`` are allowed.
    asked
        Whether a file leaves it open.
    likely
        The likely answer; its value is ``None`` where none is.
    tried
        Answers that are worth a comparison on an image.
    offered
        Answers that depend on the file, in place of ``choices``.
    """

    name: str
    title: str
    explanation: str
    choices: tuple[Choice, ...]
    asked: Callable[[Evidence], bool]
    likely: Callable[[Evidence], Likely]
    form: str = ""
    tried: bool = True
    offered: Callable[[Evidence], tuple[Choice, ...]] | None = None


@dataclass(frozen=True)
class Asked:
    """A question about one file.

    Parameters
    ----------
    question
        The question.
    likely
        The likely answer.
    needed
        Whether the file cannot be opened without an answer; otherwise the likely one is taken.
    """

    question: Question
    likely: Likely
    needed: bool
