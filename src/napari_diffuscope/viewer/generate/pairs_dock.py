"""Plugins › Diffuscope › Training pairs: images and their low-quality twins, for generated and for real images."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QCheckBox, QFileDialog

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.declared import given_settings
from napari_diffuscope.methods.generate.pairs import PairSettings
from napari_diffuscope.simulate.twins import TwinOptics, intensity_range, low_quality, pairs_job
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.layers import guess_axes, image_from_layer, source_of
from napari_diffuscope.viewer.region import current_plane, flat_plane
from napari_diffuscope.viewer.setting_rows import SettingRows
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import add_row, button, column, form, guarded, in_a_row, note, say

PREVIEW = "low-quality twin"
DISCARDED = "napari-diffuscope discarded"
"""Where a stack of generated images says which of them are left out."""

MOST_SHOWN = 1024
"""Edge of the part of a plane that a preview shows."""

PATIENCE_MS = 150


class PairsDock(TabbedWidget):
    """Writes pairs that ``diffuscope train --pairs`` and CARE-style tools read; shows a twin while it is set up.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Pairs"

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self.status = note()
        self._background = Background(self)
        self._background.failed.connect(lambda error: say(self.status, str(error), error=True))
        self._preview: Any = None
        self.layer = LayerChoice(
            napari_viewer,
            "Images of high quality: generated ones, or your own. Each plane becomes a pair.",
            hidden=lambda layer: bool(layer.metadata.get(PREVIEW)),
        )
        self._later = QTimer(self, singleShot=True, interval=PATIENCE_MS)
        self._later.timeout.connect(lambda: self._guarded(self._show_twin))
        self.live = QCheckBox("Live preview")
        self.live.setToolTip(
            "Show the low-quality twin of the plane that you see, and again with every change."
        )
        self.save_button = button(
            "Save pairs…",
            "Write each image into 'high' and its twin into 'low' of an empty folder, under equal names.",
            lambda: self._guarded(self._ask_and_save),
        )
        self.copy_button = button(
            "Copy command",
            "Copy the command line that writes the same pairs from a file.",
            lambda: self._guarded(self._copy_command),
        )
        self._rows_form = form()
        self.rows = SettingRows(PairSettings, (), self._changed)
        self._lay_out()
        self.live.toggled.connect(self._on_live)
        self.layer.layer_changed.connect(self._changed)
        napari_viewer.dims.events.point.connect(self._changed)
        self.rows.show_for("camera")

    def settings(self) -> PairSettings:
        """As the controls show them."""
        return PairSettings(**self.rows.values())

    def image(self) -> Image:
        """The chosen layer, without the images that were discarded.

        Raises
        ------
        DiffuscopeError
            If there is none, or nothing of it is kept.
        """
        layer = self.layer.layer
        if layer is None:
            raise DiffuscopeError("There is no image to make pairs of; generate some, or open one.")
        image = image_from_layer(layer, axes=guess_axes(layer))
        left_out = set(layer.metadata.get(DISCARDED, ()))
        if not left_out or image.plane_count == 1:
            return image
        kept = [flat for flat in range(image.plane_count) if flat not in left_out]
        if not kept:
            raise DiffuscopeError("All images were discarded; keep at least one.")
        planes = np.stack([image.read_plane(flat) for flat in kept])
        return Image.wrap(
            planes, "TYX", scale=(1.0, *image.scale[-2:]), units=("pixel", *image.units[-2:]), name=image.name
        )

    def save_pairs(self, folder: Path) -> None:
        """Write the pairs in the background.

        Raises
        ------
        DiffuscopeError
            If there are no images, or settings do not do.
        """
        image, optics = self.image(), TwinOptics(**self.settings().to_dict())
        say(self.status, "Writing…")

        def work() -> Generator[Any, None, str]:
            count = yield from pairs_job([image], optics, folder)
            return (
                f"Wrote {count} pairs into {folder.name}: train with diffuscope train --pairs {folder.name}."
            )

        self._background.start(work, lambda sentence: say(self.status, sentence))

    def leave(self) -> None:
        """Let go of the viewer."""
        self._background.close()
        self._later.stop()
        self.layer.disconnect_viewer()
        self._viewer.dims.events.point.disconnect(self._changed)

    def _on_live(self, live: bool) -> None:
        """A twin that follows no more would lie over the other images: it is taken away."""
        self._changed()
        if not live and self._preview is not None and self._preview in self._viewer.layers:
            self._viewer.layers.remove(self._preview)
            say(self.status, "")

    def _changed(self, event: Any = None) -> None:
        self.rows.show_for(self.rows["mode"].value)
        if self.live.isChecked():
            self._later.start()

    def _show_twin(self) -> None:
        layer = self.layer.layer
        if layer is None or not self.live.isChecked():
            return
        axes = guess_axes(layer)
        image, optics = image_from_layer(layer, axes=axes), TwinOptics(**self.settings().to_dict())
        pixel = optics.pixel_of(image)
        flat = flat_plane(image, current_plane(self._viewer, layer, axes=axes, image=image))
        corner = tuple(max(0, (length - MOST_SHOWN) // 2) for length in image.plane_shape)

        def work() -> Generator[None, None, np.ndarray]:
            yield
            limits = intensity_range([image])
            y, x = corner
            part = np.asarray(image.read_plane(flat))[y : y + MOST_SHOWN, x : x + MOST_SHOWN]
            rng = np.random.default_rng([optics.seed, flat])
            return low_quality(part, optics, rng, pixel_um=pixel, limits=limits)

        self._background.start(work, lambda twin: self._put(layer, twin, corner), key="preview")

    def _put(self, layer: Any, twin: np.ndarray, corner: tuple[int, ...]) -> None:
        """Show a twin over its image, in a layer of our own."""
        if not self.live.isChecked():
            return
        limits = tuple(float(value) for value in np.percentile(twin, (0.5, 99.8)))
        limits = (limits[0], max(limits[1], limits[0] + 1e-6))
        offset = layer.data_to_world((*(0,) * (layer.ndim - 2), *corner))[-2:]
        if self._preview is None or self._preview not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            self._preview = self._viewer.add_image(
                twin, name=PREVIEW, scale=layer.scale[-2:], units=layer.units[-2:], metadata={PREVIEW: True}
            )
            self._viewer.layers.selection.active = active
        self._preview.data, self._preview.scale = twin, layer.scale[-2:]
        self._preview.translate = offset
        self._preview.contrast_limits_range = limits
        self._preview.contrast_limits = limits
        say(self.status, "Hide and show the twin with its eye; your image is unchanged below it.")

    def _ask_and_save(self) -> None:
        self.image()
        folder = QFileDialog.getExistingDirectory(self, "An empty folder for the pairs")
        if folder:
            self.save_pairs(Path(folder))

    def _copy_command(self) -> None:
        source = source_of(self.layer.layer) if self.layer.layer is not None else None
        words = ["diffuscope", "pairs", source or "IMAGES.tif", "--out", "PAIRS"]
        for setting, value in given_settings(self.settings()):
            words += [f"--{setting.option}", setting.written(value)]
        QApplication.clipboard().setText(shlex.join(words))
        say(self.status, "Copied." if source else "Copied. Save the images as IMAGES.tif first.")

    def _guarded(self, action: Any) -> None:
        guarded(lambda error: say(self.status, str(error), error=True), action)

    def _lay_out(self) -> None:
        advanced = form()
        add_row(self._rows_form, "Images", self.layer)
        self.rows.add_to(self._rows_form, advanced)
        buttons = in_a_row(self.save_button, self.copy_button)
        column(self, self._rows_form, self.live, buttons, self.status, margins=(8, 8, 8, 8))
