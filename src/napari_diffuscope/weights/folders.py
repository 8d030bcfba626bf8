"""Where model folders lie: those of the package, of the user, and those that were downloaded. Free of torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from napari_diffuscope.shared_preferences import cache_folder
from napari_diffuscope.weights.card import CARD_FILE

STARTERS = Path(__file__).parent / "starters"

Origin = Literal["yours", "downloaded", "shipped"]


def user_folder() -> Path:
    """Where models are kept that a user added; ``DIFFUSCOPE_MODELS`` overrides it."""
    if folder := os.environ.get("DIFFUSCOPE_MODELS"):
        return Path(folder)
    from platformdirs import user_data_path

    return user_data_path("napari-diffuscope", appauthor=False) / "models"


def places() -> dict[Origin, Path]:
    """Where folders are looked for, the first that has one of a name wins."""
    return {"yours": user_folder(), "downloaded": cache_folder(), "shipped": STARTERS}


def folders_in(parent: Path) -> list[Path]:
    """Model folders in a folder, by name; hidden ones grow or go."""
    try:
        inside = sorted(parent.iterdir())
    except OSError:
        return []
    return [place for place in inside if not place.name.startswith(".") and (place / CARD_FILE).is_file()]


def model_folders() -> dict[str, Path]:
    """Model folders by name; a user's own model comes before a downloaded one and a starter of the same name."""
    folders: dict[str, Path] = {}
    for parent in places().values():
        for folder in folders_in(parent):
            folders.setdefault(folder.name, folder)
    return folders


def origin_of(folder: Path) -> Origin | None:
    """Whose a model folder is; ``None`` for one that lies elsewhere."""
    for origin, parent in places().items():
        if folder.parent == parent or folder.parent.resolve() == parent.resolve():
            return origin
    return None
