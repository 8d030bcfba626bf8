"""The one set of checks for the values of settings, the same for all methods. Free of torch.

Each takes what a user wrote and returns it as a plain value: whole numbers of numpy become int, so that a record can be
written. What is wrong is said in one short sentence.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Sequence
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted


def in_words(name: str) -> str:
    """``The z step``: a setting at the beginning of a sentence."""
    return f"The {name.replace('_', ' ')}"


def checked_whole(name: str, value: Any, *, low: float | None = None, high: float | None = None) -> int:
    """A whole number as int.

    Parameters
    ----------
    name
        Of the setting.
    value
        An int or a whole number of numpy; no truth value, no 1.0.
    low, high
        Limits, both allowed.

    Raises
    ------
    DiffuscopeError
        For anything else.
    """
    if not is_whole(value):
        raise DiffuscopeError(f"{in_words(name)} must be a whole number, not {quoted(value)}.")
    if low is not None and value < low:
        raise DiffuscopeError(f"{in_words(name)} must be at least {low:.0f}, not {quoted(int(value))}.")
    if high is not None and value > high:
        raise DiffuscopeError(f"{in_words(name)} must be at most {high:.0f}, not {quoted(int(value))}.")
    return int(value)


def checked_real(name: str, value: Any, *, low: float | None = None, high: float | None = None) -> float:
    """A finite number between two limits, both allowed, as float; see :func:`checked_whole`."""
    real = _real(value)
    if real is None:
        raise DiffuscopeError(f"{in_words(name)} must be a number, not {quoted(value)}.")
    if (low is None or low <= real) and (high is None or real <= high):
        return real
    if low is not None and high is not None:
        raise DiffuscopeError(f"{in_words(name)} must lie between {low:g} and {high:g}, not {quoted(value)}.")
    limit = f"at least {low:g}" if low is not None else f"at most {high:g}"
    raise DiffuscopeError(f"{in_words(name)} must be {limit}, not {quoted(value)}.")


def checked_flag(name: str, value: Any) -> bool:
    """A truth value as bool."""
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise DiffuscopeError(f"{in_words(name)} must be true or false, not {quoted(value)}.")


def checked_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """One of some words."""
    if not (isinstance(value, str) and value in choices):
        raise DiffuscopeError(
            f"{name.capitalize()} {quoted(value)} is unknown; choose one of {', '.join(choices)}."
        )
    return str(value)


def checked_name(name: str, value: Any) -> str:
    """A name or path as text."""
    if isinstance(value, str | os.PathLike):
        text = os.fspath(value)
        if isinstance(text, str) and text:
            return text
    raise DiffuscopeError(f"{in_words(name)} must be a name or a path, not {quoted(value)}.")


def is_whole(value: Any) -> bool:
    """Whether it is a whole number of Python or numpy, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def listed(value: Any) -> list[Any] | None:
    """The members of a list, a tuple, a range or an array of one dimension."""
    if hasattr(value, "ndim") and hasattr(value, "tolist"):
        return list(value.tolist()) if value.ndim == 1 else None
    return list(value) if isinstance(value, list | tuple | range) else None


def _real(value: Any) -> float | None:
    """A finite number as float, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None
