"""Planes and crops as they are typed."""

from __future__ import annotations

import re

import typer

_RANGE = re.compile(r"\s*(\d+)\s*:\s*(\d+)\s*")
_NUMBER = re.compile(r"\s*\d+\s*")


def parse_planes(text: str) -> tuple[int, ...]:
    """Flat plane indices of ``"3"``, ``"0,4"``, ``"2:7"`` (2 to 6) or a mixture, each once, as ordered.

    Raises
    ------
    typer.BadParameter
        If the text is something else.
    """
    planes: dict[int, None] = {}
    for part in text.split(","):
        if _NUMBER.fullmatch(part):
            planes[int(part)] = None
            continue
        start, stop = _range(part, text, "planes", 'such as "3", "0,4" or "2:7"')
        planes.update(dict.fromkeys(range(start, stop)))
    return tuple(planes)


def parse_crop(text: str) -> tuple[int, int, int, int]:
    """``(y0, y1, x0, x1)`` of ``"Y0:Y1,X0:X1"`` in pixels; the ends are not included.

    Raises
    ------
    typer.BadParameter
        If the text is something else.
    """
    parts = text.split(",")
    if len(parts) != 2:
        raise _wrong(text, "crop", '"Y0:Y1,X0:X1" in pixels')
    (y0, y1), (x0, x1) = (_range(part, text, "crop", '"Y0:Y1,X0:X1" in pixels') for part in parts)
    return y0, y1, x0, x1


def _range(part: str, text: str, option: str, wanted: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(part)
    if match is None:
        raise _wrong(text, option, wanted)
    start, stop = int(match[1]), int(match[2])
    if stop <= start:
        raise typer.BadParameter(
            f"the range {part.strip()!r} is empty: its end must be larger than its start.",
            param_hint=f"--{option}",
        )
    return start, stop


def _wrong(text: str, option: str, wanted: str) -> typer.BadParameter:
    return typer.BadParameter(f"{text!r} is not understood; write {wanted}.", param_hint=f"--{option}")
