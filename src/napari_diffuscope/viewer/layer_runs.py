"""Several runs as one: the layers of an image whose channels napari has split, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.progress import in_words
from napari_diffuscope.viewer.layer_run import ADDED_UP, LayerRun
from napari_diffuscope.viewer.planes import counted
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.runner import Outcome


@dataclass(frozen=True)
class _Results:
    """What the jobs returned, as far as they came."""

    results: tuple[Any, ...]


class LayerRuns(QObject):
    """The runs of several layers, in one job; like a `LayerRun` to the dock.

    Parameters
    ----------
    viewer, parent
        As for a `LayerRun`.
    plans
        What to do with each layer.
    """

    abandoned = Signal()

    def __init__(self, viewer: Any, plans: Sequence[RunPlan], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.runs = [LayerRun(viewer, plan, self) for plan in plans]
        self._current = self.runs[0]
        self._returned: list[Any] = []
        for run in self.runs:
            run.abandoned.connect(self._on_abandoned)

    @property
    def layers(self) -> dict[str, Any]:
        """The layers that are left."""
        return {
            f"{number} {key}": layer
            for number, run in enumerate(self.runs)
            for key, layer in run.layers.items()
        }

    def make_job(self) -> Job[_Results]:
        """The jobs one after the other; called in the worker."""
        for number, run in enumerate(self.runs):
            if not run.layers:  # the user deleted them
                self._returned.append(None)
                continue
            self._current = run
            self._returned.append((yield from relayed(run.make_job(), partial(self._counted, number))))
        return _Results(tuple(self._returned))

    def _counted(self, number: int, update: Update) -> Update:
        """The same update, counted over all layers: each takes as long as the others."""
        done = number * update.total + update.done if number else update.done
        return replace(update, done=done, total=len(self.runs) * update.total)

    def paint(self, update: Update) -> None:
        """Take over what an update shows; called in the worker."""
        self._current.paint(update)

    def refresh(self) -> None:
        """Show what changed."""
        for run in self.runs:
            run.refresh()

    def activity(self) -> str:
        """What is being done, and how far it is."""
        number = self.runs.index(self._current) + 1
        name = self._current.plan.layer.name
        return f"{name} ({number} of {len(self.runs)}): {self._current.activity()}"

    def finish(self, outcome: Outcome) -> str:
        """Leave only what is finished; returns a sentence on how it went."""
        finished, said = 0, []
        for number, run in enumerate(self.runs):
            done = number < len(self._returned) and self._returned[number] is not None
            own = replace(outcome, state="done", result=self._returned[number]) if done else outcome
            sentence = run.finish(own)
            finished += done
            said += [] if done else [f"{run.plan.layer.name}: {sentence}"]
        if outcome.state == "done" and finished == len(self.runs):
            # the result of a layer that is not added up covers all images
            remark = ADDED_UP * all(run.added_up for run in self.runs)
            return f"Finished {counted(finished, 'layer')} in {in_words(outcome.seconds)}.{remark}"
        return f"Finished {finished} of {counted(len(self.runs), 'layer')}. {' '.join(said)}"

    def _on_abandoned(self) -> None:
        if not self.layers:
            self.abandoned.emit()
