"""The dock Models to look at: ``python -m napari_diffuscope.viewer.models.demo [--screenshot FILE]``."""

from __future__ import annotations

import sys
from pathlib import Path

import napari

from napari_diffuscope.viewer.demo import demo_parser, photograph_soon

CHOSEN = "restoration-fluorescence"


def main(screenshot: Path | None = None) -> int:
    """Show a card and its example beside a sample image.

    Parameters
    ----------
    screenshot
        Save a picture of the window there and leave.

    Returns
    -------
    int
        0.
    """
    viewer = napari.Viewer(title="napari-diffuscope")
    viewer.window.resize(1000, 900)
    viewer.open_sample("napari-diffuscope", "cells")
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
    dock.models.choose(CHOSEN)
    photograph_soon(viewer, screenshot)
    napari.run()
    return 0


if __name__ == "__main__":
    parser = demo_parser("Show the dock Models in a napari window.")
    sys.exit(main(parser.parse_args().screenshot))
