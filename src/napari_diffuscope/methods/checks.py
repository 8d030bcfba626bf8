"""The one set of checks for the values of settings. Free of torch."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from napari_diffuscope.errors import DiffuscopeError

if TYPE_CHECKING:
    from napari_diffuscope.methods.declared import Setting

LONGEST = 60
"""Characters of a wrong value that a sentence quotes."""


def quoted(value: Any) -> str:
    """A value as a sentence shows it, cut where it is long."""
    try:
        text = repr(value)
    except Exception:  # a sentence must be had for anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def checked_value(setting: Setting, value: Any) -> Any:
    """A value of a setting in its own type.

    Raises
    ------
    DiffuscopeError
        If it is of another type, outside the limits, or none of the choices.
    """
    if value is None and setting.optional:
        return None
    if setting.choices:
        return _chosen(setting, value)
    if setting.kind is bool:
        return _truth(setting, value)
    if setting.kind is int:
        return _limited(setting, whole(setting.name, value))
    if setting.kind is float:
        return _limited(setting, real(setting.name, value))
    if setting.kind is tuple:
        return _whole_numbers(setting, value)
    if not isinstance(value, str):
        raise DiffuscopeError(f"The {_words(setting.name)} must be text, not {quoted(value)}.")
    return value


def whole(name: str, value: Any) -> int:
    """A whole number: Python's or numpy's.

    Raises
    ------
    DiffuscopeError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise DiffuscopeError(f"The {_words(name)} must be a whole number, not {quoted(value)}.")
    return int(value)


def real(name: str, value: Any) -> float:
    """A finite number.

    Raises
    ------
    DiffuscopeError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise DiffuscopeError(f"The {_words(name)} must be a number, not {quoted(value)}.")
    return float(value)


def _chosen(setting: Setting, value: Any) -> Any:
    if not isinstance(value, str) or value not in setting.choices:
        choices = ", ".join(setting.choices)
        raise DiffuscopeError(
            f"{_words(setting.name).capitalize()} {quoted(value)} is unknown; choose one of {choices}."
        )
    return value


def _truth(setting: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise DiffuscopeError(f"The {_words(setting.name)} must be true or false, not {quoted(value)}.")
    return value


def _whole_numbers(setting: Setting, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        raise DiffuscopeError(f"The {_words(setting.name)} must be whole numbers, not {quoted(value)}.")
    return tuple(whole(setting.name, each) for each in value)


def _limited(setting: Setting, value: float) -> Any:
    low, high = setting.low, setting.high
    if (low is None or value >= low) and (high is None or value <= high):
        return value
    if low is not None and high is not None:
        limits = f"lie between {low:g} and {high:g}" if high < 2**53 else f"lie between {low:g} and 2**63 - 1"
    else:
        limits = f"be at least {low:g}" if low is not None else f"be at most {high:g}"
    raise DiffuscopeError(f"The {_words(setting.name)} must {limits}, not {quoted(value)}.")


def _words(name: str) -> str:
    return name.replace("_", " ")
