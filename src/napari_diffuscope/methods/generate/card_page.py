"""The card of a run as a page to read, with pictures, and as JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.atomic import replacing
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_free
from napari_diffuscope.measure.training_images import POWER
from napari_diffuscope.methods.generate.card import Card
from napari_diffuscope.methods.generate.judging import Pair

ENDING = ".html"
EDGE = 160
"""Pixels along an edge of a picture."""

STYLE = (
    "body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.3em .6em;text-align:right}td:first-child,th:first-child{text-align:left}"
    "figure{display:inline-block;margin:.4em;font-size:.8em;text-align:center}img{display:block;margin:2px}"
)
COLUMNS = (
    ("kernel", "kernel distance"),
    ("frechet", "Fréchet distance"),
    ("spectrum_db", "spectrum, most (dB)"),
    ("spectrum_mean_db", "mean (dB)"),
    ("histogram", "histogram"),
    ("width", "width (px)"),
    ("filled", "filled"),
    ("spots", "spots"),
)
MEANING = (
    "Distances from real images that were kept out of the training, by intensities, spectrum and texture; smaller is "
    "nearer, and other real images, those of the training, are the floor. Spectrum: difference of the mean power at "
    "the frequencies that real images resolve. Histogram: mean shift of intensities. Width of the structures, share "
    "of the pixels that they fill, spots in 100 x 100 pixels."
)


def card_files(page: Path) -> tuple[Path, Path]:
    """The page, and the JSON beside it.

    Raises
    ------
    DiffuscopeError
        If the name ends in anything but ``.html``.
    """
    if page.suffix.lower() != ENDING:
        raise DiffuscopeError(
            f"The card is a page to read, with its numbers in a file beside it; end {page.name} in {ENDING}."
        )
    return page, page.with_suffix(".json")


def write_card(page: Path, card: Card, pictures: Sequence[Pair], *, overwrite: bool = False) -> None:
    """Write a card.

    Parameters
    ----------
    page
        ``NAME.html``; the numbers go into ``NAME.json``.
    card
        Of a record, ``record["card"]``.
    pictures
        Images beside what they are most like, of the judge of the run.
    overwrite
        Whether files that exist are replaced.

    Raises
    ------
    DiffuscopeError
        If a file exists, or cannot be written.
    """
    page, numbers = card_files(page)
    for file in (page, numbers):
        check_free(file, overwrite=overwrite)
    text, values = page_of(card, pictures), json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    with (
        writing(page),
        replacing(numbers, overwrite=overwrite) as below,
        replacing(page, overwrite=overwrite) as above,
    ):  # both or none: half a card would be in the way of the next
        for part, content in ((below, values), (above, text)):
            part.write(content.encode("utf-8"))
            part.flush()


def page_of(card: Card, pictures: Sequence[Pair]) -> str:
    """The page as HTML, pictures included."""
    height, width = card["size"]
    title = f"{card['images']} generated images of {card['class'] or 'any class'}"
    about = (
        f"{height} × {width} pixels, model {card['model']}, seed {card['seed']}, {card['steps']} steps; compared with "
        f"real images of {card['compared_with']}. Nothing in them was ever in a cell."
    )
    body = [
        f"<h1>{escape(title)}</h1><p>{escape(about)}</p>",
        *(f"<p>{escape(sentence)}</p>" for sentence in card["words"]),
        *_copies(card["copies"], pictures),
        *_realism(card["realism"]),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f"<!doctype html><html><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _copies(copies: Mapping[str, Any] | None, pictures: Sequence[Pair]) -> list[str]:
    if copies is None:
        return []
    statistic = "unknown" if copies["statistic"] is None else f"{copies['statistic']:+.1f}"
    limit = "unknown" if copies["limit"] is None else f"{copies['limit']:.2f}"
    said = (
        f"{len(copies['flagged'])} of {copies['compared']} ({100 * copies['share']:.1f} %) are above {limit}, the 99th "
        f"percentile of real images that were kept out. C_T {statistic}: below -3 a set is nearer to its training than "
        "new images are. The closest, each above the training image that it is most like:"
    )
    return [
        f"<h2>Are they copies?</h2><p>{escape(said)}</p>",
        *(_figure(pair) for pair in pictures),
    ]


def _figure(pair: Pair) -> str:
    top = max(float(pair.pixels.max()), float(pair.nearest.patch.max()), 1e-12)
    images = "".join(
        f'<img width="{EDGE}" height="{EDGE}" alt="{alt}" src="data:image/png;base64,{_png(pixels, top)}">'
        for pixels, alt in ((pair.pixels, "generated"), (pair.nearest.patch, "of the training"))
    )
    words = f"image {pair.number}: {pair.nearest.score:.2f}<br>{escape(pair.nearest.name)}"
    return f"<figure>{images}<figcaption>{words}</figcaption></figure>"


def _png(pixels: np.ndarray, top: float) -> str:
    """Roots of the pixels, so that the dim is seen as well, in base64."""
    import imageio.v3 as iio

    grey = np.rint(255 * np.clip(np.nan_to_num(pixels) / top, 0, 1) ** (1 / POWER)).astype(np.uint8)
    return base64.b64encode(iio.imwrite("<bytes>", grey, extension=".png")).decode()


def _realism(sets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not sets:
        return []
    head = "".join(f"<th>{escape(words)}</th>" for _, words in COLUMNS)
    lines = [f"<tr><th></th><th>images</th>{head}</tr>"]
    for name, one in sets.items():
        cells = "".join(f"<td>{escape(_cell(one, column))}</td>" for column, _ in COLUMNS)
        lines.append(f"<tr><td>{escape(name)}</td><td>{one['images']}</td>{cells}</tr>")
    table = "".join(lines)
    return [f"<h2>Are they like real images?</h2><table>{table}</table><p>{escape(MEANING)}</p>"]


def _cell(one: Mapping[str, Any], column: str) -> str:
    value = one[column]
    if value is None:
        return "–"
    words = f"{value:.3g}"
    return f"{words} [{one['kernel_low']:.3g}, {one['kernel_high']:.3g}]" if column == "kernel" else words
