"""What the dock for super-resolution says, in a microscopist's words."""

from __future__ import annotations

from typing import Literal

Target = Literal["isotropic", "zoom", "step"]

TARGET_TEXTS: dict[Target, str] = {
    "isotropic": "Cubic voxels",
    "zoom": "A number of times finer",
    "step": "A z-step",
}
NOTHING = (
    "There is no stack to fill in; open an image with File › Open, or take one from the samples "
    "(labels cannot be filled in)."
)
