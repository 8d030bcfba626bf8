"""Table and figures of an evaluation of super-resolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_diffuscope.evaluate import markdown
from napari_diffuscope.evaluate.drawing import DPI, new_figure, save_figure
from napari_diffuscope.evaluate.superres.judge import ORIENTATIONS
from napari_diffuscope.evaluate.superres.settings import SuperresEvaluationSettings
from napari_diffuscope.evaluate.tables import Row


def report(rows: Sequence[Row], settings: SuperresEvaluationSettings, shape: Sequence[int]) -> str:
    """The tables as Markdown: one for each factor, one line for each method."""
    words = [
        "# Super-resolution along z",
        "",
        f"{Path(settings.data).name}, {' x '.join(map(str, shape))} voxels; only planes that were taken away count"
        f"{_taken(settings)}. "
        "PSNR (dB) and SSIM are means over XY, XZ and YZ planes. Fréchet: distance of patches of XZ and YZ planes "
        "from patches of true XY planes (intensity, spectrum and texture), smaller is better; *floor* is that of true "
        "XY patches from each other. *slices* counts network evaluations, *apart* is the root mean square difference "
        "between the two directions before they were last brought together.",
    ]
    for factor in sorted({int(row["factor"]) for row in rows}):
        kept = [row for row in rows if int(row["factor"]) == factor]
        words += ["", f"## Every {factor}{_ordinal(factor)} plane kept", "", *_table(kept)]
    return "\n".join(words) + "\n"


def _taken(settings: SuperresEvaluationSettings) -> str:
    """What was done to the planes that were kept."""
    words = ""
    if settings.axial_fwhm:
        words += (
            f"; all were blurred along z before (full width at half maximum {settings.axial_fwhm:g} pixels)"
        )
    if settings.noise:
        words += f"; white noise of {100 * settings.noise:g} % of the range on the planes that were kept"
    return words


def _ordinal(number: int) -> str:
    return {2: "nd", 3: "rd"}.get(number, "th")


def _table(rows: Sequence[Row]) -> list[str]:
    head = (
        "method | PSNR xy | xz | yz | SSIM xy | xz | yz | Fréchet xz | yz | floor | slices | apart | setting"
    )
    lines = []
    for method in dict.fromkeys((row["method"], row["variant"]) for row in rows):
        by_orientation = {
            row["orientation"]: row for row in rows if (row["method"], row["variant"]) == method
        }
        if len(by_orientation) == len(ORIENTATIONS):
            lines.append(_cells(method, by_orientation))
    return markdown.table(head.split(" | "), lines)


def _cells(method: tuple[str, str], rows: Mapping[str, Row]) -> list[str]:
    one = rows["xz"]
    return [
        ", ".join(word for word in method if word),
        *(_number(rows[o]["psnr"], 2) for o in ORIENTATIONS),
        *(_number(rows[o]["ssim"], 3) for o in ORIENTATIONS),
        *(_number(rows[o]["frechet"], 2) for o in ("xz", "yz")),
        _number(one["floor"], 2),
        one["evaluations"] if one["evaluations"] != "0" else "",
        _number(one["disagreement"], 2),
        one["setting"],
    ]


def _number(text: str, digits: int) -> str:
    value = float(text)
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def draw_views(folder: Path, views: Mapping[str, np.ndarray], factor: int) -> None:
    """Orthogonal views of all volumes side by side: an XY plane that was not measured, an XZ and a YZ plane."""
    truth = next(iter(views.values()))
    planes = (len(truth) // 2 // factor * factor + factor // 2, truth.shape[1] // 2, truth.shape[2] // 2)
    low, high = np.percentile(truth, [0.5, 99.5])
    figure = new_figure(2.0 * len(views), 6.0)
    grid = figure.add_gridspec(3, len(views))
    for place, (name, volume) in enumerate(views.items()):
        for axis, label in enumerate(ORIENTATIONS):
            axes = figure.add_subplot(grid[axis, place])
            axes.imshow(np.take(volume, planes[axis], axis), cmap="gray", vmin=low, vmax=high)
            axes.set_title(name if axis == 0 else "", fontsize=7)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_ylabel(label if place == 0 else "", fontsize=8)
    figure.suptitle(f"{factor} times finer along z; equal contrast", fontsize=9)
    save_figure(figure, folder / f"superres-{factor}x.png", dpi=DPI)
