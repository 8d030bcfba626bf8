"""How far a batch is: over the images that are still to be made, each weighed by the size of its file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.plan import Item
from napari_diffuscope.jobs import Update

SHARE = 1000
"""Units of progress of an image of middling size."""


class Tally:
    """Counts what is done, with the manners of `Work`.

    What is there already is no work, nor is what fails at once: neither hastens the end.

    Parameters
    ----------
    weights
        How much work each image is that is to be made, by its number.
    images
        How many there are in all.
    rescue
        What is said of an image over which workers died.
    """

    def __init__(
        self, weights: Mapping[int, float], images: int, *, rescue: Callable[[int, Any], Any] | None = None
    ) -> None:
        self.done = 0
        self.record: dict[str, Any] = {"messages": []}
        self.sinks: dict[str, Any] = {}
        self.rescue = rescue
        self._weights, self._images = dict(weights), images
        self._unit = SHARE * len(weights) / (sum(weights.values()) or 1.0)
        self._finished = self._part = 0.0

    @property
    def total(self) -> int:
        """Units of all that is to be made."""
        return round(self._unit * sum(self._weights.values()))

    def update(self, **what: Any) -> Update:
        """An update that says how far it is."""
        return Update(min(self.done, self.total), self.total, **what)

    def begin(self, item: Item) -> Update:
        """An image is begun."""
        self._part = 0.0
        return self.update(message=self._where(item))

    def within(self, item: Item, update: Update) -> Update:
        """An update of one image as one of the batch; pictures are left out, for nobody looks at them."""
        self._part = update.done / update.total if update.total else 0.0
        self._count(self._part * self._weights.get(item.number, 0.0))
        where = item.shown if update.warning else self._where(item)
        message = f"{where}: {update.message}" if update.message else where
        return self.update(message=message, warning=update.warning)

    def end(self, item: Item, *, failed: bool) -> None:
        """An image has ended."""
        if failed and not self._part:
            self._weights.pop(item.number, None)
        self._finished += self._weights.get(item.number, 0.0)
        self._part = 0.0
        self._count(0.0)

    def _where(self, item: Item) -> str:
        """``cells.tif (3 of 21)``."""
        return f"{item.shown} ({item.number} of {self._images})"

    def _count(self, part: float) -> None:
        self.done = round(self._unit * (self._finished + part))


def is_there(path: Path) -> bool:
    """Whether something is at a path; also where one may not look."""
    return os.path.lexists(path)


def weights_of(items: Iterable[Item]) -> dict[int, float]:
    """Sizes of the files, by number; of folders, which nobody walks through for it, the middling one."""
    sizes = {item.number: _size(item.source) for item in items}
    files = [size for size in sizes.values() if size is not None]
    middle = sum(files) / len(files) if files else 1.0
    return {number: middle if size is None else size for number, size in sizes.items()}


def _size(path: Path) -> float | None:
    try:
        return None if path.is_dir() else float(max(path.stat().st_size, 1))
    except OSError:
        return 1.0
