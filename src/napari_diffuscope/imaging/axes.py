"""Axis letters: what they mean, which are taken when nobody says, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Sequence

from napari_diffuscope.errors import DiffuscopeError

LETTERS = "TCZYX"
"""Time, channel, depth, height, width."""

SAMPLES = "S"
"""The colour samples of an RGB(A) image; gone once the image is wrapped."""

DEFAULT_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
"""Axes by number of dimensions, for arrays that say nothing; four dimensions are CZYX only by saying so."""

NAMES = {"T": "time", "C": "channel", "Z": "depth", "Y": "height", "X": "width", "N": "sample", "S": "colour"}


def default_axes(dimensions: int) -> str:
    """Axes of an array that does not say what its dimensions are.

    Raises
    ------
    DiffuscopeError
        For fewer than 2 and more than 5 dimensions.
    """
    if dimensions not in DEFAULT_AXES:
        raise DiffuscopeError(
            f"An image needs 2 to 5 dimensions, but this one has {dimensions}; "
            f"pass a plane or a stack with axes among {LETTERS}."
        )
    return DEFAULT_AXES[dimensions]


def checked_axes(axes: str, dimensions: int, *, allowed: str = LETTERS) -> str:
    """Upper-case ``axes`` if they fit an array of so many dimensions.

    Raises
    ------
    DiffuscopeError
        For unknown or repeated letters, a wrong number of them, or Y or X missing.
    """
    letters = axes.strip().upper()
    if unknown := [letter for letter in letters if letter not in allowed]:
        raise DiffuscopeError(
            f"Axis {unknown[0]!r} in {axes!r} is unknown; describe the axes with letters of {allowed}."
        )
    if len(set(letters)) != len(letters):
        raise DiffuscopeError(f"The axes {axes!r} name an axis twice; give each dimension its own letter.")
    if len(letters) != dimensions:
        raise DiffuscopeError(
            f"The axes {axes!r} name {len(letters)} dimensions, but the image has {dimensions}; "
            "give one letter per dimension."
        )
    if missing := [letter for letter in "YX" if letter not in letters]:
        raise DiffuscopeError(
            f"The axes {axes!r} lack {' and '.join(missing)}; an image needs a Y and an X axis."
        )
    return letters


def planes_last(axes: str) -> str:
    """``axes`` with Y and X moved to the end, the others in their order."""
    return "".join(letter for letter in axes if letter not in "YX") + "YX"


def order_of(axes: str, target: str) -> tuple[int, ...]:
    """For each letter of ``target`` its position in ``axes``, as ``numpy.transpose`` wants it."""
    return tuple(axes.index(letter) for letter in target)


def describe(axes: str, shape: Sequence[int]) -> str:
    """``"T 5, Y 256, X 256"``: axes and lengths for a sentence."""
    return ", ".join(f"{letter} {length}" for letter, length in zip(axes, shape, strict=True))
