"""Plugins › Diffuscope › Models: what is known about every model at hand."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QTextBrowser, QVBoxLayout

from napari_diffuscope.viewer.model_choice import CATALOGUE, pixel_sizes
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import button
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.catalogue import list_models, model_folders, user_folder


class ModelsDock(TabbedWidget):
    """The cards of all models, in full: purpose, limits, numbers, licence, what to cite, and where they lie."""

    tab_title = "Models"

    def __init__(self) -> None:
        super().__init__()
        self.cards = QTextBrowser()
        self.cards.setOpenExternalLinks(True)
        self.cards.setToolTip("Everything that is known about the models on this computer")
        self.refresh_button = button(
            "Look again",
            "List the models again after you added one, here and in all open docks.",
            self.look_again,
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.cards)
        layout.addWidget(self.refresh_button)
        self.refresh()

    def sizeHint(self) -> QSize:
        """As wide as the other docks."""
        return QSize(350, 500)

    def look_again(self) -> None:
        """List the models at hand, here and in all open docks."""
        self.refresh()
        CATALOGUE.changed.emit()

    def refresh(self) -> None:
        """List the models at hand."""
        folders = model_folders()
        cards = [_card_html(card, str(folders[card.name])) for card in list_models() if card.name in folders]
        own = f"<p>Models that you put into <code>{escape(str(user_folder()))}</code> are listed as well.</p>"
        self.cards.setHtml("<hr>".join(cards or ["<p>There are no models here yet.</p>"]) + own)


def _card_html(card: ModelCard, folder: str) -> str:
    rows = [
        ("For", card.task),
        (
            "Pixel size",
            pixel_sizes(card.pixel_size) if card.pixel_size else "not stated",
        ),
        ("When not to trust it", card.limits or "not stated"),
        (
            "On kept-out data",
            _measured(card.metrics) or "not stated",
        ),
        ("Licence", card.licence),
        ("Cite", "; ".join(card.citation) or "not stated"),
        ("Folder", folder),
        ("SHA-256", card.sha256),
    ]
    lines = "".join(f"<p><b>{name}</b><br>{escape(text).replace(chr(10), '<br>')}</p>" for name, text in rows)
    return f"<h3>{escape(card.title)}</h3><p>{escape(card.purpose)}</p>{lines}"


def _measured(metrics: Mapping[str, Any], before: str = "") -> str:
    """Numbers with their names, one a line; tables within tables become names of several words."""
    lines = []
    for name, value in metrics.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            lines.append(_measured(value, f"{words}, "))
        elif isinstance(value, list | tuple):
            lines.append(f"{words}: {', '.join(map(_plain, value))}")
        else:
            lines.append(f"{words}: {_plain(value)}")
    return "\n".join(line for line in lines if line)


def _plain(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
