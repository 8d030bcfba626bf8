"""What the dock for shapes says, in a microscopist's words."""

from __future__ import annotations

from collections.abc import Mapping

from napari_diffuscope.methods.declared import setting_of
from napari_diffuscope.methods.shape.settings import ShapeMode, ShapeSettings
from napari_diffuscope.viewer.shape.scene import Kind

MODE_TEXTS: Mapping[ShapeMode, tuple[str, str]] = setting_of(ShapeSettings, "mode").words
SAMPLED, STEPPED, SEEDED = (setting_of(ShapeSettings, name).modes for name in ("samples", "steps", "seed"))

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
