"""Answers to what a checkpoint does not tell: read from a command line or from Python, and kept beside the file.

Free of torch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.sidecar import Sidecar, sidecar_place

_TEXTS = ("package_version", "title", "purpose", "licence")
_LISTS = ("size", "pixel_size", "data_range", "clip", "classes", "citation", "betas")
_WORDS = {"true": True, "yes": True, "false": False, "no": False, "none": None, "null": None}


def answers_from_words(words: Iterable[str]) -> dict[str, Any]:
    """Read answers as a command line gives them.

    Parameters
    ----------
    words
        ``heads=4``, ``schedule=cosine``, ``schedule.count=2000``, ``data_range=0,1``.

    Raises
    ------
    DiffuscopeError
        If one has no ``=``, or is given twice.
    """
    answers: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name, _, inner = name.strip().partition(".")
        if not equals or not name:
            raise DiffuscopeError(f"--set takes NAME=VALUE, as heads=4, not {quoted(word)}.")
        if name == "betas":  # of the only thing that has any
            name, inner = "schedule", "betas"
        value = _value(inner or name, text.strip())
        if name == "schedule" and not inner and not isinstance(value, dict):
            for part, entry in _schedule(str(value)).items():
                _put(answers, name, part, entry)
        else:
            _put(answers, name, inner, value)
    if isinstance(schedule := answers.get("schedule"), dict):
        schedule.setdefault("kind", "linear")
    return answers


def _put(answers: dict[str, Any], name: str, inner: str, value: Any) -> None:
    table = answers.setdefault(name, {}) if inner else answers
    if not isinstance(table, dict) or (inner or name) in table:
        raise DiffuscopeError(f"{quoted(name)} is given twice; give it once.")
    table[inner or name] = value


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if name in _LISTS and not text.startswith("["):
        return [_plain(part.strip()) for part in _parts(name, text)]
    return _plain(text)


def _parts(name: str, text: str) -> list[str]:
    """The parts of a list as people write it: ``128 x 128``, ``0.05 - 0.1 µm``, or one pixel size for both."""
    match name:
        case "citation":
            return text.split(";")
        case "size":
            return re.split(r"[,x×]", text)
        case "pixel_size":
            parts = re.split(r",|(?<=\d)\s*[-–]", re.sub(r"\s*[µμu]m\b", "", text))
            return parts * 2 if len(parts) == 1 else parts
    return text.split(",")


def _plain(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, str) else value


def parsed_answers(answers: Mapping[str, Any] | Sidecar | None, where: str = "The answers") -> Sidecar:
    """Check answers against the entries of a sidecar file.

    Parameters
    ----------
    answers
        By name; ``schedule`` may be a kind alone.
    where
        What to call them in an error.

    Raises
    ------
    DiffuscopeError
        For an unknown name or a value that is not allowed; the sentence names it.
    """
    if isinstance(answers, Sidecar):
        return answers
    values = dict(answers or {})
    if isinstance(values.get("schedule"), str):
        values["schedule"] = _schedule(values["schedule"])
    return parse(Sidecar, values, where)


def _schedule(text: str) -> dict[str, Any]:
    """``cosine``, or ``cosine 500`` with its number of levels."""
    kind, _, count = text.replace(",", " ").partition(" ")
    digits = count.strip()
    return {"kind": kind, "count": int(digits)} if digits.isdecimal() and len(digits) < 7 else {"kind": text}


def answers_in_words(answers: Mapping[str, Any]) -> str:
    """Answers as options of the command ``diffuscope models import``."""
    options = []
    for name, value in answers.items():
        if isinstance(value, Mapping):
            entries = {"kind": "linear", **value}
            options.append(f"--set {name}={entries.pop('kind')}")
            options += [
                f"--set {name}.{inner}={_word(one)}" for inner, one in entries.items() if one is not None
            ]
        else:
            options.append(f"--set {name}={_word(value)}")
    return " ".join(options)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(_word, value)) if isinstance(value, list | tuple) else (
        f"{value:g}" if isinstance(value, float) else str(value)
    )  # fmt: skip


def keep_answers(path: Path, answers: Sidecar) -> Path | None:
    """Write answers beside a checkpoint, so that it opens without asking from then on.

    Returns
    -------
    Path or None
        The file that has them; ``None`` where nothing may be written there.
    """
    place = sidecar_place(path)
    text = json.dumps(answers_table(answers), indent=2, ensure_ascii=False) + "\n"
    if place.is_file() and place.read_text(encoding="utf-8", errors="replace") == text:
        return place
    try:
        replace_text(place, text)
    except (OSError, DiffuscopeError):
        return None  # said by whoever asked: the model's own card has the answers in any case
    return place


def answers_table(answers: Sidecar) -> dict[str, Any]:
    """The entries that are given, as JSON has them."""
    given = answers.given(*(field.name for field in fields(answers)))
    if answers.schedule is not None:
        entries = {name: value for name, value in asdict(answers.schedule).items() if value is not None}
        if answers.schedule.kind != "continuous-cosine":
            entries.pop("shift")
        given["schedule"] = entries
    return given
