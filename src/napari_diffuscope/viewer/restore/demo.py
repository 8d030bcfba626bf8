"""*Restore where I look* at work: ``python -m napari_diffuscope.viewer.restore.demo [--screenshot FILE]``.

Opens a plane that is made of copies of a sample, and restores what is in view; the picture is taken halfway.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QTimer

from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.simulate.sample_files import sample_path
from napari_diffuscope.viewer.demo import SETTLE, demo_parser, save_screenshot

COPIES, ZOOM = 6, 0.4
PARTS = 4
"""After so many parts the picture is taken."""

DRAWN = 600
"""Milliseconds for the parts to be drawn."""


class LookDemo:
    """Drives a viewer from the image to the photograph.

    Parameters
    ----------
    viewer
        An empty viewer.
    screenshot
        Where to save a picture of the window; the viewer stays open without.
    """

    def __init__(self, viewer: Any, screenshot: Path | None) -> None:
        self.viewer, self._screenshot = viewer, screenshot
        viewer.window.resize(1060, 660)
        stack = open_image(sample_path("stack_noisy"))
        tiled = np.tile(stack.read_plane(stack.plane_count // 2), (COPIES, COPIES))
        size = {"scale": stack.scale[-2:], "units": stack.units[-2:], "axis_labels": ("y", "x")}
        limits = tuple(np.percentile(tiled, (1, 99.8)))
        viewer.add_image(tiled, name="field", contrast_limits=limits, **size)
        _, self.dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
        viewer.scene.camera.zoom = ZOOM / stack.scale[-1]
        QTimer.singleShot(SETTLE, self._look)

    def _look(self) -> None:
        self.dock.look_button.click()
        self._timer = QTimer(self.dock, interval=100)
        self._timer.timeout.connect(self._watch)
        self._timer.start()

    def _watch(self) -> None:
        looking = self.dock.looking
        if looking is not None and looking.pixels.kept_bytes < PARTS * 2**20:
            return
        self._timer.stop()
        if self._screenshot is not None:
            QTimer.singleShot(DRAWN, partial(self._photograph, self._screenshot))

    def _photograph(self, screenshot: Path) -> None:
        if self.dock.looking is not None:
            save_screenshot(self.viewer, screenshot)
        self.viewer.close()


def main(screenshot: Path | None = None) -> int:
    """Show it; 0, or 1 when something went wrong."""
    viewer = napari.Viewer(title="napari-diffuscope")
    demo = LookDemo(viewer, screenshot)
    napari.run()
    del demo
    return 0 if screenshot is None or screenshot.is_file() else 1


if __name__ == "__main__":
    parser = demo_parser("Restore what is in view of a large image.")
    sys.exit(main(parser.parse_args().screenshot))
