"""A layer that is restored where the user looks: for images larger than memory, and to find good settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import in_bytes
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.records import RECORD_KEY, begun_record, note_card
from napari_diffuscope.viewer.looked_at import LookedAt, Square, squares_in
from napari_diffuscope.viewer.region import current_plane, flat_plane, visible_crop
from napari_diffuscope.viewer.result_layers import ResultLayer
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import JobRunner, Outcome

if TYPE_CHECKING:
    from napari_diffuscope.methods.restore.parts import Part, PartMaker

LABEL = "restored where I look"
MOST_BYTES, MEMORY_SHARE = 2**30, 0.25
"""Of what was computed so much is kept, and at most such a share of the free memory."""

MOST_PIXELS = 2**26
"""Of a plane that a layer can show at full size without making the window slow: 8,192 x 8,192."""

PAUSE = 150
"""Milliseconds for which the view has to stand still before something is computed."""


class Looking(QObject):
    """Computes what is in view of one layer, in the background, and keeps it; ends when its layer is deleted.

    ``told`` brings a sentence, ``failed`` a `DiffuscopeError`, ``ended`` that it is over.

    Parameters
    ----------
    viewer
        The viewer.
    plan
        The restoration of the whole image, a best estimate.

    Raises
    ------
    DiffuscopeError
        For images that cannot be looked at like this.
    """

    told = Signal(str)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, viewer: Any, plan: RunPlan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._plan, self._open = viewer, plan, True
        _check(plan)
        self._maker: PartMaker | None = None
        self._wanted: list[Square] = []
        self._lock = Lock()
        self._changed = False
        shown = ResultLayer(replace(plan.outputs[0], label=LABEL), plan)
        most = min(MOST_BYTES, int(MEMORY_SHARE * free_memory("cpu")))
        self.pixels = LookedAt(shown.output.shape, most)
        shown.add(viewer, self.pixels, over=False)
        self.layer = shown.layer
        self.layer.metadata[RECORD_KEY] = self._record(most) | {"output": shown.output.name}
        self.runner = JobRunner(self)
        self.runner.progressed.connect(lambda _: self._show())
        self.runner.warned.connect(self.told)
        self.runner.ended.connect(self._on_ended)
        self._timer = QTimer(self, interval=PAUSE, singleShot=True)
        self._timer.timeout.connect(self.look)
        self._watch(True)
        self._later()

    def look(self) -> None:
        """Compute what is in view and not known yet, from the middle outwards."""
        squares = [square for square in self._in_view() if square not in self.pixels]
        with self._lock:
            self._wanted = squares
        if squares and not self.runner.running:
            self.told.emit("Restoring what is in view…")
            self.runner.start(self._job)

    def close(self) -> None:
        """Stop; what is known stays in the layer."""
        if not self._open:
            return
        self._open = False
        self._watch(False)
        self._timer.stop()
        with self._lock:
            self._wanted = []
        self.runner.cancel()
        self._let_go()
        self.ended.emit()

    def _in_view(self) -> Iterator[Square]:
        plan, image = self._plan, self._plan.inputs["image"]
        if not self._open or not self.layer.visible:
            return
        try:
            view = visible_crop(self._viewer, self.layer, axes=plan.axes)
        except DiffuscopeError as error:  # in 3D, or moved out of the window
            self.told.emit(str(error))
            return
        yield from squares_in(current_plane(self._viewer, self.layer, axes=plan.axes, image=image), view)

    # In the worker

    def _job(self) -> Job[None]:
        if self._maker is None:
            from napari_diffuscope.methods.restore.parts import PartMaker

            self._maker = PartMaker(self._plan.inputs["image"], self._plan.settings)
        return self._maker.job(self._following, self._take)

    def _following(self) -> Part | None:
        with self._lock:
            if not self._wanted:
                return None
            self._current = square = self._wanted.pop(0)
        return flat_plane(self._plan.inputs["image"], square.place), square.rectangle(self.pixels.plane)

    def _take(self, part: Part, values: np.ndarray) -> None:
        self.pixels.put(self._current, values)
        self._changed = True

    # In the window

    def _let_go(self) -> None:
        """What was computed belongs to the layer alone, and goes with it."""
        if not self._open and not self.runner.running:
            self._maker, self.pixels = None, LookedAt((1, 1), 0)

    def _show(self) -> None:
        if self._changed and self.layer in self._viewer.layers:
            self._changed = False
            self.layer.refresh(extent=False)

    def _on_ended(self, outcome: Outcome) -> None:
        self._show()
        if outcome.error is not None:
            self.failed.emit(outcome.error)
            self.close()
        elif self._open:
            self.told.emit("What is in view is restored.")
            self._later()  # the view may have moved just now
        self._let_go()

    def _later(self, event: Any = None) -> None:
        self._timer.start()

    def _on_removed(self, event: Any) -> None:
        if self.layer == event.value:  # the event may bring a proxy
            self.close()

    def _watch(self, watch: bool) -> None:
        viewer = self._viewer
        changes = (viewer.scene.camera.events, viewer.dims.events.point, viewer.dims.events.ndisplay)
        for emitter in (*changes, self.layer.events.visible):
            (emitter.connect if watch else emitter.disconnect)(self._later)
        removed = viewer.layers.events.removed
        (removed.connect if watch else removed.disconnect)(self._on_removed)

    def _record(self, most: int) -> dict[str, Any]:
        plan = self._plan
        record = begun_record(plan.method, plan.inputs, plan.settings) | {"axes": plan.axes}
        note_card(record, plan.settings.model, plan.card)
        record["messages"].append(
            f"Computed where somebody looked; the last {in_bytes(most)} are kept, and elsewhere there is no value."
        )
        return record


def _check(plan: RunPlan) -> None:
    image = plan.inputs["image"]
    if plan.layer.rgb:
        raise DiffuscopeError(
            f"{plan.layer.name!r} is a colour image, of which no such layer is made; choose the visible area, or split "
            "its colours."
        )
    height, width = image.plane_shape
    if height * width > MOST_PIXELS:
        raise DiffuscopeError(
            f"Planes of {height} x {width} pixels are too large for a layer that is not shown at several sizes; choose "
            "the visible area instead."
        )
