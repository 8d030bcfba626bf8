"""Which models are at hand, and which are known of. Free of torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, Task, read_card, task_now
from napari_diffuscope.weights.entries import Entry, all_entries, kind_of, own_entries, published_entries
from napari_diffuscope.weights.folders import STARTERS, model_folders, origin_of, user_folder

__all__ = ["STARTERS", "find_model", "list_models", "listed_models", "model_folders", "user_folder"]

Badge = Literal["shipped", "downloaded", "yours", "published", "missing"]
"""How near a model is: with the package, in the cache, in the user's folder, to be had, or gone."""


@dataclass(frozen=True)
class ListedModel:
    """A model at hand, or one that is known of.

    Parameters
    ----------
    name, title
        What it is called; for people.
    task
        Which method uses it; ``None`` where nobody knows yet.
    badge
        How near it is.
    folder, card
        Of one that is at hand.
    entry
        What the catalogue says of it.
    problem
        Why one that should be at hand is not, in a sentence.
    own_entry
        Whether the user added the entry.
    """

    name: str
    title: str
    task: Task | None
    badge: Badge
    folder: Path | None = None
    card: ModelCard | None = None
    entry: Entry | None = None
    problem: str = ""

    own_entry: bool = False

    @property
    def at_hand(self) -> bool:
        """Whether it can be used now."""
        return self.card is not None and not self.problem

    @property
    def about(self) -> ModelCard | Entry | None:
        """Its card, or else what the catalogue says of it."""
        return self.card or self.entry


def list_models(task: Task | None = None) -> list[ModelCard]:
    """Cards of all models at hand, of one task or of all; a folder whose card is damaged is left out."""
    cards = []
    for folder in model_folders().values():
        try:
            card = _card_of(folder)
        except DiffuscopeError:
            continue  # listed_models says what is wrong with it
        if task is None or card.task == task_now(task):
            cards.append(card)
    return cards


def listed_models(task: Task | None = None) -> list[ListedModel]:
    """All models that are known of: at hand, to be had, or missing; of one task or of all.

    A damaged catalogue of the user is one missing model that says what is wrong.
    """
    try:
        entries, problem = all_entries(), ""
        own = {entry.name for entry in own_entries()}
    except DiffuscopeError as error:
        entries, own, problem = {entry.name: entry for entry in published_entries()}, set(), str(error)
    listed = [_at_hand(folder, entries.get(name)) for name, folder in model_folders().items()]
    there = {model.name for model in listed}
    listed += [_to_be_had(entry) for entry in entries.values() if entry.name not in there]
    if problem:
        listed.append(ListedModel("catalogue", "Your catalogue", None, "missing", problem=problem))
    listed = [replace(model, own_entry=model.name in own) for model in listed]
    return [model for model in listed if task is None or model.task in (None, task_now(task))]


def find_listed(name: str) -> ListedModel:
    """What is known of a model, by its name.

    Raises
    ------
    DiffuscopeError
        If there is none of that name.
    """
    for model in listed_models():
        if model.name == name:
            return model
    raise DiffuscopeError(
        f"There is no model {name!r} in the catalogue; 'diffuscope models list' shows all of them, and "
        "'diffuscope models add' takes another one in."
    )


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """Folder or file of a model, by name in the catalogue or by path.

    Raises
    ------
    DiffuscopeError
        If there is neither; the sentence lists the names at hand, or says how to get a model that is known of.
    """
    folders = model_folders()
    if str(name_or_path) in folders:
        return folders[str(name_or_path)]
    path = Path(name_or_path).expanduser()
    if path.exists():
        return path
    if (entry := _known(str(name_or_path))) is not None:
        raise DiffuscopeError(_how_to_get(entry))
    names = ", ".join(sorted(folders)) or "none"
    raise DiffuscopeError(
        f"There is no model {str(name_or_path)!r}: give a path, or one of these names: {names}."
    )


def _known(name: str) -> Entry | None:
    try:
        return all_entries().get(name)
    except DiffuscopeError:
        return None


def _how_to_get(entry: Entry) -> str:
    if entry.address:
        return f"The model {entry.name!r} is not at hand yet; get it with: diffuscope models download {entry.name}"
    return f"The model {entry.name!r} is not at hand: {entry.by_hand or 'it is missing; install the package again.'}"


def _at_hand(folder: Path, entry: Entry | None) -> ListedModel:
    """A model folder as it is listed, be it whole or not."""
    name, origin = folder.name, origin_of(folder)
    try:
        card = _card_of(folder)
    except DiffuscopeError as error:
        return ListedModel(name, name, None, "missing", folder, entry=entry, problem=str(error))
    if not (folder / WEIGHTS_FILE).is_file():
        problem = f"{folder} has a card, but no weights ({WEIGHTS_FILE}); get the folder again."
        return ListedModel(name, card.title, card.task, "missing", folder, card, entry, problem)
    return ListedModel(name, card.title, card.task, origin or "yours", folder, card, entry)


def _to_be_had(entry: Entry) -> ListedModel:
    badge: Badge = "published"
    problem = ""
    if entry.shipped:
        badge, problem = "missing", f"{entry.name} should be in the package; install the package again."
    elif entry.address and kind_of(entry.address) == "path" and not Path(entry.address).exists():
        badge, problem = "missing", f"There is no file or folder {entry.address} any more; put it back."
    return ListedModel(entry.name, entry.title or entry.name, entry.task, badge, entry=entry, problem=problem)


def _card_of(folder: Path) -> ModelCard:
    try:
        modified = (folder / CARD_FILE).stat().st_mtime_ns
    except OSError as error:  # removed by another process in this moment
        raise DiffuscopeError(f"{folder} has no {CARD_FILE} any more.") from error
    return _cached_card(folder, modified)


@lru_cache(maxsize=64)
def _cached_card(folder: Path, _modified: int) -> ModelCard:
    return replace(read_card(folder), name=folder.name)  # a renamed folder goes by its new name


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Titles of models by name, those that several models have with the name behind them."""
    counts = Counter(titles.values())
    return {
        name: title if counts[title] == 1 or title == name else f"{title} ({Path(name).name})"
        for name, title in titles.items()
    }
