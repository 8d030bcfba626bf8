"""The dialog of the import to look at: ``python -m napari_diffuscope.viewer.models.import_demo FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from napari_diffuscope.viewer.demo import SETTLE, demo_parser
from napari_diffuscope.viewer.models.import_dialog import import_model

_LOOK_AGAIN = 500


def main(path: Path, screenshot: Path | None = None) -> int:
    """Import a checkpoint while a sample image is open.

    Parameters
    ----------
    path
        The checkpoint.
    screenshot
        Save a picture of the dialog there and leave.

    Returns
    -------
    int
        0.
    """
    viewer = napari.Viewer(title="napari-diffuscope")
    viewer.open_sample("napari-diffuscope", "pair")
    dialog = import_model(viewer, path, viewer.window._qt_window)

    def photograph() -> None:
        if not dialog.strip.buttons or dialog.runner.running:
            QTimer.singleShot(_LOOK_AGAIN, photograph)
            return
        if dialog.compared.currentData() != "prediction":
            dialog.compared.setCurrentIndex(dialog.compared.findData("prediction"))
            dialog.strip.clear()
            dialog.compare()
            QTimer.singleShot(_LOOK_AGAIN, photograph)
            return
        dialog.grab().save(str(screenshot))
        dialog.reject()
        viewer.close()

    if screenshot is not None:
        QTimer.singleShot(SETTLE, photograph)
    napari.run()
    return 0


if __name__ == "__main__":
    parser = demo_parser("Show the dialog of the import in a napari window.")
    parser.add_argument("file", type=Path, help="the checkpoint")
    arguments = parser.parse_args()
    sys.exit(main(arguments.file, arguments.screenshot))
