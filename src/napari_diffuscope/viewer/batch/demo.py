"""A batch to look at: ``python -m napari_diffuscope.viewer.batch.demo [--screenshot FILE]``."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QTimer

from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER
from napari_diffuscope.viewer.demo import SETTLE, demo_parser, photograph_soon

SAMPLES = ("pair_noisy", "stack_noisy", "timelapse_noisy")


def fill_folder(folder: Path) -> None:
    """Put three samples and a damaged file into a folder."""
    for name in SAMPLES:
        shutil.copy(SAMPLE_FOLDER / f"{name}.ome.tif", folder)
    damaged = (SAMPLE_FOLDER / "pair_noisy.ome.tif").read_bytes()[:300]
    (folder / "interrupted_copy.ome.tif").write_bytes(damaged)


def show(viewer: Any, folder: Path, screenshot: Path | None) -> Any:
    """Restore a folder in the dock; returns the dock."""
    viewer.window.resize(1300, 950)
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Batch")
    dock.files.list.add([folder / "raw"])
    dock.folder.line.setText(str(folder / "restored"))

    def ended() -> None:
        dock.table.cellDoubleClicked.emit(2, 0)
        photograph_soon(viewer, screenshot)

    dock.runner.ended.connect(lambda outcome: ended())
    QTimer.singleShot(SETTLE, dock.bar.run_button.click)
    return dock


def main() -> None:
    """Run the demo."""
    parser = demo_parser(__doc__ or "")
    screenshot = parser.parse_args().screenshot
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        fill_folder(raw)
        viewer = napari.Viewer()
        show(viewer, Path(folder), screenshot)
        napari.run()


if __name__ == "__main__":
    main()
