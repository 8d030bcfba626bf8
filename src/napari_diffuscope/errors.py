"""The one exception that users see, and how its sentences quote what they were given."""

from __future__ import annotations

import re
from typing import Any

LONGEST_SENTENCE = 300
"""Characters of a sentence; of a longer one the middle is left out."""

LONGEST_QUOTE = 60
"""Characters of a wrong value or name that a sentence quotes."""


_DEEP_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\]+[^\s'\"/\\]+(?:[/\\]+[^\s'\"/\\]+){4,}")
"""A path of five parts and more."""


class DiffuscopeError(Exception):
    """Something a user can mend, said in one sentence: what is wrong, with what, and what to do.

    It is deliberately no ``RuntimeError``: generator workers swallow those.

    Parameters
    ----------
    sentence
        Put on one line. If it is longer than 300 characters, deep paths lose their middle, and then the sentence:
        what is wrong stands at its beginning, what to do at its end.
    """

    def __init__(self, sentence: object = "") -> None:
        super().__init__(shortened(_shallow(one_line(sentence)), LONGEST_SENTENCE))


class OutOfMemory(DiffuscopeError):
    """Not even the smallest tile fits into the memory of the device."""


class OutOfRoom(DiffuscopeError):
    """A disk is full."""


def one_line(text: object) -> str:
    """Text on one line that can be printed everywhere: halves of characters are written as codes."""
    return " ".join(printable(str(text)).split())


def printable(text: str) -> str:
    """Text that can be printed and stored everywhere: halves of characters, as in some file names, become codes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _shallow(sentence: str) -> str:
    """A sentence that is too long, with the middle of its deep paths left out."""
    if len(sentence) <= LONGEST_SENTENCE:
        return sentence
    return _DEEP_PATH.sub(_ends, sentence)


def _ends(path: re.Match[str]) -> str:
    """First part of a path and its last two."""
    mark = "\\" if "\\" in path[0] else "/"
    parts = re.split(r"[/\\]+", path[0])
    return mark.join([*parts[:2], "…", *parts[-2:]])


def shortened(text: str, most: int = LONGEST_QUOTE) -> str:
    """Text of at most so many characters: of what is longer, the middle is left out."""
    if len(text) <= most:
        return text
    tail = most * 2 // 5
    return f"{text[: most - tail - 3].rstrip()} … {text[len(text) - tail :].lstrip()}"


def quoted(value: Any, most: int = LONGEST_QUOTE) -> str:
    """A value as a sentence shows it: in quotes if it is text, and cut if it is long."""
    try:
        text = repr(value[: 2 * most] + value[-2 * most :] if _is_long(value, most) else value)
    except Exception:  # a whole number of too many digits, an object that cannot describe itself
        text = f"a value of type {type(value).__name__}"
    return shortened(one_line(text), most)


def _is_long(value: Any, most: int) -> bool:
    return isinstance(value, str | bytes | list | tuple) and len(value) > 4 * most
