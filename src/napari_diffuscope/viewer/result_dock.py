"""What can be done with the results of a dock: save them, stretch their contrast, hide their image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from qtpy.compat import isalive

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.contrast import Stretch
from napari_diffuscope.viewer.layer_choice import is_result
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.run_bar import RunBar
from napari_diffuscope.viewer.runner import JobRunner
from napari_diffuscope.viewer.save_result import ask_path, saving
from napari_diffuscope.viewer.tabs import TabbedWidget
from napari_diffuscope.viewer.widgets import button


class ResultDock(TabbedWidget):
    """A dock that runs a method, as far as its results go.

    Parameters
    ----------
    viewer
        The viewer, given by napari.
    """

    method: Method
    result_of = ""
    """What one result is called, where the method's word does not do."""

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.result_of = self.result_of or self.method.result
        self._viewer = viewer
        self._left = False
        self._last_results: list[Any] = []
        self._images: list[Any] = []
        self._hidden: list[Any] = []
        self._saving = Background()
        self._saving.failed.connect(self._tell_failed)
        self.contrast = Stretch(viewer)
        self.runner = JobRunner(self, frames_per_second=preferences().preview_rate)
        self.bar = RunBar(self.runner, self.run)
        self.save_button = button(
            "Save result…",
            "Save the selected result, or the last one, as TIFF or OME-Zarr with its pixel size, units, axes and "
            "record: opened again, it can be repeated.",
            self.save_result,
        )
        self.stretch_button = button(
            "Stretch contrast",
            "Results are shown in the contrast of their image. Press to fit the contrast to what is shown of the "
            "selected result, or of the last ones; press again to return.",
            self.toggle_contrast,
        )
        self.stretch_button.setCheckable(True)
        self.hide_button = button(
            "Hide the image",
            "Hide the image of the last results, to see them alone; press again to show it. "
            "Where layers are added up on the screen, an image and its result are too bright together.",
            self.toggle_image,
        )
        self.hide_button.setCheckable(True)

    def run(self) -> None:
        """Start with the settings shown."""
        raise NotImplementedError

    def toggle_contrast(self) -> None:
        """Stretch the contrast of results, or return to that of their image."""
        if self.contrast.on:
            self.contrast.give_back()
        else:
            self.contrast.stretch(self._results_to_stretch())
        self._update_buttons()

    def toggle_image(self) -> None:
        """Hide the images of the last results, or show those that were hidden so."""
        hidden, self._hidden = self._hidden, []
        if not hidden:
            self._hidden = [image for image in self._images if image in self._viewer.layers and image.visible]
        for image in hidden or self._hidden:
            image.visible = bool(hidden)
        self._update_buttons()

    def save_result(self) -> None:
        """Ask for a file and save a result."""
        self.bar.guarded(self._ask_and_save)

    def save_to(self, path: Path) -> None:
        """Save the selected result, or the last one, in the background.

        Raises
        ------
        DiffuscopeError
            If there is none, or the name does not do.
        """
        work = saving(self._viewer, self._result_to_save(), path)
        self.bar.say("Saving…")
        self._saving.start(lambda: work, self._tell)

    def _ask_and_save(self) -> None:
        path = ask_path(self, self._result_to_save())
        if path is not None:
            self.save_to(path)

    def _results_to_stretch(self) -> list[Any]:
        """The selected results, else those of the last run that are left; uncertainties have their own contrast."""
        selected = [layer for layer in self._viewer.layers.selection if is_result(layer)]
        left = [layer for layer in self._last_results if layer in self._viewer.layers]
        return [layer for layer in selected or left if isinstance(layer, Image)]

    def _result_to_save(self) -> Any:
        if self._selected_record():
            return self._viewer.layers.selection.active
        there = [layer for layer in self._last_results if layer in self._viewer.layers]
        if not there:
            raise DiffuscopeError(f"There is no {self.result_of} to save yet; run one, or select its layer.")
        return there[-1]

    @property
    def _gone(self) -> bool:
        """Whether nobody can read the dock: napari took it away, or deleted it with its whole window."""
        return self._left or not isalive(self)

    def _tell(self, sentence: str) -> None:
        """Where the user looks, also after the dock was closed."""
        if self._gone:
            show_info(sentence)
        else:
            self.bar.say(sentence)

    def _tell_failed(self, error: DiffuscopeError) -> None:
        if self._gone:
            show_error(str(error))
        else:
            self.bar.fail(error)

    def _selected_record(self) -> dict[str, Any]:
        """Record of the selected layer, empty where the method did not make it."""
        active = self._viewer.layers.selection.active
        record = active.metadata.get(RECORD_KEY) if active is not None else None
        if not isinstance(record, dict) or "settings" not in record or record.get("method") not in METHODS:
            return {}
        return record if METHODS[record["method"]].name == self.method.name else {}

    def _update_buttons(self, event: Any = None) -> None:
        selected, there = bool(self._selected_record()), self._viewer.layers
        self.hide_button.setEnabled(any(image in there for image in self._images))
        self.hide_button.setChecked(bool(self._hidden))
        self.stretch_button.setChecked(self.contrast.on)
        self.stretch_button.setEnabled(self.contrast.on or bool(self._results_to_stretch()))
        self.save_button.setEnabled(selected or any(layer in there for layer in self._last_results))
