"""One prediction of shapes in a viewer: which cells, and what is shown while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.running import method_job
from napari_diffuscope.methods.shape.cells import Cell, cells_for
from napari_diffuscope.methods.shape.conditions import SIDE
from napari_diffuscope.methods.shape.source import LabelledPlane
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.progress import in_words
from napari_diffuscope.viewer.layer_run import Run
from napari_diffuscope.viewer.planes import counted
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome
from napari_diffuscope.viewer.shape.plane import CellPlane
from napari_diffuscope.viewer.shape.session import ShapeSession

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.result import CellShape

#: Least seconds between two previews of a cell: drawing costs time that the network could use.
PREVIEW_INTERVAL = 0.3
ONLY_CLICKED = " Only cells that were clicked have an outline; for all, choose a Labels layer under Outlines."


@dataclass(frozen=True, eq=False, kw_only=True)
class ShapePlan(RunPlan):
    """What to predict.

    Parameters
    ----------
    plane
        Where.
    read_labels
        Gives the labels ``(Y, X)``; called in the worker.
    only
        Labels to work on, ``None`` for all.
    outlines
        The Labels layer.
    remarks
        What is to be said of outlines, by label.
    clicked
        Whether all cells that were clicked were asked for: others of the image are not outlined.
    """

    plane: CellPlane
    read_labels: Callable[[], np.ndarray]
    only: tuple[int, ...] | None = None
    outlines: Any = None
    remarks: Mapping[int, str] = field(default_factory=dict)
    clicked: bool = False

    @property
    def pixel_size(self) -> float | None:
        """That lengths are counted with: as chosen, else that of the plane."""
        return self.settings.pixel_size or self.plane.pixel_size


class ShapeRun(Run):
    """A run that fills a session; ``finished_cells`` tells that there are new shapes in it."""

    finished_cells = Signal()
    plan: ShapePlan

    def __init__(
        self, viewer: Any, plan: ShapePlan, session: ShapeSession, parent: QObject | None = None
    ) -> None:
        super().__init__(viewer, plan, parent)
        self.session = session
        self.done: list[int] = []
        self.refused: dict[int, str] = {}
        self._told = 0
        self._cells: dict[int, Cell] = {}
        self._current = 0
        self._next_preview = 0.0

    @property
    def layers(self) -> dict[str, Any]:
        """The layers of the session; surfaces have buttons of their own."""
        layers = self.session.layers
        return {kind: layers[kind] for kind in ("probability", "labels") if kind in layers}

    # In the worker

    def make_job(self) -> Job[Any]:
        """The job; what it says of single cells is kept for the table."""
        yield Update(0, 0, "Reading the plane…")
        plan = self.plan
        labels = plan.read_labels()
        cells = cells_for(labels, plan.settings, only=plan.only)
        self._cells = {cell.label: cell for cell in cells}
        for cell in cells:
            if plan.settings.anyway or not cell.refused:
                self.session.reserve(self._window(cell))
        self.session.pixels = pixels = plan.plane.read()
        given = LabelledPlane(pixels, labels, plan.pixel_size)
        options: dict[str, Any] = {"given": given, "only": plan.only, "on_cell": self._take, "keep": False}
        job = method_job(plan.method, plan.inputs, plan.settings, sinks={}, **options)
        return (yield from relayed(job, self._filtered))

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
        self.session.put(shape, self.plan.pixel_size)
        self.done.append(shape.label)

    def _window(self, cell: Cell) -> ShapeWindow:
        plan, card = self.plan, self.plan.card
        side, size = card.size[0] if card and card.size else SIDE, plan.pixel_size
        if plan.settings.window == "plane":
            return ShapeWindow.of_plane(plan.plane.image.plane_shape, pixel_size=size, side=side)
        return ShapeWindow.around(cell, pixel_size=size, extent=card.cell_extent if card else None, side=side)

    # In the window

    def _show_changes(self, volume: bool) -> None:
        self.session.refresh()
        if len(self.done) != self._told:
            self._told = len(self.done)
            self.finished_cells.emit()

    def activity(self) -> str:
        """What is being done, and how far it is."""
        total = len(self._cells)
        if total == 1:
            return f"Cell {self._current}" if self._current else "One cell"
        return f"{len(self.done)} of {total} cells finished" if total else "Looking at the cells…"

    def _settle(self, outcome: Outcome) -> None:
        self.session.complaints.update(self.refused)
        for label in self.done:
            shape = self.session.cells.get(label)
            said = [shape.complaint if shape is not None else "", self.plan.remarks.get(label, "")]
            if any(said):
                self.session.complaints[label] = " ".join(filter(None, said))
            else:
                self.session.complaints.pop(label, None)
        for label in [label for label in self.refused if label not in self.done]:
            self.session.forget(label)
        self.session.record = self._record(outcome)
        self.session.settle()

    def _record(self, outcome: Outcome) -> dict[str, Any]:
        plan, session, record = self.plan, self.session, self.plan.record_of(outcome)
        if outcome.state != "done":
            record["cells"] = [{"label": label} for label in self.done]
        before = session.record
        cells = {cell["label"]: cell for cell in before.get("cells", [])}
        cells |= {cell["label"]: {**cell, "settings": plan.settings.deciding()} for cell in record["cells"]}
        record["cells"] = [cells[label] for label in sorted(cells) if label in session.cells]
        record["refused"] = {
            str(label): text for label, text in session.complaints.items() if label not in session.cells
        }
        record["plane"] = plan.plane.where
        record["axes"] = plan.plane.axes
        record["all_cells"] = plan.only is None
        return record

    def _summary(self, outcome: Outcome) -> str:
        left_out = [label for label in self.refused if label not in self.done]
        if self.plan.only is not None and len(self.plan.only) == 1 and outcome.state == "done":
            return self._one_cell(outcome, self.plan.only[0])
        count = f"{len(self.done)} {'cell' if len(self.done) == 1 else 'cells'}"
        text = (
            f"Finished {count} in {in_words(outcome.seconds)}."
            if outcome.state == "done"
            else f"Cancelled; kept {len(self.done)} of {len(self._cells)} cells."
        )
        cut = [label for label in self.done if label in self.plan.remarks]
        if cut:
            text += f" {counted(len(cut), 'outline')} cut off from neighbours: see the remarks in the table."
        return text + _left_out(left_out) + (ONLY_CLICKED if self.plan.clicked else "")

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
