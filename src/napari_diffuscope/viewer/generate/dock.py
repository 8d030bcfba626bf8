"""Plugins › Diffuscope › Generate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.commands import command_line
from napari_diffuscope.methods.generate import GENERATE
from napari_diffuscope.methods.generate.keeping import Kept, entry, write_kept
from napari_diffuscope.methods.generate.settings import RESULT, GenerateSettings
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.generate.form import GenerateForm
from napari_diffuscope.viewer.generate.gallery import Gallery
from napari_diffuscope.viewer.generate.pairs_dock import DISCARDED
from napari_diffuscope.viewer.layer_run import LayerRun
from napari_diffuscope.viewer.method_dock import OUTPUT, MethodDock
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome


class GenerateDock(MethodDock):
    """Makes images from noise, live, into one stack; the good ones can be kept and saved.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Generate"
    method = GENERATE
    form_kind = GenerateForm
    form: GenerateForm

    def __init__(self, napari_viewer: Any) -> None:
        self.gallery = Gallery(lambda: self.bar.guarded(self._ask_and_save_kept), self.open_pairs)
        self._judged: list[Any] = []
        self._stack: Any = None
        super().__init__(napari_viewer)
        self.gallery.chosen.connect(self._show_image)
        self.gallery.marked.connect(self._note_discarded)
        napari_viewer.dims.events.point.connect(self._follow_view)

    def extra_rows(self) -> list[QWidget]:
        """The images of the last run."""
        return [self.gallery]

    def inputs(self, layer: Any = None) -> Inputs:
        """An image to start from and a mask, where they are chosen."""
        return self.form.inputs()

    def options(self, inputs: Inputs, settings: Any) -> dict[str, Any]:
        """Where the job puts what it says of each image."""
        self._judged = []
        return {"judged": self._judged}

    def activity(self, finished: int, total: int) -> str:
        """What to say while the job says nothing."""
        return f"{finished} of {total} images finished" if total > 1 else "Generating…"

    # While it runs

    def start(self, *plans: RunPlan) -> None:
        """Start a run; its images appear in the gallery as they are finished."""
        super().start(*plans)
        self.gallery.begin()
        self._stack = self._last_results[0]
        for key, kept in (("K", True), ("X", False)):
            self._stack.bind_key(key, self._marker(kept), overwrite=True)

    def _marker(self, kept: bool) -> Any:
        def mark(layer: Any) -> None:
            if layer == self._stack:
                self.gallery.mark(self._number_in_view(), kept)
            else:
                self.bar.say("The gallery shows a later run; images of this one can no longer be marked.")

        return mark

    def refresh(self) -> None:
        """Show what changed, and the images that were finished."""
        super().refresh()
        if isinstance(self._run, LayerRun):
            self._add_finished(self._run)

    def ran(self, run: Any, outcome: Outcome) -> None:
        """Show the last images, and what is said of all of them."""
        self._add_finished(run)
        card = getattr(outcome.result, "record", {}).get("card")
        self.gallery.sum_up(card["words"] if card else ())

    def _add_finished(self, run: LayerRun) -> None:
        array, finished = run.results.arrays[RESULT], sorted(run.results.finished[RESULT])
        if not finished:
            return
        planes = array.reshape(-1, *array.shape[-2:])
        shown = planes[finished[0][0] if finished[0] else 0]
        limits = run.results.limits.get(RESULT) or (float(np.nanmin(shown)), float(np.nanmax(shown)))
        scores = dict(self._judged)
        for plane in finished:
            number = plane[0] if plane else 0
            self.gallery.add(number, planes[number], limits, scores.get(number))

    def _number_in_view(self) -> int | None:
        """Number of the image of the last run that is on the screen."""
        if self._stack is None or self._stack not in self._viewer.layers:
            return None
        if self._stack.ndim == 2:
            return 0
        return round(float(self._stack.world_to_data(np.asarray(self._viewer.dims.point))[-3]))

    def _show_image(self, number: int) -> None:
        if self._stack is not None and self._stack in self._viewer.layers and self._stack.ndim == 3:
            axis = self._viewer.dims.ndim - 3
            self._viewer.dims.set_point(axis, float(self._stack.data_to_world((number, 0, 0))[0]))

    def _follow_view(self, event: Any = None) -> None:
        number = self._number_in_view()
        if number is not None:
            self.gallery.show_number(number)

    def leave(self) -> None:
        """Stop the run and let go of the viewer."""
        self.form.disconnect_viewer()
        self._viewer.dims.events.point.disconnect(self._follow_view)
        super().leave()

    def _note_discarded(self) -> None:
        """Say on the stack which images are left out, for pairs."""
        if self._stack is not None and self._stack in self._viewer.layers:
            self._stack.metadata[DISCARDED] = [n for n, kept in self.gallery.kept.items() if not kept]

    def open_pairs(self) -> Any:
        """Open the dock that makes training pairs, of the images of the last run."""
        _, pairs = self._viewer.window.add_plugin_dock_widget("napari-diffuscope", "Training pairs")
        pairs.layer.choose(self._stack)
        return pairs

    # Files

    def _ask_and_save_kept(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "An empty folder for the kept images")
        if folder:
            self.save_kept(Path(folder))

    def save_kept(self, folder: Path) -> None:
        """Save the images that are kept, in the background.

        Raises
        ------
        DiffuscopeError
            If there are none, or a run is under way.
        """
        if self.runner.running:
            raise DiffuscopeError("Images are still being made; cancel the run or wait for its end.")
        if self._stack is None or self._stack not in self._viewer.layers:
            raise DiffuscopeError("There are no images to save; generate some.")
        data = np.asarray(self._stack.data)
        planes = data.reshape(-1, *data.shape[-2:])
        kept, scores = dict(self.gallery.kept), dict(self.gallery.scores)
        record = dict(self._stack.metadata[RECORD_KEY])
        images = [
            Kept(n, planes[n], kept[n], entry(n, scores[n]) if n in scores else None) for n in sorted(kept)
        ]
        unit, scale = str(self._stack.units[-1]), float(self._stack.scale[-1])
        self.bar.say("Saving…")
        self._saving.start(lambda: write_kept(folder, images, record, scale=scale, unit=unit), self._tell)

    # The command line

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for, and what to do with it."""
        sources = {name: image.source for name, image in self.inputs().items()}
        return _command(self.form.settings(), sources)

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result, and what to do with it."""
        sources = {name: record[name].get("source") for name in ("like", "mask") if record.get(name)}
        return _command(self.settings_of(record), sources)

    def _repeat(self) -> None:
        super()._repeat()
        if missing := self.form.choose_inputs(self._selected_record()):
            self.bar.say(f"{self.bar.status.text()} It was made from {missing[0]!r}, which is not open.")


def _command(settings: GenerateSettings, sources: Mapping[str, str | None]) -> tuple[str, str]:
    """The command line, with placeholders for layers that are in no file."""
    files, unsaved = {}, []
    for name, source in sources.items():
        file = source if source and Path(source).exists() else f"{name.upper()}.tif"
        unsaved += [file] if file != source else []
        files[name] = file
    text = command_line(GENERATE, [], OUTPUT, settings, optional=files)
    if not unsaved:
        return text, "Copied; paste it into a terminal."
    return text, f"Copied. Save what it starts from as {' and '.join(unsaved)} first."
