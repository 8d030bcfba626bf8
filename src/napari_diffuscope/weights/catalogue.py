"""Which models are at hand. Free of torch."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import CARD_FILE, ModelCard, Task, read_card, task_now

STARTERS = Path(__file__).parent / "starters"


def user_folder() -> Path:
    """Where models are kept that a user added; ``DIFFUSCOPE_MODELS`` overrides it."""
    if folder := os.environ.get("DIFFUSCOPE_MODELS"):
        return Path(folder)
    from platformdirs import user_data_path

    return user_data_path("napari-diffuscope", appauthor=False) / "models"


def model_folders() -> dict[str, Path]:
    """Model folders by name; a user's own model comes before a starter of the same name."""
    folders: dict[str, Path] = {}
    for parent in (user_folder(), STARTERS):
        if parent.is_dir():
            for folder in sorted(parent.iterdir()):
                if (folder / CARD_FILE).is_file():
                    folders.setdefault(folder.name, folder)
    return folders


def list_models(task: Task | None = None) -> list[ModelCard]:
    """Cards of all models at hand, of one task or of all; a folder whose card is damaged is left out."""
    cards = []
    for folder in model_folders().values():
        try:
            card = _cached_card(folder, (folder / CARD_FILE).stat().st_mtime_ns)
        except DiffuscopeError:
            continue  # opening it by name says what is wrong with it
        if task is None or card.task == task_now(task):
            cards.append(card)
    return cards


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """Folder or file of a model, by name in the catalogue or by path.

    Raises
    ------
    DiffuscopeError
        If there is neither; the sentence lists the names at hand.
    """
    folders = model_folders()
    if str(name_or_path) in folders:
        return folders[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    names = ", ".join(sorted(folders)) or "none"
    raise DiffuscopeError(
        f"There is no model {str(name_or_path)!r}: give a path, or one of these names: {names}."
    )


@lru_cache(maxsize=64)
def _cached_card(folder: Path, _modified: int) -> ModelCard:
    return replace(read_card(folder), name=folder.name)  # a renamed folder goes by its new name
