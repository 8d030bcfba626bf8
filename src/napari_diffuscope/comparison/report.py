"""A comparison as one page that needs nothing but itself: pictures, a divider, profiles, differences, numbers."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.comparison.curves import (
    Curves,
    error_spectra,
    histograms,
    ring_correlations,
    tried,
)
from napari_diffuscope.comparison.job import Scene, comparison_job
from napari_diffuscope.comparison.line_profile import profile
from napari_diffuscope.comparison.measures import SQUIRREL
from napari_diffuscope.comparison.page import page
from napari_diffuscope.comparison.pictures import (
    Place,
    data_url,
    difference_colours,
    grey,
    label_colours,
    limits_of,
    reduced,
    worst_and_median_place,
)
from napari_diffuscope.comparison.placing import Placed
from napari_diffuscope.comparison.sampling import TILE, sampled
from napari_diffuscope.comparison.settings import CompareSettings
from napari_diffuscope.comparison.singles import pixel_size, squirrel_of
from napari_diffuscope.comparison.svg import curves_svg
from napari_diffuscope.comparison.table import Table, number_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.measure.arrays import fit_affine

PANEL, SMALL_PANEL = 720, 480
"""Longest side of a picture, of up to four images and of more."""


@dataclass(frozen=True)
class Report:
    """A page and the table in it."""

    html: str
    table: Table


def report_job(scene: Scene, settings: CompareSettings | None = None, *, title: str = "") -> Job[Report]:
    """The page of a comparison.

    Parameters
    ----------
    scene, settings
        As for :func:`~napari_diffuscope.comparison.job.comparison_job`.
    title
        Of the page; the names by default.
    """
    settings = settings or CompareSettings()
    table = yield from comparison_job(scene, settings)
    yield Update(1, 1, "Pictures and curves")
    views = _Views(scene, settings)
    title = title or f"{', '.join(other.name for other in scene.others)} against {scene.reference.name}"
    parts = [f"<h1>{html.escape(title)}</h1>", _intro(scene, table)]
    for section in (views.panels, views.swipe, views.insets, views.differences):
        parts.append(section())
        yield Update(1, 1)
    if settings.wants(tuple(SQUIRREL)) and not settings.labels:
        parts.append(views.error_maps(scene))
        yield Update(1, 1)
    parts += [_numbers(table), _plots(scene, settings, views), "".join(_records(scene))]
    return Report(page(html.escape(title), "\n".join(filter(None, parts))), table)


class _Views:
    """The plane that is shown of each image, and the pictures made of it."""

    def __init__(self, scene: Scene, settings: CompareSettings) -> None:
        self._labels = settings.labels
        self.plane = scene.plane_of(scene.common)
        self.cut = max(self.plane.shape[-2:]) > 2 * TILE
        if self.cut:  # of a plane that is too large, the middle
            ranges = [*self.plane.ranges]
            for axis in (-2, -1):
                start, stop = ranges[axis]
                if stop - start > 2 * TILE:
                    ranges[axis] = ((start + stop) // 2 - TILE, (start + stop) // 2 + TILE)
            self.plane = type(self.plane)(tuple(ranges))
        placed = (scene.reference, *scene.others)
        self.names = [each.name for each in placed]
        images = [sampled(each, self.plane) for each in placed]
        if settings.affine and not settings.labels:
            images[1:] = [_fitted(images[0], image) for image in images[1:]]
        self.images = images
        self.limits = limits_of(images[0].astype(np.float64))
        self.most = PANEL if len(images) <= 4 else SMALL_PANEL
        self.pixel, self.unit = pixel_size(scene.reference)
        self.places = worst_and_median_place(*_as_float(images))
        self.note = (
            "each fitted to the reference by a line; " if settings.affine and not settings.labels else ""
        )

    def _picture(self, pixels: np.ndarray, *, exact: bool) -> str:
        if self._labels:
            return data_url(label_colours(pixels), exact=True)
        return data_url(grey(pixels, self.limits), exact=exact)

    def _small(self, image: np.ndarray) -> np.ndarray:
        if not self._labels:
            return reduced(image, self.most)
        every = -(-max(image.shape) // self.most)
        return image[::every, ::every]

    def panels(self) -> str:
        """All images in one contrast, with a scale bar and the two places."""
        figures = []
        for number, (name, image) in enumerate(zip(self.names, self.images, strict=True)):
            picture = self._picture(self._small(image), exact=False)
            role = " (reference)" if number == 0 else ""
            figures.append(
                f'<figure><div class="picture"><img id="image{number}" alt="{html.escape(name)}" src="{picture}">'
                f"{self._bar(image.shape[1])}{self._frames(image.shape)}</div>"
                f"<figcaption><b>{html.escape(name)}</b>{role}</figcaption></figure>"
            )
        low, high = self.limits
        contrast = "" if self._labels else f"One contrast for all: black {low:.4g}, white {high:.4g}. "
        part = "The middle of the plane is shown. " if self.cut else ""
        words = (
            f'<p class="soft">{self.note.capitalize()}{contrast}{part}Pictures are reduced and compressed; numbers '
            "are those of the images.</p>"
        )
        return f'<h2>Images</h2><div class="grid">{"".join(figures)}</div>{words}'

    def swipe(self) -> str:
        """Two images over each other with a divider; their pictures are those above."""
        options = [
            f'<option value="image{n}">{html.escape(name)}</option>' for n, name in enumerate(self.names)
        ]
        chosen = [*options]
        chosen[1] = chosen[1].replace("<option ", "<option selected ", 1)
        blank = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
        return (
            '<h2>Swipe</h2><div class="controls"><label>Left <select id="first">'
            f'{"".join(options)}</select></label><label>Right <select id="second">{"".join(chosen)}</select></label>'
            '<input type="range" id="divider" min="0" max="100" step="0.1" value="50" aria-label="Divider"></div>'
            f'<div class="picture swipe"><img alt="left image" src="{blank}" draggable="false">'
            f'<img alt="right image" src="{blank}" draggable="false"><i></i><em class="left"></em>'
            '<em class="right"></em></div>'
        )

    def insets(self) -> str:
        """The worst and the median place of every image, pixel by pixel."""
        parts = []
        for place, kind, words in zip(
            self.places,
            ("worst", "median"),
            ("where they are farthest apart", "as in half of all places"),
            strict=True,
        ):
            figures = "".join(
                f'<figure><div class="picture pixels"><img alt="{html.escape(name)}, {kind} place" '
                f'src="{self._picture(place.of(image), exact=True)}">{self._bar(place.side)}</div>'
                f"<figcaption>{html.escape(name)}</figcaption></figure>"
                for name, image in zip(self.names, self.images, strict=True)
            )
            parts.append(f'<p><span class="word {kind}">{kind.capitalize()} place</span>: {words}.</p>')
            parts.append(f'<div class="insets">{figures}</div>')
        return f"<h2>A closer look</h2>{''.join(parts)}"

    def differences(self) -> str:
        """Image less reference, in one scale for all."""
        if self._labels:
            return ""
        truth = self.images[0]
        differences = [image - truth for image in self.images[1:]]
        sizes = [np.abs(each[np.isfinite(each)]) for each in differences]
        most = max((float(np.percentile(size, 99.5)) for size in sizes if size.size), default=0.0) or 1.0
        figures = "".join(
            f'<figure><div class="picture"><img alt="{html.escape(name)} less reference" '
            f'src="{data_url(difference_colours(reduced(each, self.most), most), exact=False)}">'
            f"{self._bar(each.shape[1], dark=True)}{self._frames(each.shape)}</div>"
            f"<figcaption>{html.escape(name)} less {html.escape(self.names[0])}</figcaption></figure>"
            for name, each in zip(self.names[1:], differences, strict=True)
        )
        ends = f"<span>−{most:.4g}</span><span>0</span><span>{most:.4g}</span>"
        scale = f'<div class="scale"></div><div class="ends">{ends}</div>'
        return (
            f'<h2>Difference</h2><div class="grid">{figures}</div><div style="max-width:280px">{scale}</div>'
        )

    def error_maps(self, scene: Scene) -> str:
        """Where each image disagrees with the reference after it was blurred and fitted to it: SQUIRREL's error map."""
        maps, words = [], []
        for other in scene.others:
            try:
                maps.append((other.name, squirrel_of(scene.reference, other, self.plane, "nanoj").error_map))
            except DiffuscopeError as error:
                words.append(f'<p class="soft">{html.escape(str(error))}</p>')
        most = max((float(np.percentile(each, 99.9)) for _, each in maps), default=0.0) or 1.0
        figures = "".join(
            f'<figure><div class="picture"><img alt="error map of {html.escape(name)}" '
            f'src="{data_url(grey(reduced(each, self.most), (0.0, most)), exact=False)}">'
            f"{self._bar(each.shape[1])}</div><figcaption>{html.escape(name)}</figcaption></figure>"
            for name, each in maps
        )
        note = (
            f'<p class="soft">How far each image, blurred and fitted by a line, is from the reference, at the pixels '
            f"of the reference: black 0, white {most:.4g}. Bright: what the reference does not show, or shows more.</p>"
        )
        return f'<h2>SQUIRREL error map</h2><div class="grid">{figures}</div>{note if maps else ""}{"".join(words)}'

    def profile(self, scene: Scene) -> Curves:
        """Along the row through the middle of the worst place."""
        (top, _), (left, right) = self.plane.ranges[-2:]
        row = top + self.places[0].top + self.places[0].side // 2
        leading = [start for start, _ in self.plane.ranges[:-2]]
        return profile((scene.reference, *scene.others), leading, (row, left), (row, right - 1))

    def _bar(self, width: int, *, dark: bool = False) -> str:
        """A round length of about a quarter of the width."""
        length = round_length(0.3 * width * self.pixel)
        unit = {"pixel": "px"}.get(self.unit, self.unit)
        share = 100 * length / (self.pixel * width)
        kind = "bar dark" if dark else "bar"
        return f'<span class="{kind}" style="width:{share:.3f}%"><b>{length:g} {html.escape(unit)}</b></span>'

    def _frames(self, shape: tuple[int, ...]) -> str:
        def frame(place: Place, kind: str) -> str:
            edges = {"left": place.left / shape[1], "top": place.top / shape[0]}
            edges |= {"width": place.side / shape[1], "height": place.side / shape[0]}
            style = ";".join(f"{name}:{100 * share:.3f}%" for name, share in edges.items())
            return f'<span class="frame {kind}" style="{style}"></span>'

        return frame(self.places[0], "worst") + frame(self.places[1], "median")


def round_length(most: float) -> float:
    """The longest of 1, 2, 5, 10, … that is no longer."""
    step = 10.0 ** math.floor(math.log10(most))
    return float(max(step * factor for factor in (1, 2, 5) if step * factor <= most * (1 + 1e-9)))


def _as_float(images: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    first, *others = (image.astype(np.float64) for image in images)
    return first, list(others)


def _fitted(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Fitted by a line, where all pixels have values."""
    if not (np.isfinite(truth).all() and np.isfinite(image).all()) or np.ptp(truth) <= 0:
        return image
    return fit_affine(truth, image)


def _intro(scene: Scene, table: Table) -> str:
    from napari_diffuscope import __version__

    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    return f'<ul>{notes}</ul><p class="soft">Made by napari-diffuscope {html.escape(__version__)}.</p>'


def _numbers(table: Table) -> str:
    head = "".join(
        f'<th title="{html.escape(f"{column.help} Here: {column.basis}." if column.basis else column.help)}">'
        f"{html.escape(column.title)}</th>"
        for column in table.columns
    )
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th>"
        + "".join(
            f'<td title="{html.escape(cell.why)}">–</td>'
            if cell.value is None
            else f"<td>{number_text(cell.value)}</td>"
            for cell in row
        )
        + "</tr>"
        for name, row in zip(table.rows, table.cells, strict=True)
    )
    meanings = "".join(
        f"<dt>{html.escape(column.title)}</dt><dd>{html.escape(column.help)} {html.escape(column.basis)}</dd>"
        for column in table.columns
    )
    missing = "".join(f"<li>{html.escape(reason)}</li>" for reason in table.reasons())
    missing = (
        f"<details><summary>Why some numbers are missing</summary><ul>{missing}</ul></details>"
        if missing
        else ""
    )
    return (
        f'<h2>Numbers</h2><div class="scroll"><table><thead><tr><th>image</th>{head}</tr></thead><tbody>{rows}</tbody>'
        f"</table></div><details><summary>What the numbers mean, and what they were computed from</summary>"
        f"<dl>{meanings}</dl></details>{missing}"
    )


def _plots(scene: Scene, settings: CompareSettings, views: _Views) -> str:
    placed = (scene.reference, *scene.others)
    made = [tried(lambda: views.profile(scene), "Line profile")]
    if not settings.labels:
        made += [
            tried(lambda: ring_correlations(scene, settings), "Fourier ring correlation"),
            tried(lambda: error_spectra(scene, settings), "Error against frequency"),
            tried(lambda: histograms(placed, views.plane), "Histogram"),
        ]
    figures = []
    for number, curves in enumerate(made):
        notes = [*curves.notes]
        if number == 0 and curves.lines:
            notes.append("Along the row through the middle of the worst place, intensities as they are.")
        words = "".join(f'<p class="soft">{html.escape(note)}</p>' for note in notes)
        figures.append(
            f"<figure><b>{html.escape(curves.title)}</b>{curves_svg(curves, views.names)}{words}</figure>"
        )
    return f'<h2>Curves</h2><div class="plots">{"".join(figures)}</div>'


def _records(scene: Scene) -> Iterator[str]:
    """How results of ours were made."""
    for placed in (scene.reference, *scene.others):
        if placed.record:
            yield f"<h2>How {html.escape(placed.name)} was made</h2>{_record(placed, placed.record)}"


def _record(placed: Placed, record: dict[str, Any]) -> str:
    model = record.get("model") or {}
    facts = {
        "Method": record.get("method"),
        "Model": " ".join(str(model[key]) for key in ("title", "name") if model.get(key))
        if isinstance(model, dict)
        else model,
        "Checksum": model.get("sha256") if isinstance(model, dict) else None,
        "Settings": _settings_words(record.get("settings")),
        "Input": (record.get("input") or {}).get("name"),
        "Device": record.get("device"),
        "Version": record.get("plugin"),
        "Seconds": record.get("seconds"),
        "Messages": " ".join(map(str, record.get("messages") or ())),
    }
    rows = "".join(
        f"<dt>{name}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in facts.items()
        if value not in (None, "")
    )
    whole = html.escape(json.dumps(record, indent=1, ensure_ascii=False, default=str))
    return f'<dl>{rows}</dl><details><summary>The whole record</summary><pre class="scroll">{whole}</pre></details>'


def _settings_words(settings: Any) -> str:
    if not isinstance(settings, dict):
        return ""
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
