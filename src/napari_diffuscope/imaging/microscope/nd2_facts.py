"""What bioio's reader of Nikon ND2 does not tell: which sizes nobody calibrated, and which planes are not there."""

from __future__ import annotations

from math import prod
from pathlib import Path


def calibrated_axes(path: Path) -> str:
    """Letters of those axes of space whose steps were measured; of others the reader says 1 µm."""
    import nd2

    with nd2.ND2File(path) as file:
        channels = getattr(file.metadata, "channels", None) or ()
        if not channels:
            return ""
        return "".join(
            letter for letter, true in zip("XYZ", channels[0].volume.axesCalibrated, strict=True) if true
        )


def missing_note(path: Path) -> list[str]:
    """What must be said of an acquisition that was stopped: planes that were never recorded are read as 0."""
    import nd2

    with nd2.ND2File(path) as file:
        planned = prod(loop.count for loop in file.experiment)
        recorded = file.attributes.sequenceCount
    if recorded >= planned:
        return []
    return [
        f"{path.name!r} is not complete: of {planned} planes of each channel {recorded} were recorded; the others are "
        "read as 0."
    ]
