"""A training to look at: ``python -m napari_diffuscope.viewer.train.demo [--screenshot FILE]``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer

from napari_diffuscope.viewer.demo import SETTLE, demo_parser, photograph_soon
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.widgets import choose

SMALL = {"until": "steps", "steps": 16, "patch": 48, "batch": 2}
"""A training that is over in a minute or two."""


def show(viewer: Any, screenshot: Path | None) -> Any:
    """Train on the sample stack, noisy and clean, in the dock; returns the dock."""
    viewer.window.resize(1000, 850)
    viewer.open_sample("napari-diffuscope", "stack")
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Train")
    choose(dock.form.what_box, "pairs")
    dock.form.material.low.choose(viewer.layers["stack noisy"])
    dock.form.material.high.choose(viewer.layers["stack clean"])
    for name, value in SMALL.items():
        dock.form.rows[name].value = value

    def ended(outcome: Outcome) -> None:
        if outcome.error is not None:
            sys.stderr.write(f"{outcome.error}\n")
        photograph_soon(viewer, screenshot)

    dock.runner.ended.connect(ended)
    QTimer.singleShot(SETTLE, dock.bar.run_button.click)
    return dock


def main() -> None:
    """Run the demo; what it learns is thrown away."""
    parser = demo_parser(__doc__ or "")
    screenshot = parser.parse_args().screenshot
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIFFUSCOPE_MODELS"] = str(Path(folder) / "models")
        viewer = napari.Viewer()
        show(viewer, screenshot)
        napari.run()


if __name__ == "__main__":
    main()
