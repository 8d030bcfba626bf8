"""What the dock for super-resolution says, in a microscopist's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from napari_diffuscope.methods.declared import setting_of
from napari_diffuscope.methods.superres.settings import SuperresMode, SuperresSettings

Target = Literal["isotropic", "zoom", "step"]

MODE_TEXTS: Mapping[SuperresMode, tuple[str, str]] = setting_of(SuperresSettings, "mode").words
SAMPLED, STEPPED, SEEDED = (setting_of(SuperresSettings, name).modes for name in ("samples", "steps", "seed"))

TARGET_TEXTS: dict[Target, str] = {
    "isotropic": "Cubic voxels",
    "zoom": "A number of times finer",
    "step": "A z-step",
}
NOTHING = (
    "There is no stack to fill in; open an image with File › Open, or take one from the samples "
    "(labels cannot be filled in)."
)
