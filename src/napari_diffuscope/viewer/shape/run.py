"""One prediction of shapes in a viewer: which cells, and what is shown while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.running import method_job
from napari_diffuscope.methods.shape.cells import Cell, cells_for
from napari_diffuscope.methods.shape.conditions import SIDE
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.shape.source import LabelledPlane
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.viewer.layer_run import VOLUME_INTERVAL, early_record_of
from napari_diffuscope.viewer.planes import counted
from napari_diffuscope.viewer.progress import in_words
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.shape.plane import CellPlane
from napari_diffuscope.viewer.shape.session import ShapeSession
from napari_diffuscope.weights.card import ModelCard

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.result import CellShape

#: Least seconds between two previews of a cell: drawing costs time that the network could use.
PREVIEW_INTERVAL = 0.3
#: Evaluations of a trial.
TRIAL_STEPS = 3
ONLY_CLICKED = " Only cells that were clicked have an outline; for all, choose a Labels layer under Outlines."


@dataclass(frozen=True, eq=False)
class ShapeRequest:
    """What to predict.

    Parameters
    ----------
    plane
        Where.
    read_labels
        Gives the labels ``(Y, X)``; called in the worker.
    labels
        What they were taken from, for the record.
    settings
        How.
    only
        Labels to work on, ``None`` for all.
    card
        Of the model, ``None`` for a checkpoint without.
    layer
        The Labels layer.
    remarks
        What is to be said of outlines, by label.
    clicked
        Whether all cells that were clicked were asked for: others of the image are not outlined.
    """

    plane: CellPlane
    read_labels: Callable[[], np.ndarray]
    labels: Image
    settings: ShapeSettings
    only: tuple[int, ...] | None = None
    card: ModelCard | None = None
    layer: Any = None
    remarks: Mapping[int, str] = field(default_factory=dict)
    clicked: bool = False


class ShapeRun(QObject):
    """A request while it is worked on.

    ``finished_cells`` tells that there are new shapes in the session. When the user deletes the last of its layers,
    ``abandoned`` is emitted.
    """

    abandoned = Signal()
    finished_cells = Signal()

    def __init__(self, request: ShapeRequest, session: ShapeSession, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.request = request
        self.session = session
        self.done: list[int] = []
        self.refused: dict[int, str] = {}
        self._told = 0
        self._cells: dict[int, Cell] = {}
        self._current = 0
        self._next_preview = 0.0
        self._next_volume = 0.0
        self._deleted = False

    # In the worker

    def make_job(self) -> Job[Any]:
        """The job; what it says of single cells is kept for the table."""
        yield Update(0, 0, "Reading the plane…")
        request = self.request
        labels = request.read_labels()
        cells = cells_for(labels, request.settings, only=request.only)
        self._cells = {cell.label: cell for cell in cells}
        for cell in cells:
            if request.settings.anyway or not cell.refused:
                self.session.reserve(self._window(cell))
        self.session.pixels = pixels = request.plane.read()
        size = request.settings.pixel_size or request.plane.pixel_size
        given = LabelledPlane(pixels, labels, size)
        options = {"given": given, "only": request.only, "on_cell": self._take, "keep": False}
        job = method_job(SHAPE, self._inputs, request.settings, sinks={}, **options)
        return (yield from relayed(job, self._filtered))

    @property
    def _inputs(self) -> dict[str, Image]:
        return {"image": self.request.plane.image, "labels": self.request.labels}

    def _filtered(self, update: Update) -> Update:
        label = int(update.output) if update.output else 0
        self._current = label or self._current
        if label and update.warning:
            self.refused[label] = update.message
            return replace(update, warning=False)
        return update

    def paint(self, update: Update) -> None:
        """Show the current estimate of a cell."""
        if update.preview is None or update.final or time.monotonic() < self._next_preview:
            return
        label = int(update.output)
        self.session.preview(label, np.asarray(update.preview, np.float32), self._window(self._cells[label]))
        self._next_preview = time.monotonic() + PREVIEW_INTERVAL

    def _take(self, shape: CellShape) -> None:
        self.refused.pop(shape.label, None)
        size = self.request.settings.pixel_size or self.request.plane.pixel_size
        self.session.put(shape, size)
        self.done.append(shape.label)

    def _window(self, cell: Cell) -> ShapeWindow:
        plane, card, settings = self.request.plane, self.request.card, self.request.settings
        side = card.size[0] if card and card.size else SIDE
        size = settings.pixel_size or plane.pixel_size
        if settings.window == "plane":
            return ShapeWindow.of_plane(plane.image.plane_shape, pixel_size=size, side=side)
        return ShapeWindow.around(cell, pixel_size=size, extent=card.cell_extent if card else None, side=side)

    # In the window

    def refresh(self, *, volume: bool = False) -> None:
        """Show what changed; ``volume`` where the window shows 3D, which costs far more."""
        if volume and time.monotonic() < self._next_volume:
            return
        self.session.refresh()
        self._next_volume = time.monotonic() + VOLUME_INTERVAL
        if len(self.done) != self._told:
            self._told = len(self.done)
            self.finished_cells.emit()

    def activity(self) -> str:
        """What is being done, and how far it is."""
        total = len(self._cells)
        if total == 1:
            return f"Cell {self._current}" if self._current else "One cell"
        return f"{len(self.done)} of {total} cells finished" if total else "Looking at the cells…"

    def delete(self) -> None:
        """The user deleted the last layer."""
        self._deleted = True
        self.abandoned.emit()

    def finish(self, outcome: Outcome) -> str:
        """Leave only finished cells, with their record; returns a sentence on how it went."""
        self.session.complaints.update(self.refused)
        for label in self.done:
            shape = self.session.cells.get(label)
            said = [shape.complaint if shape is not None else "", self.request.remarks.get(label, "")]
            if any(said):
                self.session.complaints[label] = " ".join(filter(None, said))
            else:
                self.session.complaints.pop(label, None)
        for label in [label for label in self.refused if label not in self.done]:
            self.session.forget(label)
        self.session.record = self._record(outcome)
        self.session.settle()
        return self._summary(outcome)

    def _record(self, outcome: Outcome) -> dict[str, Any]:
        request, session = self.request, self.session
        if outcome.state == "done":
            record = dict(outcome.result.record)
        else:
            record = early_record_of(SHAPE, self._inputs, request.settings, request.card, outcome)
            record["cells"] = [{"label": label} for label in self.done]
        before = session.record
        cells = {cell["label"]: cell for cell in before.get("cells", [])}
        cells |= {
            cell["label"]: {**cell, "settings": request.settings.deciding()} for cell in record["cells"]
        }
        record["cells"] = [cells[label] for label in sorted(cells) if label in session.cells]
        record["refused"] = {
            str(label): text for label, text in session.complaints.items() if label not in session.cells
        }
        record["plane"] = request.plane.where
        record["axes"] = request.plane.axes
        record["all_cells"] = request.only is None
        return record

    def _summary(self, outcome: Outcome) -> str:
        if self._deleted:
            return "The result layers were deleted, so the run was cancelled."
        left_out = [label for label in self.refused if label not in self.done]
        if self.request.only is not None and len(self.request.only) == 1 and outcome.state == "done":
            return self._one_cell(outcome, self.request.only[0])
        count = f"{len(self.done)} {'cell' if len(self.done) == 1 else 'cells'}"
        text = (
            f"Finished {count} in {in_words(outcome.seconds)}."
            if outcome.state == "done"
            else f"Cancelled; kept {len(self.done)} of {len(self._cells)} cells."
        )
        cut = [label for label in self.done if label in self.request.remarks]
        if cut:
            text += f" {counted(len(cut), 'outline')} cut off from neighbours: see the remarks in the table."
        return text + _left_out(left_out) + (ONLY_CLICKED if self.request.clicked else "")

    def _one_cell(self, outcome: Outcome, label: int) -> str:
        if label in self.refused and label not in self.done:
            return self.refused[label]
        agreement = self.session.cells[label].mask_agreement
        complaint = self.session.complaints.get(label, "")
        return (
            f"Cell {label} in {in_words(outcome.seconds)}; its middle plane agrees with the outline to "
            f"{agreement:.0%}. {complaint}".strip()
        )


def _left_out(labels: Sequence[int]) -> str:
    if not labels:
        return ""
    if len(labels) == 1:
        return f" Cell {labels[0]} was left out; the table says why."
    return f" {len(labels)} cells were left out; the table says why."


def trial_settings(settings: ShapeSettings, card: ModelCard) -> ShapeSettings:
    """Settings of a few evaluations, which tell how long one takes."""
    only = card.diffusion.estimate_only
    return replace(
        settings, mode="estimate" if only else "sample", steps=None if only else TRIAL_STEPS, solver=None
    )


def trial_job(settings: ShapeSettings) -> Job[Any]:
    """The shape of a disc, which nobody sees."""
    y, x = np.mgrid[-48:48, -48:48]
    disc = (y**2 + x**2 < 20**2).astype(np.uint8)
    inputs = {"image": Image.wrap(disc * 200, "YX"), "labels": Image.wrap(disc, "YX")}
    chosen = replace(settings, plane=None, pixel_size=1.0)
    return method_job(SHAPE, inputs, chosen, sinks={}, keep=False)
