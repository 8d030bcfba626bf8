"""A run to look at: ``python -m napari_diffuscope.viewer.demo [restore|estimate|superres|shape|click|generate|pairs]``.

Opens a sample, works on it live in the real dock, and shows input, result and uncertainty side by side.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.viewer.compare.cells import show_names
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.widgets import choose

Name = Literal["restore", "estimate", "superres", "shape", "click", "generate", "pairs"]
#: Sample, where one is needed, and dock of each demo.
PLACES: dict[Name, tuple[str, str]] = {
    "restore": ("stack", "Restore"),
    "estimate": ("stack", "Restore"),
    "superres": ("anisotropic", "Super-resolve volume"),
    "shape": ("cells", "Predict 3D shape"),
    "click": ("cells", "Predict 3D shape"),
    "generate": ("", "Generate"),
    "pairs": ("", "Generate"),
}
#: What is restored, one after the other: settings, and the region as the dock calls it.
STEPS: dict[Name, tuple[tuple[RestoreSettings, str], ...]] = {
    "restore": (
        (RestoreSettings(mode="estimate"), "stack"),
        (RestoreSettings(mode="deviation", samples=4, steps=5), "slice"),
    ),
    "estimate": ((RestoreSettings(neighbours="z", mirrored=True), "slice"),),
}
#: Size of the window, where it is another one.
SIZES: dict[Name, tuple[int, int]] = {"restore": (1560, 700), "estimate": (1060, 960)}
#: Labels of the cells that are clicked, one after the other, in the demo without labels.
CLICKED = (2, 4, 6)
#: Milliseconds for the window to draw itself before the next action.
SETTLE = 1500


class Demo:
    """Drives a viewer from the sample to the photograph.

    Parameters
    ----------
    viewer
        An empty viewer.
    screenshot
        Where to save a picture of the window; the viewer stays open without.
    name
        Which demo.
    """

    def __init__(self, viewer: Any, screenshot: Path | None, name: Name = "restore") -> None:
        self.viewer = viewer
        self.problem: str | None = None
        self._screenshot = screenshot
        self._name = name
        self._steps: list[Any] = list(STEPS.get(name, [(None, "")]))
        viewer.window.resize(*SIZES.get(name, (1560, 900)))
        sample, title = PLACES[name]
        noisy = self._open_sample(sample) if sample else None
        _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", title)
        self.dock = dock
        self.dock.form.input.layers.choose(noisy)
        if noisy is None:
            self.dock.form.rows["number"].value, self.dock.form.rows["size"].value = 12, 192
        if name == "estimate":
            viewer.layers[0].name = "cells"  # the name of its result is long
            dock.form.advanced.expand(animate=False)
        if name == "click":
            self._steps = self._places_of_cells()
        if name == "shape":
            labels = viewer.layers["cells labels"]
            labels.contour = 2
            self.dock.form.labels.choose(labels)
        self.dock.runner.ended.connect(self._on_ended)
        QTimer.singleShot(SETTLE, self._run_next)

    def _open_sample(self, sample: str) -> Any:
        """Open a sample as a user has it, the noisy image alone, in the middle; returns its layer."""
        self.viewer.open_sample("napari-diffuscope", sample)
        for layer in [
            layer for layer in self.viewer.layers if "clean" in layer.name or "truth" in layer.name
        ]:
            self.viewer.layers.remove(layer)
        noisy = self.viewer.layers[0]
        if noisy.ndim == 3:
            self.viewer.dims.set_current_step(0, noisy.data.shape[0] // 2)
        return noisy

    def _places_of_cells(self) -> list[tuple[float, float]]:
        """Where to click; the labels that say so are taken away."""
        layer = self.viewer.layers["cells labels"]
        places = [np.argwhere(np.asarray(layer.data) == label).mean(0) for label in CLICKED]
        self.viewer.layers.remove(layer)
        self.dock.apply(ShapeSettings(mode="ensemble", samples=3))
        self.dock.buttons.click_button.click()
        return [(float(y), float(x)) for y, x in places]

    def _run_next(self) -> None:
        if self._name == "click":
            self.dock.click(self.dock.form.plane(), self._steps.pop(0))
            return
        settings, region = self._steps.pop(0)
        if settings is not None:
            self.dock.apply(settings)
            choose(self.dock.form.region, region)
        self.dock.bar.run_button.click()
        if not self.dock.runner.running:
            self._stop(self.dock.bar.status.text())

    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.state != "done":
            self._stop(str(outcome.error or outcome.state))
        elif self._steps:
            QTimer.singleShot(0, self._run_next)
        else:
            if self._name in STEPS:
                side_by_side(self.viewer, stacked=self._name == "estimate")
            elif self._name == "superres":
                self.dock.compare_button.click()
            elif self._name == "shape":
                self.viewer.layers["cells labels"].visible = False  # as thick as a unit in 3D
                self.dock.buttons.dimensions_button.click()
            elif self._name == "pairs":
                self.dock.open_pairs().live.setChecked(True)
            if self._screenshot is not None:
                QTimer.singleShot(SETTLE, self._photograph)

    def _photograph(self) -> None:
        try:
            save_screenshot(self.viewer, Path(str(self._screenshot)))
        except OSError as error:
            self.problem = str(error)
        self.viewer.close()

    def _stop(self, problem: str) -> None:
        self.problem = problem
        if self._screenshot is not None:
            QTimer.singleShot(0, self.viewer.close)


def side_by_side(viewer: Any, *, stacked: bool = False) -> None:
    """Show all layers beside each other, or one above the other, with their names and one scale bar each."""
    grid = viewer.canvas.grid
    grid.shape = (len(viewer.layers), 1) if stacked else (1, len(viewer.layers))
    grid.spacing = 6
    grid.enabled = True
    show_names(viewer, list(viewer.layers))
    bar = viewer.canvas.overlays.scale_bar
    bar.visible = True
    bar.gridded = True
    viewer.reset_view()


def save_screenshot(viewer: Any, path: Path) -> None:
    """Photograph the whole window; the file is complete or not there."""
    part = path.with_name(f".{path.stem}.part.png")
    try:
        viewer.screenshot(str(part), canvas_only=False, flash=False)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def photograph_soon(viewer: Any, screenshot: Path | None) -> None:
    """Once the window has drawn itself, save a picture of it and leave; nothing where none is asked for."""
    if screenshot is not None:
        QTimer.singleShot(SETTLE, partial(photograph_and_close, viewer, screenshot))


def photograph_and_close(viewer: Any, screenshot: Path) -> None:
    """Save a picture of the window, and leave."""
    save_screenshot(viewer, screenshot)
    viewer.close()


def main(headless_screenshot: Path | None = None, name: Name = "restore") -> int:
    """Show the demo.

    Parameters
    ----------
    headless_screenshot
        Save a picture of the finished window there and leave.
    name
        Which demo.

    Returns
    -------
    int
        0, or 1 when something went wrong; the sentence goes to the standard error.
    """
    viewer = napari.Viewer(title="napari-diffuscope")
    demo = Demo(viewer, headless_screenshot, name)
    napari.run()
    if demo.problem:
        sys.stderr.write(f"{demo.problem}\n")
        return 1
    if headless_screenshot is not None and not headless_screenshot.is_file():
        sys.stderr.write("The window was closed before the demo was over.\n")
        return 1
    return 0


def demo_parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every demo takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--screenshot", type=Path, help="save a picture of the window and leave")
    return parser


def _arguments() -> argparse.Namespace:
    parser = demo_parser("Work on a sample in a napari window.")
    parser.add_argument("name", nargs="?", choices=get_args(Name), default="restore", help="which method")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    sys.exit(main(arguments.screenshot, arguments.name))
