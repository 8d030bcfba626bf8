"""What the dock for shapes says, in a microscopist's words."""

from __future__ import annotations

from napari_diffuscope.viewer.shape.scene import Kind

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
