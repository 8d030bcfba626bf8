"""Names of units, as files of many origins spell them."""

from __future__ import annotations

import math
import re

_SPELLINGS = {
    "pixel": ("", "px", "pixels", "voxel", "voxels", "reference frame", "none", "null", "arbitrary"),
    "picometer": ("pm", "picometre"),
    "angstrom": ("å", "ångström", "a"),
    "nanometer": ("nm", "nanometre"),
    # The micro sign, the Greek letter, plain letters, and a micro sign read with the wrong code page.
    "micrometer": ("µm", "μm", "um", "âµm", "micron", "mic", "micrometre"),
    "millimeter": ("mm", "millimetre"),
    "centimeter": ("cm", "centimetre"),
    "meter": ("m", "metre"),
    "inch": ("in", "inches"),
    "nanosecond": ("ns", "nsec"),
    "microsecond": ("µs", "μs", "us", "usec"),
    "millisecond": ("ms", "msec"),
    "second": ("s", "sec"),
    "minute": ("min",),
    "hour": ("h", "hr"),
    "day": ("d",),
}
_NAMES = {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others)}

_METRES = {
    "picometer": 1e-12,
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "inch": 0.0254,
    "meter": 1.0,
}

OME_LENGTHS = {
    "picometer": "pm",
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "inch": "in",
    "meter": "m",
    "pixel": "pixel",
}
"""Symbols that OME-XML knows for lengths."""

OME_TIMES = {
    "nanosecond": "ns",
    "microsecond": "µs",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
    "day": "d",
}
"""Symbols that OME-XML knows for times."""


def unit_name(text: str) -> str:
    r"""One name for each unit, the one that napari, pint and OME-NGFF use.

    Parameters
    ----------
    text
        ``"µm"``, ``"micron"``, ``"um"``, ImageJ's ``"\u00B5m"`` in six characters more, ``"sec"``, …

    Returns
    -------
    str
        ``"micrometer"``, ``"second"``, ``"pixel"`` for none; a unit not known here is returned as it is.
    """
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), str(text)).strip()
    lowered = plain.lower()
    return _NAMES.get(lowered) or _NAMES.get(lowered.removesuffix("s")) or plain


def to_micrometres(length: float, unit: str) -> float | None:
    """A length in µm, or ``None`` where the unit is no length, as for ``"pixel"``."""
    factor = _METRES.get(unit_name(unit))
    return None if factor is None else length * (factor / _METRES["micrometer"])


def same_length(one: float | None, other: float | None) -> bool:
    """Whether two lengths in one unit agree; what went through other units may differ in the last digits.

    Parameters
    ----------
    one, other
        ``None`` where unknown: equal to nothing but another unknown one.
    """
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-6)
