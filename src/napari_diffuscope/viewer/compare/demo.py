"""Compare a restoration of the sample with the truth: ``python -m napari_diffuscope.viewer.compare.demo [grid|…]``.

Opens a noisy image and the clean one, restores the noisy one with its deviation, and looks at them in one of the ways.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer

from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.demo import SETTLE, demo_parser, photograph_and_close
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.widgets import choose

WAYS = ("grid", "swipe", "blink", "difference", "uncertainty")
PAGES = ("numbers", "plots")
#: Place of the cursor in the picture, in µm.
POINTED_AT = (12.0, 9.0)


class CompareDemo:
    """Drives a viewer from the sample to the comparison, and to its photograph.

    Parameters
    ----------
    viewer
        An empty viewer.
    way
        One of `WAYS` or `PAGES`.
    screenshot
        Where to save a picture of the window; the viewer stays open without.
    """

    def __init__(self, viewer: Any, way: str, screenshot: Path | None) -> None:
        self.viewer, self._way, self._screenshot = viewer, way, screenshot
        self.problem = ""
        viewer.window.resize(1400, 800)
        viewer.open_sample("napari-diffuscope", "pair")
        self._restore = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")[1]
        self._restore.form.input.layers.choose(viewer.layers["pair noisy"])
        self._restore.apply(RestoreSettings(mode="mean", samples=4, steps=5))
        self._restore.runner.ended.connect(self._on_ended)
        QTimer.singleShot(SETTLE, self._restore.bar.run_button.click)

    def _on_ended(self, outcome: Outcome) -> None:
        if outcome.state != "done":
            self.problem = str(outcome.error or outcome.state)
            self.viewer.close()
            return
        QTimer.singleShot(0, self._compare)

    def _compare(self) -> None:
        layers = self.viewer.layers
        self.viewer.window.remove_dock_widget(self._restore)
        dock = self.viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")[1]
        restored = next(layer for layer in layers if "restored" in layer.name)
        noisy = [layers["pair noisy"]] if self._way in ("grid", *PAGES) else []
        dock.choice.choose(layers["pair clean"], [*noisy, restored])
        self.viewer.reset_view()
        QTimer.singleShot(SETTLE // 2, lambda: self._look(dock))

    def _look(self, dock: Any) -> None:
        if self._way in PAGES:
            self._turn_to(dock)
            return
        dock.looking.show("difference" if self._way == "uncertainty" else self._way)
        if self._way == "grid":
            QTimer.singleShot(SETTLE // 2, lambda: dock.looking.grid.point_at(POINTED_AT))
        if self._way == "uncertainty":
            choose(dock.look.quantity, "deviations")
            dock.look.uncertainty.expand()
        if self._screenshot is not None:
            QTimer.singleShot(SETTLE, self._photograph)

    def _turn_to(self, dock: Any) -> None:
        """Measure, or draw a profile, and take the picture when that is done."""
        titles = [dock.tabs.tabText(number).lower() for number in range(dock.tabs.count())]
        dock.tabs.setCurrentIndex(titles.index(self._way))
        if self._way == "numbers":
            dock.numbers.bar.run_button.click()
            if self._screenshot is not None:
                dock.numbers.runner.ended.connect(lambda _: QTimer.singleShot(SETTLE, self._photograph))
        else:
            dock.plots.draw_line()
            if self._screenshot is not None:
                QTimer.singleShot(2 * SETTLE, self._photograph)

    def _photograph(self) -> None:
        photograph_and_close(self.viewer, Path(str(self._screenshot)))


def main() -> int:
    """Show the demo; 1 with a sentence where something went wrong."""
    parser = demo_parser("Compare a restoration of the sample with the truth.")
    parser.add_argument(
        "way", nargs="?", choices=(*WAYS, *PAGES), default="grid", help="which way to look, or which page"
    )
    arguments = parser.parse_args()
    demo = CompareDemo(napari.Viewer(title="napari-diffuscope"), arguments.way, arguments.screenshot)
    napari.run()
    if demo.problem:
        sys.stderr.write(f"{demo.problem}\n")
    return 1 if demo.problem else 0


if __name__ == "__main__":
    sys.exit(main())
