"""What the dock for shapes says, in a microscopist's words."""

from __future__ import annotations

from napari_diffuscope.methods.shape.settings import ShapeMode
from napari_diffuscope.viewer.shape.scene import Kind

MODE_TEXTS: dict[ShapeMode, tuple[str, str]] = {
    "estimate": (
        "Best estimate",
        "At every voxel how probable it is that the cell is there. The most accurate answer, and the fastest; "
        "details that the image does not tell are smooth.",
    ),
    "sample": (
        "One sample",
        "One plausible shape. What the image does not tell is made up: another seed makes other shapes.",
    ),
    "ensemble": (
        "Mean of samples + spread",
        "Draws several plausible shapes: their mean at every voxel, and how much each feature varies among them.",
    ),
    "as-published": (
        "As published",
        "With the sampler and the number of steps of the model's paper. Slow, hours for each cell.",
    ),
}
SAMPLED: tuple[ShapeMode, ...] = ("ensemble", "as-published")
STEPPED: tuple[ShapeMode, ...] = ("sample", "ensemble")
SEEDED: tuple[ShapeMode, ...] = ("sample", "ensemble", "as-published")

KIND_TEXTS: dict[Kind, str] = {
    "labels": "Labels",
    "surface": "Surfaces",
    "probability": "Probability",
}
NOTHING = "There is no image of cells; open one with File › Open, or take one from the samples."
SEGMENT = "Outlined around each click"
HINT = (
    "Click on cells, or Alt-click at any time. The outline appears in a layer of its own: paint or erase there "
    "what is wrong, then press Predict again."
)
HINT_LABELS = "Click on labelled cells, or Alt-click at any time; or predict all of them."
NO_CELLS = "There are no cells yet: click on some, or choose a Labels layer in which they are outlined."
NO_MODEL = "No model for shapes is installed; train one (diffuscope train), or open one with …."
