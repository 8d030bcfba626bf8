"""Generated images in files, and the card of the run beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_diffuscope.methods.running import Result
from napari_diffuscope.methods.storing import FileDestination


class GenerateDestination(FileDestination):
    """A file of images, and where one is wanted a card: a page, and its numbers."""

    @property
    def _page(self) -> Path | None:
        return Path(self.storing.card) if self.storing is not None and self.storing.card else None

    def check(self, read: Iterable[Path], others: Iterable[Path] = ()) -> None:
        """Refuse what would destroy something, before anything is computed."""
        from napari_diffuscope.methods.generate.card_page import card_files

        cards = () if self._page is None else card_files(self._page)
        super().check(read, (*others, *cards))

    def complete(self, result: Result) -> str:
        """Write the card; returns what to say of it."""
        if self._page is None:
            return ""
        if "card" not in result.record:
            return "; no card, for the model carries nothing to compare with"
        from napari_diffuscope.methods.generate.card_page import write_card

        pictures = result.value.pictures
        write_card(self._page, result.record["card"], pictures, overwrite=self.overwrite)
        return f", and the card {self._page}"
