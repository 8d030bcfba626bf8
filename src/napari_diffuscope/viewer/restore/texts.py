"""What the Restore dock says about modes and regions, in a microscopist's words."""

from __future__ import annotations

REGIONS = ("stack", "slice", "visible")
_SAME = "Same region as the result"


def region_texts(letters: str) -> dict[str, str]:
    """What the parts of an image are called, by key; an image of one plane has no slices.

    Parameters
    ----------
    letters
        Axes before Y and X with more than one plane, the colours of one image left out.
    """
    if not letters:
        return {"stack": "Whole image", "visible": "Visible area", "same": _SAME}
    whole, one = {
        "C": ("All channels, the one shown first", "channel"),
        "T": ("All time points, the one shown first", "time point"),
    }.get(letters, ("Whole stack, current slice first", "slice"))
    return {
        "stack": whole,
        "slice": f"This {one} only",
        "visible": f"Visible area of this {one}",
        "same": _SAME,
    }
