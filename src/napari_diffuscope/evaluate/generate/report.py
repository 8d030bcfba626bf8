"""Tables and figures of an evaluation of generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_diffuscope.evaluate import markdown
from napari_diffuscope.evaluate.bootstrap import mean_interval, paired_interval
from napari_diffuscope.evaluate.drawing import DPI, save_figure
from napari_diffuscope.evaluate.generate.settings import GenerateEvaluationSettings
from napari_diffuscope.evaluate.tables import Row
from napari_diffuscope.measure.copies import Copies

SHOWN = 100
Key = tuple[str, str, str]
"""Seed, field and optics of a test."""


@dataclass(frozen=True)
class Judged:
    """Images of a model and a class, and what they resemble."""

    model: str
    structure: str
    images: np.ndarray
    kept: np.ndarray
    copies: Copies


def report(
    tables: Mapping[str, Sequence[Row]], judged: Sequence[Judged], settings: GenerateEvaluationSettings
) -> str:
    """The tables as Markdown."""
    words = [
        "# Generated images",
        "",
        f"{settings.number} images of each class, {settings.steps} steps, against real images that were kept out "
        "of the training.",
    ]
    if judged:
        words += ["", "## Are they copies?", "", *_copies(judged)]
    if tables["realism"]:
        words += ["", "## Are they like real images?", "", *_realism(tables["realism"])]
    if tables["features"]:
        words += ["", *_features(tables["features"])]
    if tables["usefulness"]:
        words += ["", "## Are they of use?", "", *_usefulness(tables["usefulness"])]
    return "\n".join(words) + "\n"


def _copies(judged: Sequence[Judged]) -> list[str]:
    head = ["model", "class", "images", "flagged", "highest correlation", "C_T", "in words"]
    lines = []
    for one in judged:
        scores = [nearest.score for nearest in one.copies.nearest]
        lines.append(
            [
                one.model,
                one.structure,
                str(len(scores)),
                f"{one.copies.flagged} ({100 * one.copies.share:.0f} %)",
                f"{max(scores):.3f}",
                f"{one.copies.statistic:+.1f}",
                "nearer to the training than new images" if one.copies.copying else "as new as real images",
            ]
        )
    return [
        "*Flagged*: correlation with a training image above the 99th percentile of what was kept out; one in a hundred "
        "new images is. *C_T* below -3: the set is nearer to the training than new images are.",
        "",
        *markdown.table(head, lines),
    ]


def _realism(rows: Sequence[Row]) -> list[str]:
    head = "class | set | images | kernel distance | Fréchet | spectrum, most | mean | histogram | width | filled"
    head += " | spots"
    lines = [
        [
            row["class"],
            row["set"],
            row["images"],
            f"{float(row['kernel']):.3f} [{float(row['kernel_low']):.3f}, {float(row['kernel_high']):.3f}]",
            f"{float(row['frechet']):.2f}",
            f"{float(row['spectrum_db']):.1f} dB",
            f"{float(row['spectrum_mean_db']):.1f} dB",
            f"{float(row['histogram']):.3f}",
            f"{float(row['width']):.1f}",
            f"{float(row['filled']):.3f}",
            f"{float(row['spots']):.1f}",
        ]
        for row in rows
    ]
    return [
        "Distances from the images that were kept out, on intensity, spectrum and texture; smaller is nearer, and "
        "*training*, other real images, is the floor. *Spectrum*: difference of the mean power below the resolution. "
        "*Histogram*: mean shift of intensities. *Width* in pixels, share of the pixels *filled*, *spots* in 100 x 100 "
        "pixels.",
        "",
        *markdown.table(head.split(" | "), lines),
    ]


def _features(rows: Sequence[Row]) -> list[str]:
    lines = [
        [
            row["class"],
            row["features"],
            row["set"],
            row["images"],
            f"{float(row['kernel']):.4g} [{float(row['kernel_low']):.4g}, {float(row['kernel_high']):.4g}]",
            f"{float(row['frechet']):.4g}",
        ]
        for row in rows
    ]
    return [
        "The same distances on features of networks that have seen many photographs.",
        "",
        *markdown.table(["class", "features", "set", "images", "kernel distance", "Fréchet"], lines),
    ]


def _usefulness(rows: Sequence[Row]) -> list[str]:
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    values = {
        arm: {(row["seed"], row["field"], row["optics"]): _measures(row) for row in rows if row["arm"] == arm}
        for arm in arms
    }
    lines = []
    for arm, found in values.items():
        table = np.array(list(found.values()))
        psnr, similarity, resolution = (mean_interval(table[:, column].tolist()) for column in range(3))
        lines.append([arm, psnr.text(2), similarity.text(3), resolution.text(2), *_gain(arm, values)])
    head = ["trained on", "PSNR", "MS-SSIM", "resolved, per µm", "PSNR over real alone", "resolved"]
    return [
        "One super-resolution network, trained equally; means over seeds, whole real fields that were kept out and two "
        "optics that no training saw, with 95 % bootstrap intervals. *Resolved*: frequency at which the Fourier ring "
        "correlation with the truth falls below 1/7.",
        "",
        *markdown.table(head, lines),
    ]


def _measures(row: Row) -> list[float]:
    """PSNR, MS-SSIM, and the resolved frequency in cycles per µm: an image without any has 0 and not infinity."""
    return [float(row["psnr"]), float(row["ms_ssim"]), 1000 / float(row["resolution"])]


def _gain(arm: str, values: Mapping[str, Mapping[Key, Sequence[float]]]) -> list[str]:
    """What is gained over the same real fields alone."""
    base = arm.partition(" + ")[0].partition(",")[0]
    if base == arm or base not in values:
        return ["", ""]
    keys = sorted(set(values[arm]) & set(values[base]))
    gains = [
        paired_interval([values[arm][key][place] for key in keys], [values[base][key][place] for key in keys])
        for place in (0, 2)
    ]
    return [gains[0].text(2, signed=True), gains[1].text(2, signed=True)]


def draw(folder: Path, *, judged: Sequence[Judged]) -> None:
    """For each model and class: images beside real ones, and the five that resemble the training most."""
    for one in judged:
        stem = "".join(letter if letter.isalnum() else "-" for letter in f"{one.model}-{one.structure}")
        _beside(folder / f"beside-{stem}.png", one)
        _closest(folder / f"closest-{stem}.png", one)


def _beside(path: Path, one: Judged) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 8.4))
    for place, (title, images) in enumerate((("generated", one.images), ("real, kept out", one.kept))):
        axes = figure.add_subplot(1, 2, place + 1)
        axes.imshow(_sheet(images[:SHOWN]), cmap="gray", vmin=0, vmax=1)
        axes.set_title(f"{one.structure}: {title}")
        axes.axis("off")
    figure.tight_layout()
    save_figure(figure, path, dpi=DPI)


def _sheet(images: np.ndarray) -> np.ndarray:
    """Roots of images side by side in ten columns, every second pixel averaged."""
    small = images[:, : images.shape[1] // 2 * 2, : images.shape[2] // 2 * 2]
    count, rows, columns = small.shape
    small = small.reshape(count, rows // 2, 2, columns // 2, 2).mean((2, 4))
    across = min(10, count)
    down = -(-count // across)
    sheet = np.ones((down * (rows // 2 + 2), across * (columns // 2 + 2)))
    for number, image in enumerate(small):
        y, x = number // across * (rows // 2 + 2), number % across * (columns // 2 + 2)
        sheet[y : y + rows // 2, x : x + columns // 2] = np.sqrt(np.clip(image / 1.5, 0, 1))
    return sheet


def _closest(path: Path, one: Judged) -> None:
    from matplotlib.figure import Figure

    numbers = one.copies.closest()
    figure = Figure(figsize=(2.4 * len(numbers), 5.2))
    for column, number in enumerate(numbers):
        nearest = one.copies.nearest[number]
        for row, image in enumerate((one.images[number], nearest.patch)):
            axes = figure.add_subplot(2, len(numbers), row * len(numbers) + column + 1)
            axes.imshow(np.sqrt(np.clip(image / 1.5, 0, 1)), cmap="gray", vmin=0, vmax=1)
            axes.set_title(f"image {number}: {nearest.score:.2f}" if row == 0 else nearest.name, fontsize=8)
            axes.axis("off")
    figure.tight_layout()
    save_figure(figure, path, dpi=DPI)
