"""Axis letters: what they mean, which are taken when nobody says, and what is wrong with others."""

from __future__ import annotations

from collections.abc import Sequence

from napari_diffuscope.errors import DiffuscopeError, quoted

LETTERS = "TCZYX"
"""Time, channel, depth, height, width."""

SAMPLES = "S"
"""The colour samples of an RGB(A) image; gone once the image is wrapped."""

DEFAULT_AXES = {2: "YX", 3: "ZYX", 4: "TZYX", 5: "TCZYX"}
"""Axes by number of dimensions, for arrays that say nothing; four dimensions are CZYX only by saying so."""

_WORDS = {
    "T": "t time times frame frames timepoint timepoints time_point timestep",
    "C": "c ch channel channels chan wavelength wavelengths band bands",
    "Z": "z depth plane planes slice slices section sections focus",
    "Y": "y height row rows line lines",
    "X": "x width col cols column columns",
    "S": "s rgb rgba colour colours color colors",
}
LETTER_OF = {word: letter for letter, words in _WORDS.items() for word in words.split()}
"""What files and people call axes, in lower case, and the letters for it."""


def letter_of(name: object) -> str | None:
    """Letter of an axis by what it is called, ``"time"`` or ``"T"``; ``None`` for names without a meaning here."""
    return LETTER_OF.get(str(name).strip().lower())


def letters_of(axes: object) -> str:
    """Axes as somebody gives them, as letters: text, or a list or tuple of letters or names.

    Parameters
    ----------
    axes
        ``"TZYX"``, ``["T", "Z", "Y", "X"]`` or ``("time", "z", "y", "x")``.

    Raises
    ------
    DiffuscopeError
        If it is something else.
    """
    if isinstance(axes, str):
        return axes.strip().upper()
    if isinstance(axes, list | tuple) and all(isinstance(name, str) for name in axes):
        return "".join(letter_of(name) or _single(name, axes) for name in axes)
    raise DiffuscopeError(
        f"The axes {quoted(axes)} are no letters; describe the axes with letters of {LETTERS}, one per dimension."
    )


def _single(name: str, axes: object) -> str:
    if len(name.strip()) == 1:
        return name.strip().upper()
    raise DiffuscopeError(
        f"Axis {quoted(name)} in {quoted(axes)} is unknown; describe the axes with letters of {LETTERS}."
    )


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


def checked_axes(axes: str | Sequence[str], dimensions: int, *, allowed: str = LETTERS) -> str:
    """``axes`` as upper-case letters if they fit an array of so many dimensions.

    Raises
    ------
    DiffuscopeError
        For unknown or repeated letters, a wrong number of them, or Y or X missing.
    """
    letters = letters_of(axes)
    if unknown := [letter for letter in letters if letter not in allowed]:
        raise DiffuscopeError(
            f"Axis {unknown[0]!r} in {quoted(axes)} is unknown; describe the axes with letters of {allowed}."
        )
    if len(set(letters)) != len(letters):
        raise DiffuscopeError(
            f"The axes {quoted(axes)} name an axis twice; give each dimension its own letter."
        )
    if len(letters) != dimensions:
        raise DiffuscopeError(
            f"The axes {quoted(axes)} name {len(letters)} dimensions, but the image has {dimensions}; "
            "give one letter per dimension."
        )
    if missing := [letter for letter in "YX" if letter not in letters]:
        raise DiffuscopeError(
            f"The axes {quoted(axes)} lack {' and '.join(missing)}; an image needs a Y and an X axis."
        )
    return letters


def planes_last(axes: str) -> str:
    """``axes`` with Y and X moved to the end, the others in their order."""
    return "".join(letter for letter in axes if letter not in "YX") + "YX"


def order_of(axes: str, target: str) -> tuple[int, ...]:
    """For each letter of ``target`` its position in ``axes``, as ``numpy.transpose`` wants it."""
    return tuple(axes.index(letter) for letter in target)


def known_axes(names: Sequence[str], shape: Sequence[int]) -> tuple[tuple[int, ...], str]:
    """Axes worth keeping of a file that names its own, and a letter for each.

    Axes of length 1 other than Y and X are dropped. Names without a meaning here (a file's "other") become
    the first free ones of Z, T, C, in the order T, C, Z.

    Parameters
    ----------
    names
        One per axis, letters or words like "time"; case does not matter.
    shape
        Length of each axis.

    Returns
    -------
    positions : tuple of int
        The axes to keep, in their order.
    letters : str
        Their letters.

    Raises
    ------
    DiffuscopeError
        If there are more unknown axes than free letters.
    """
    meanings = [letter_of(name) for name in names]
    places = [place for place, letter in enumerate(meanings) if shape[place] > 1 or letter in ("Y", "X")]
    letters = [meanings[place] or "" for place in places]
    unknown = [place for place, letter in enumerate(letters) if not letter]
    free = [letter for letter in "ZTC" if letter not in letters]
    if len(unknown) > len(free):
        raise DiffuscopeError(
            f"The file has axes {quoted(', '.join(map(str, names)))} of lengths {quoted(tuple(shape))}, "
            f"which do not fit {LETTERS}; say what they are with axes."
        )
    taken = sorted(free[: len(unknown)], key=LETTERS.index)
    for place, letter in zip(unknown, taken, strict=True):
        letters[place] = letter
    return tuple(places), "".join(letters)
