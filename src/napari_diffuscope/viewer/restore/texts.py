"""What the Restore dock says about modes and regions, in a microscopist's words."""

from __future__ import annotations

from napari_diffuscope.methods.settings import Mode

MODE_TEXTS: dict[Mode, tuple[str, str]] = {
    "estimate": (
        "Best estimate",
        "The average of all clean images that fit yours. The most accurate answer, and the fastest; "
        "where the image does not tell, it is smooth.",
    ),
    "sample": (
        "One sample",
        "One plausible clean image, as sharp as a real one. Its finest details are guesses: "
        "another seed makes others.",
    ),
    "mean": (
        "Mean of samples + uncertainty",
        "Draws several plausible images and shows their average, and how much they disagree at each pixel.",
    ),
    "deviation": (
        "Uncertainty only",
        "How much several plausible images disagree at each pixel, in units of intensity.",
    ),
    "samples": (
        "All samples",
        "Every plausible image, on a slider of its own; play it to see what is certain.",
    ),
    "sharpened": (
        "Sharpened estimate",
        "The best estimate with plausible detail added; the strength says how much.",
    ),
    "as-published": ("As published", "With the sampler and the number of steps of the model's paper. Slow."),
}
SAMPLED: tuple[Mode, ...] = ("mean", "deviation", "samples")
STEPPED: tuple[Mode, ...] = ("sample", "mean", "deviation", "samples", "sharpened")
SEEDED: tuple[Mode, ...] = (*STEPPED, "as-published")

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
