"""Checks for the fields of settings that are plain dataclasses, the same for all methods. Free of torch.

Each takes what a user wrote and returns it as a plain value: whole numbers of numpy become int, so that a record can be
written. What is wrong is said in one short sentence.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Sequence
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted, shortened

MOST_SAMPLES = 10_000
MOST_STEPS = 10_000
MOST_TILE = 2**16
MOST_BATCH = 2**16
MOST_LENGTH = 1e9
"""Of steps, pixel sizes and the like, in µm; the least is one over it."""


def keep(settings: object, **values: Any) -> None:
    """Store checked values in a frozen dataclass."""
    for name, value in values.items():
        object.__setattr__(settings, name, value)


def checked_whole(name: str, value: Any, *, least: int = 1, most: int, optional: bool = False) -> Any:
    """A whole number as int.

    Parameters
    ----------
    name
        Of the setting.
    value
        An int or a whole number of numpy; no truth value, no 1.0.
    least, most
        Limits, both allowed.
    optional
        Whether ``None`` may stand for a choice of the program's own.

    Raises
    ------
    DiffuscopeError
        For anything else.
    """
    if value is None and optional:
        return None
    if not _is_whole(value):
        raise DiffuscopeError(f"{_title(name)} must be a whole number, not {quoted(value)}.")
    if value < least:
        raise DiffuscopeError(f"{_title(name)} must be at least {least}, not {quoted(int(value))}.")
    if value > most:
        raise DiffuscopeError(f"{_title(name)} must be at most {most}, not {quoted(int(value))}.")
    return int(value)


def checked_real(name: str, value: Any, low: float, high: float, *, optional: bool = False) -> Any:
    """A real number between two limits, both allowed, as float; see :func:`checked_whole`."""
    if value is None and optional:
        return None
    real = _real(value)
    if real is None or not low <= real <= high:
        raise DiffuscopeError(
            f"{_title(name)} must be a number that lies between {low:g} and {high:g}, not {quoted(value)}."
        )
    return real


def checked_length(name: str, value: Any) -> float | None:
    """A positive length as float; ``None`` takes what the image says."""
    if value is None:
        return None
    real = _real(value)
    if real is None or not 1 / MOST_LENGTH <= real <= MOST_LENGTH:
        raise DiffuscopeError(
            f"{_title(name)} must be a positive number from {1 / MOST_LENGTH:g} to {MOST_LENGTH:g}, not "
            f"{quoted(value)}."
        )
    return real


def checked_flag(name: str, value: Any, *, optional: bool = False) -> Any:
    """A truth value as bool."""
    if value is None and optional:
        return None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return bool(value)
    raise DiffuscopeError(f"{_title(name)} must be true or false, not {quoted(value)}.")


def checked_choice(name: str, value: Any, choices: Sequence[str], *, optional: bool = False) -> Any:
    """One of some words."""
    if value is None and optional:
        return None
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
    raise DiffuscopeError(f"{_title(name)} must be a name or a path, not {quoted(value)}.")


def checked_seed(value: Any) -> int:
    """A seed that can be stored."""
    if not _is_whole(value):
        raise DiffuscopeError(f"The seed must be a whole number, not {quoted(value)}.")
    if not 0 <= value < 2**63:
        raise DiffuscopeError(f"The seed must lie between 0 and 2**63 - 1, not {quoted(int(value))}.")
    return int(value)


def checked_planes(value: Any) -> tuple[int, ...] | None:
    """Flat indices of planes; one number is one plane."""
    if value is None:
        return None
    several = [value] if _is_whole(value) else _listed(value)
    if several is None or not all(_is_whole(plane) for plane in several):
        raise DiffuscopeError(
            f"The planes must be whole numbers, such as 3 or (0, 4), not {quoted(value)}; None takes all."
        )
    return tuple(int(plane) for plane in several)


def checked_crop(value: Any) -> tuple[int, int, int, int] | None:
    """``(y0, y1, x0, x1)`` in pixels."""
    if value is None:
        return None
    edges = _listed(value)
    if edges is None or len(edges) != 4 or not all(_is_whole(edge) for edge in edges):
        raise DiffuscopeError(
            f"The crop needs four whole numbers (y0, y1, x0, x1), not {quoted(value)}; None takes the whole plane."
        )
    y0, y1, x0, x1 = (int(edge) for edge in edges)
    return y0, y1, x0, x1


def checked_block(value: Any) -> tuple[int, int, int] | None:
    """Least lengths ``(z, y, x)`` of blocks."""
    if value is None:
        return None
    lengths = _listed(value)
    if lengths is None or len(lengths) != 3 or not all(_is_whole(one) and one >= 1 for one in lengths):
        raise DiffuscopeError(
            f"The block needs three lengths (z, y, x) of at least 1, whole numbers, not {quoted(value)}."
        )
    z, y, x = (int(one) for one in lengths)
    return z, y, x


def check_samples(mode: str, samples: int, least: int) -> None:
    """Refuse fewer samples than a mode needs."""
    if samples < least:
        raise DiffuscopeError(f"Mode {mode!r} needs at least {least} samples, not {samples}.")


def recorded_settings(values: dict[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Settings of a record as arguments: JSON's lists become tuples, unknown keys are refused by name."""
    if unknown := sorted(set(values) - set(known)):
        named = shortened(", ".join(map(str, unknown)))
        raise DiffuscopeError(f"Unknown setting {named}; known are {', '.join(sorted(known))}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _title(name: str) -> str:
    return f"The {name.replace('_', ' ')}"


def _is_whole(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _real(value: Any) -> float | None:
    """A finite number as float, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    try:
        real = float(value)
    except OverflowError:
        return None
    return real if math.isfinite(real) else None


def _listed(value: Any) -> list[Any] | None:
    """The members of a list, a tuple, a range or an array of one dimension."""
    if hasattr(value, "ndim") and hasattr(value, "tolist"):
        return list(value.tolist()) if value.ndim == 1 else None
    return list(value) if isinstance(value, list | tuple | range) else None
