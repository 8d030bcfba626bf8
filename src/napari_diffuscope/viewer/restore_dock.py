"""Plugins › Diffuscope › Restore."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt
from qtpy.QtWidgets import QApplication, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.record import RECORD_KEY
from napari_diffuscope.methods.settings import RestoreSettings
from napari_diffuscope.viewer.canvas_guard import CanvasGuard
from napari_diffuscope.viewer.command import command_for, command_of_record
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.region import current_plane, outward, shown_planes, visible_crop
from napari_diffuscope.viewer.restore_form import RestoreForm
from napari_diffuscope.viewer.restore_run import Request, RestoreRun
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner, Outcome
from napari_diffuscope.viewer.widgets import button, choose

#: Runs whose dock was closed; they end by themselves and put their layers in order.
_lingering: set[RestoreDock] = set()


class RestoreDock(QWidget):
    """Removes noise from the chosen layer, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._run: RestoreRun | None = None
        self._docked = False
        self._guard = CanvasGuard(napari_viewer, self)
        wishes = preferences()
        self.runner = JobRunner(self, frames_per_second=wishes.preview_rate)
        self.bar = RunBar(self.runner, self.run)
        self.form = RestoreForm(napari_viewer, lambda sentence: self.bar.fail(DiffuscopeError(sentence)))
        choose(self.form.device, wishes.device)
        self.copy_button = button(
            "Copy command",
            "Copy a command line that produces the same numbers, for scripts and many files: "
            "that of the selected result, or of the settings above.",
            self.copy_command,
        )
        self.repeat_button = button(
            "Repeat with these settings",
            "Fill this form with the settings of the selected result layer, to run them again or on another image.",
            self.repeat,
        )
        self._lay_out()
        self.runner.progressed.connect(lambda _: self._run.refresh() if self._run else None)
        self.runner.ended.connect(self._on_ended)
        self.form.changed.connect(self._update_buttons)
        napari_viewer.layers.selection.events.active.connect(self._update_buttons)
        self._update_buttons()

    def sizeHint(self) -> QSize:
        """Wide enough for the sentences, as high as there is room."""
        return QSize(350, 640)

    # What the buttons do

    def run(self) -> None:
        """Start with the settings shown.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        image = self.form.image()
        settings = self.settings()
        request = Request(
            self.form.layer,
            image,
            self.form.axes_letters(),
            settings,
            self._order(image, settings),
            self.form.model.card,
        )
        self._run = RestoreRun(self._viewer, request, self)
        self._run.abandoned.connect(self._on_abandoned)
        self.bar.activity = self._run.activity
        self.runner.start(self._run.make_job, on_update=self._run.results.paint)

    def settings(self) -> RestoreSettings:
        """Everything that decides the numbers, the region as the window shows it now."""
        settings, region = self.form.settings(), self.form.region.currentData()
        if region == "stack":
            return settings
        if region == "same" and self.form.same_region is not None:
            planes, crop = self.form.same_region
            return replace(settings, planes=planes, crop=crop)
        image, axes, layer = self.form.image(), self.form.axes_letters(), self.form.layer
        here = current_plane(self._viewer, layer, axes=axes, image=image)
        crop = visible_crop(self._viewer, layer, axes=axes) if region == "visible" else None
        return replace(settings, planes=shown_planes(image, here, axes=axes), crop=crop)

    def apply(self, settings: RestoreSettings) -> None:
        """Set all controls.

        Raises
        ------
        DiffuscopeError
            If the model is not at hand.
        """
        self.form.apply(settings)

    def copy_command(self) -> None:
        """Put a command line on the clipboard."""
        self.bar.guarded(self._copy_command)

    def repeat(self) -> None:
        """Take over the settings of the selected result."""
        self.bar.guarded(self._repeat)

    def _copy_command(self) -> None:
        record = self._selected_record()
        text, remark = (
            command_of_record(record)
            if record
            else command_for(self.form.image(), self.settings(), layer_axes=self.form.layer_axes())
        )
        QApplication.clipboard().setText(text)
        self.bar.say(remark)

    def _repeat(self) -> None:
        record = self._selected_record()
        if not record:
            raise DiffuscopeError(
                "The selected layer has no record of a restoration; select a result layer first."
            )
        layer = self.form.layer_choice.named(record["input"]["name"])
        if layer is not None:
            self.form.layer_choice.choose(layer)
        self.apply(RestoreSettings.from_dict(record["settings"]))
        missing = (
            ""
            if layer is not None
            else f" Its input {record['input']['name']!r} is not open; choose an image."
        )
        self.bar.say(f"These are the settings of {self._viewer.layers.selection.active.name!r}.{missing}")

    # While it runs

    def _order(self, image: Image, settings: RestoreSettings) -> list[int]:
        here = current_plane(self._viewer, self.form.layer, axes=self.form.axes_letters(), image=image)
        wanted = None if settings.planes is None else set(settings.planes)
        return [flat for flat in outward(image, here) if wanted is None or flat in wanted]

    def _on_ended(self, outcome: Outcome) -> None:
        run, self._run = self._run, None
        sentence = run.finish(outcome) if run else ""
        if self in _lingering:
            _lingering.remove(self)
            self._guard.release()
        self.form.refresh_devices()
        self.bar.ended()
        self._update_buttons()
        if outcome.error is not None:
            self.bar.fail(outcome.error)
        else:
            self.bar.say(sentence)

    def _on_abandoned(self) -> None:
        self.runner.cancel()

    def _selected_record(self) -> dict[str, Any]:
        active = self._viewer.layers.selection.active
        return record_of(active) if active is not None else {}

    def _update_buttons(self, event: Any = None) -> None:
        self.repeat_button.setEnabled(bool(self._selected_record()))
        self.copy_button.setEnabled(self.form.layer is not None or bool(self._selected_record()))
        self.bar.set_ready(self.form.layer is not None)

    # The window

    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock out of the window."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is None and self._docked:
                self._leave()
            self._docked = self.parent() is not None
        return super().event(event)

    def _leave(self) -> None:
        """Stop the run and let go of the viewer."""
        self.form.disconnect_viewer()
        self._viewer.layers.selection.events.active.disconnect(self._update_buttons)
        if self.runner.running:
            _lingering.add(self)
            self.runner.cancel()
        else:
            self._guard.release()

    def _lay_out(self) -> None:
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self.form)
        foot = QVBoxLayout()
        foot.setContentsMargins(8, 4, 8, 8)
        foot.addWidget(self.bar)
        row = QHBoxLayout()
        row.addWidget(self.copy_button)
        row.addWidget(self.repeat_button)
        foot.addLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)


def record_of(layer: Any) -> dict[str, Any]:
    """Record of a layer that a restoration made, else empty."""
    record = layer.metadata.get(RECORD_KEY)
    made = isinstance(record, dict) and record.get("method") == "restoration" and "settings" in record
    return record if made else {}
