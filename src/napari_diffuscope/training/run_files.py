"""Names of the files in the folder of a training beside its log. Free of torch."""

from __future__ import annotations

CHECKPOINT = "checkpoint.pt"
RECIPE_FILE = "recipe.toml"
