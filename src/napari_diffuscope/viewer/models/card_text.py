"""What is said of a model, as HTML. Free of Qt."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.failures import in_bytes
from napari_diffuscope.methods.error_bars import error_bars_in_words
from napari_diffuscope.methods.registry import task_in_words
from napari_diffuscope.viewer.model_choice import pixel_sizes
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.catalogue import ListedModel
from napari_diffuscope.weights.entries import Entry
from napari_diffuscope.weights.place import TRIAL_FILE

NOT_STATED = "not stated"

BADGES = {
    "shipped": "came with the package",
    "downloaded": "downloaded, in the cache",
    "yours": "yours, in your model folder",
    "published": "published, not on this computer yet",
    "missing": "missing",
}


def card_html(model: ListedModel) -> str:
    """All that is known of a model."""
    if model.card is not None:
        rows = _card_rows(model.card, model.entry)
    else:
        rows = _entry_rows(model.entry) if model.entry is not None else []
    place = str(model.folder) if model.folder is not None else ""
    rows = [
        ("State", BADGES[model.badge]),
        ("What is wrong", model.problem),
        *rows,
        ("Example to test by", _trial_in_words(model)),
        ("Place", place),
        (
            "Size",
            in_bytes(size_of(model.folder)) if model.folder is not None else _size_in_words(model.entry),
        ),
    ]
    about = model.about
    purpose = about.purpose if about is not None else ""
    lines = "".join(f"<p><b>{name}</b><br>{_linked(text)}</p>" for name, text in rows if text)
    return f"<h3>{escape(model.title)}</h3><p>{escape(purpose)}</p>{lines}"


def _trial_in_words(model: ListedModel) -> str:
    """What is said where a model has no example that it is tested by."""
    if model.folder is None or (model.folder / TRIAL_FILE).is_file():
        return ""
    return "none; Test runs the model" + (
        "" if model.badge == "shipped" else ", and offers to store what it gives"
    )


def _card_rows(card: ModelCard, entry: Entry | None) -> list[tuple[str, str]]:
    return [
        ("For", task_in_words(card.task)),
        ("Pixel size", pixel_sizes(card.pixel_size) if card.pixel_size else NOT_STATED),
        ("When not to trust it", card.limits or NOT_STATED),
        (
            "Learned from",
            str(card.training.get("data", "")) or (entry.training if entry else "") or NOT_STATED,
        ),
        ("Noted on its images", " ".join(map(str, card.training.get("notes", ())))),
        ("On kept-out data", _measured(card.metrics) or NOT_STATED),
        ("Error bars", error_bars_in_words(card)),
        ("Licence", card.licence),
        ("Cite", "; ".join(card.citation) or NOT_STATED),
        ("Came from", entry.address if entry is not None and not entry.shipped else ""),
        ("SHA-256", card.sha256),
    ]


def _entry_rows(entry: Entry) -> list[tuple[str, str]]:
    code = f" (its code: {entry.code_licence})" if entry.code_licence else ""
    return [
        ("For", task_in_words(entry.task) if entry.task else "its file tells, once it is here"),
        ("Pixel size", pixel_sizes(entry.pixel_size) if entry.pixel_size else NOT_STATED),
        ("Learned from", entry.training or NOT_STATED),
        ("How to get it", "Press Download." if entry.address else f"By hand: {entry.by_hand}"),
        ("Or by hand", entry.by_hand if entry.address else ""),
        ("Address", entry.address),
        ("Page", entry.page),
        ("Licence", entry.licence + code),
        ("Paper", entry.paper),
        ("Cite", "; ".join(entry.citation) or NOT_STATED),
        (
            "SHA-256",
            entry.sha256 or "nobody here knows it, so that nothing tells whether the file is the right one",
        ),
        ("Verified", entry.verified or "never: nobody of this project has got this file and run it"),
    ]


def size_of(folder: Path) -> int:
    """Bytes of the files in a model folder."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir())
    except OSError:  # removed in this moment
        return 0


def _size_in_words(entry: Entry | None) -> str:
    return in_bytes(entry.size) if entry is not None and entry.size else ""


def _linked(text: str) -> str:
    """Escaped, with lines kept; an address that stands alone can be opened."""
    safe = escape(text).replace("\n", "<br>")
    return f'<a href="{safe}">{safe}</a>' if text.startswith("https://") and " " not in text else safe


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
