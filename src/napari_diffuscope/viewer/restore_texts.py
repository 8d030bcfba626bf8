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

REGION_TEXTS = {
    "stack": "Whole stack, current slice first",
    "slice": "This slice only",
    "visible": "Visible area of this slice",
    "same": "Same region as the result",
}
