"""Figures of an outcome, as PNG files. Needs matplotlib (extra ``plots``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffuscope.evaluate.drawing import COLOURS, DPI, new_figure, save_figure
from napari_diffuscope.evaluate.restore.baselines import INPUT
from napari_diffuscope.evaluate.restore.cases import Case
from napari_diffuscope.evaluate.restore.judge import fitted
from napari_diffuscope.evaluate.restore.models import Candidate, middle
from napari_diffuscope.evaluate.restore.summary import title_of
from napari_diffuscope.evaluate.restore.tables import Outcome
from napari_diffuscope.evaluate.statistics import spread_of
from napari_diffuscope.measure.quality import psnr

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_MODELS = 3


@dataclass
class Panel:
    """Images of one case: results on the whole field by method, samples of the first model that draws them."""

    case: Case
    whole: dict[str, np.ndarray] = field(default_factory=dict)
    samples: np.ndarray | None = None
    sampler: str = ""


@dataclass(frozen=True)
class _View:
    """One image of the figure: counts, and whether its difference to the truth is shown."""

    title: str
    image: np.ndarray
    compared: bool = True


def draw_case(path: Path, panel: Panel, models: Sequence[Candidate], crop: int) -> None:
    """Results of one case side by side, their differences to the truth, and a line profile through all."""
    case, part = panel.case, middle(panel.case.clean.shape, crop)
    truth = case.clean[part].astype(np.float64)
    views = _views(panel, models, part, truth)
    low, high = np.percentile(truth, [0.1, 99.9])
    figure = new_figure(2.1 * (len(views) + 1), 7.0)
    grid = figure.add_gridspec(3, len(views) + 1, height_ratios=(1, 1, 1.05))
    line = int(np.argmax(truth.std(axis=1)))
    for place, view in enumerate(views):
        axes = figure.add_subplot(grid[0, place])
        axes.imshow(view.image, cmap="gray", vmin=low, vmax=high)
        _bare(axes, view.title)
        axes.axhline(line, color=COLOURS[5], linewidth=0.6, linestyle=(0, (4, 6)))
    _scale_bar(figure.axes[len(views) - 1], case.name.field.pixel_size_um, truth.shape)
    _deviation(figure, grid, len(views), panel, truth)
    _differences(figure, grid, views, truth)
    _profile(figure.add_subplot(grid[2, :]), views, line)
    figure.suptitle(f"{case.name}; equal contrast, counts {low:.0f} to {high:.0f}", fontsize=10)
    save_figure(figure, path, dpi=DPI)


def _views(
    panel: Panel, models: Sequence[Candidate], part: tuple[slice, slice], truth: np.ndarray
) -> list[_View]:
    """Input, best classical result, models, one sample, the mean of samples, truth."""
    affine = panel.case.affine
    inner = {name: fitted(truth, image[part], affine) for name, image in panel.whole.items()}
    labels = [model.label for model in models if model.label in inner][:MOST_MODELS]
    named = {model.label for model in models}
    classical = [name for name in inner if name != INPUT and name not in named]
    shown = [(INPUT, inner[INPUT])] if INPUT in inner else []
    if classical:
        best = max(classical, key=lambda name: psnr(truth, inner[name]))
        shown.append((f"best classical:\n{title_of(best)}", inner[best]))
    shown += [(f"{_short(label)},\nbest estimate", inner[label]) for label in labels]
    if panel.samples is not None:
        drawn = panel.samples
        shown.append((f"{_short(panel.sampler)},\none sample", fitted(truth, drawn[0], affine)))
        shown.append((f"mean of {len(drawn)} samples", fitted(truth, drawn.mean(0), affine)))
    views = [_View(f"{name}\n{psnr(truth, image):.1f} dB", image) for name, image in shown]
    return [*views, _View("truth", truth, compared=False)]


def _short(label: str) -> str:
    return label if len(label) <= 26 else "…" + label[-25:]


def _deviation(figure: Figure, grid: Any, place: int, panel: Panel, truth: np.ndarray) -> None:
    """Deviation of the samples, and below it the error of their mean, on one scale."""
    if panel.samples is None:
        return
    deviation = panel.samples.std(0, ddof=1, dtype=np.float64)
    error = np.abs(fitted(truth, panel.samples.mean(0), panel.case.affine) - truth)
    most = float(np.percentile(np.concatenate([deviation, error]), 99.5))
    for row, (title, image) in enumerate((("deviation\nof samples", deviation), ("|mean - truth|", error))):
        axes = figure.add_subplot(grid[row, place])
        shown = axes.imshow(image, cmap="magma", vmin=0, vmax=most)
        _bare(axes, title)
    _colour_bar(figure, axes, shown)


def _differences(figure: Figure, grid: Any, views: Sequence[_View], truth: np.ndarray) -> None:
    """Result minus truth, on one scale: that of the results, not of the noisy input."""
    compared = [(place, view) for place, view in enumerate(views) if view.compared]
    sizes = [float(np.percentile(np.abs(view.image - truth), 99.5)) for _, view in compared]
    most = max(sizes[1:] or sizes)
    for place, view in compared:
        axes = figure.add_subplot(grid[1, place])
        shown = axes.imshow(view.image - truth, cmap="RdBu_r", vmin=-most, vmax=most)
        _bare(axes, "minus truth")
    _colour_bar(figure, figure.add_subplot(grid[1, len(views) - 1]), shown, alone=True)


def _profile(axes: Axes, views: Sequence[_View], line: int) -> None:
    for number, view in enumerate(views):
        name = view.title.rsplit("\n", 1)[0].replace("\n", " ") if view.compared else view.title
        noisy, true = number == 0, not view.compared
        axes.plot(
            view.image[line],
            label=name,
            color="black" if true else "0.75" if noisy else COLOURS[(number - 1) % len(COLOURS)],
            linewidth=1.4 if true else 0.8 if noisy else 1.0,
            zorder=1 if noisy else 3 if true else 2,
        )
    axes.set_xlim(0, views[0].image.shape[1] - 1)
    axes.set_xlabel("pixel along the dashed line", fontsize=8)
    axes.set_ylabel("counts", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, ncols=len(views), loc="upper center", bbox_to_anchor=(0.5, 1.17), frameon=False)


def draw_curves(outcome: Outcome, folder: Path) -> None:
    """Draw what samples add, and how honest their deviation is."""
    draw_samples_curve(folder / "samples.png", outcome)
    draw_calibration(folder / "calibration.png", outcome)


def draw_samples_curve(path: Path, outcome: Outcome) -> None:
    """Quality against the number of averaged samples, beside that of the best estimate."""
    rows = outcome.samples
    if not rows:
        return
    conditions = list(dict.fromkeys((row["noise"], row["level"]) for row in rows))
    figure = new_figure(max(2.6 * len(conditions) + 0.6, 7.0), 3.2)
    grid = figure.add_gridspec(1, len(conditions))
    for place, (noise, level) in enumerate(conditions):
        axes = figure.add_subplot(grid[0, place])
        for number, model in enumerate(dict.fromkeys(row["model"] for row in rows)):
            _curve(axes, outcome, (noise, level), model, COLOURS[number % len(COLOURS)])
        axes.set_title(noise if noise == level else f"{noise}, {level} noise", fontsize=9)
        axes.set_xlabel("averaged samples", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
        if place == 0:
            axes.set_ylabel("PSNR (dB), mean over cases", fontsize=8)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=3, frameon=False)
    save_figure(figure, path, dpi=DPI)


def _curve(axes: Axes, outcome: Outcome, condition: tuple[str, str], model: str, colour: str) -> None:
    def here(row: dict[str, str]) -> bool:
        return (row["noise"], row["level"]) == condition

    mine = [row for row in outcome.samples if here(row) and row["model"] == model]
    counts = sorted({int(row["samples"]) for row in mine})
    if not counts:
        return
    values = [np.mean([float(r["psnr"]) for r in mine if int(r["samples"]) == n]) for n in counts]
    axes.plot(
        counts, values, marker="o", markersize=3, color=colour, label=f"{_short(model)}, mean of samples"
    )
    best = spread_of(
        float(row["psnr"])
        for row in outcome.results
        if here(row) and row["method"] == model and row["kind"] == "estimate" and row["region"] == "middle"
    )
    if best is not None:
        axes.axhline(
            best.mean, color=colour, linestyle="--", linewidth=1, label=f"{_short(model)}, best estimate"
        )


def draw_calibration(path: Path, outcome: Outcome) -> None:
    """Coverage against nominal share, and error against predicted deviation, before and after scaling."""
    rows = outcome.coverage
    if not rows:
        return
    figure = new_figure(8.4, 4.4)
    left, right = figure.subplots(1, 2)
    for number, model in enumerate(dict.fromkeys(row["model"] for row in rows)):
        colour = COLOURS[number % len(COLOURS)]
        mine = [row for row in rows if row["model"] == model]
        nominal = sorted({float(row["nominal"]) for row in mine})
        scale = mine[0]["scale"]
        lines = [("found", "--", "as drawn"), ("found_scaled", "-", f"calibrated ({scale})")]
        for column, style, words in lines if scale != "1" else lines[:1]:
            shares = [np.mean([float(r[column]) for r in mine if float(r["nominal"]) == n]) for n in nominal]
            left.plot(
                nominal,
                shares,
                style,
                marker="o",
                markersize=3,
                color=colour,
                label=f"{_short(model)}, {words}",
            )
        _reliability(right, [r for r in outcome.deviation if r["model"] == model], colour)
    left.plot([0.4, 1], [0.4, 1], color="black", linewidth=0.8, label="ideal")
    left.set_xlabel("nominal share", fontsize=8)
    left.set_ylabel("share of pixels inside", fontsize=8)
    left.set_title("coverage of predictive intervals", fontsize=9)
    right.set_title("error and deviation in bins of the deviation", fontsize=9)
    right.set_xlabel("predicted deviation (share of the range)", fontsize=8)
    right.set_ylabel("root mean squared error", fontsize=8)
    for axes in (left, right):
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    left.legend(fontsize=7)
    save_figure(figure, path, dpi=DPI)


def _reliability(axes: Axes, rows: Sequence[dict[str, str]], colour: str) -> None:
    numbers = sorted({int(row["bin"]) for row in rows})

    def mean(column: str) -> np.ndarray:
        return np.array(
            [
                np.mean([float(r[column]) / float(r["range"]) for r in rows if int(r["bin"]) == n])
                for n in numbers
            ]
        )

    error, spread, given = mean("error"), mean("deviation"), mean("given")
    axes.plot(spread, error, "--", marker="o", markersize=3, color=colour)
    axes.plot(given, error, "-", marker="o", markersize=3, color=colour)
    ends = [0.0, float(max(spread.max(), given.max(), error.max()))]
    axes.plot(ends, ends, color="black", linewidth=0.8)


def _bare(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()


def _colour_bar(figure: Figure, axes: Axes, shown: Any, *, alone: bool = False) -> None:
    if alone:
        axes.set_axis_off()
    bar = figure.colorbar(shown, ax=axes, location="left" if alone else "right", fraction=0.08, pad=0.03)
    bar.ax.tick_params(labelsize=6)


def _scale_bar(axes: Axes, pixel_um: float | None, shape: tuple[int, ...]) -> None:
    """A round length of about a quarter of the image, in µm where the pixel size is known."""
    from matplotlib.patheffects import withStroke

    height, width = shape
    unit = pixel_um or 1.0
    wanted = 0.25 * width * unit
    step = 10 ** np.floor(np.log10(wanted))
    length = max(step * factor for factor in (1, 2, 5) if step * factor <= wanted)
    pixels, left, y = length / unit, 0.05 * width, 0.94 * height
    rim = [withStroke(linewidth=4, foreground="black")]
    axes.plot([left, left + pixels], [y, y], color="white", lw=2, solid_capstyle="butt", path_effects=rim)
    text = f"{length:g} µm" if pixel_um else f"{length:g} px"
    rim = [withStroke(linewidth=1.5, foreground="black")]
    axes.text(
        left + pixels / 2, y - 0.03 * height, text, color="white", fontsize=7, ha="center", path_effects=rim
    )
