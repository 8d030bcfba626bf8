"""Plugins › Diffuscope › Restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy import ndindex
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.method import Inputs, Output
from napari_diffuscope.methods.records import describe_image, made_with
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import ADAPTATION, RestoreSettings
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.region import current_plane, outward, shown_planes, visible_crop
from napari_diffuscope.viewer.restore.form import RestoreForm
from napari_diffuscope.viewer.restore.looking import Looking
from napari_diffuscope.viewer.results import Plane, Results
from napari_diffuscope.viewer.run_plan import RunPlan
from napari_diffuscope.viewer.widgets import button


class RestoreDock(MethodDock):
    """Removes noise from the chosen layer, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Restore"
    method = RESTORE
    form_kind = RestoreForm
    suffix = "restored"
    form: RestoreForm

    def __init__(self, napari_viewer: Any) -> None:
        self.looking: Looking | None = None
        self._repeated: dict[str, Any] | None = None
        super().__init__(napari_viewer)

    def extra_rows(self) -> list[QWidget]:
        """The button for a layer that is computed where the user looks."""
        self.look_button = button(
            "Restore where I look",
            "Add a layer that is restored where you look, while you move through the image: for images larger than "
            "memory, and to find good settings. It shows the best estimate; until a part of it is ready, the image is "
            "seen. Press again to stop.",
            self.toggle_looking,
        )
        self.look_button.setCheckable(True)
        return [self.look_button]

    def toggle_looking(self) -> None:
        """Begin to restore where the user looks, or stop."""
        looking = self.looking
        self._stop_looking()
        if looking is None:
            self.bar.guarded(self._look)
        self._update_buttons()

    def _look(self) -> None:
        self._check_idle()
        if self.form.layer is None:
            raise DiffuscopeError(self.form.nothing)
        plan = super().plan()
        settings = replace(self.form.settings(), mode="estimate")
        plan = replace(plan, settings=settings, outputs=self.method.outputs(plan.inputs, settings))
        self.form.input.layers.settle()
        self.looking = Looking(self._viewer, plan, self)
        self.looking.told.connect(self.bar.say)
        self.looking.failed.connect(self.bar.fail)
        self.looking.ended.connect(self._forget_looking)
        self._last_results, self._images, self._hidden = [self.looking.layer], [plan.layer], []

    def _stop_looking(self) -> None:
        if self.looking is not None:
            self.looking.close()

    def _forget_looking(self) -> None:
        self.looking = None
        self._update_buttons()

    def _check_idle(self) -> None:
        """A run has the computer for itself."""
        super()._check_idle()
        self._stop_looking()

    def _update_buttons(self, event: Any = None) -> None:
        super()._update_buttons(event)
        self.look_button.setEnabled(bool(self.form.input.together))
        self.look_button.setChecked(self.looking is not None)

    def leave(self) -> None:
        """Stop what is under way and let go of the viewer."""
        self._stop_looking()
        super().leave()

    def settings(self) -> RestoreSettings:
        """Everything that decides the numbers, the region as the window shows it now."""
        settings: RestoreSettings = self.form.settings()
        region = self.form.region.currentData()
        if region == "stack":
            return settings
        if region == "same" and self.form.same_region is not None:
            planes, crop = self.form.same_region
            return replace(settings, planes=planes, crop=crop)
        image, axes, layer = self.form.image(), self.form.input.axes_letters(), self.form.layer
        here = current_plane(self._viewer, layer, axes=axes, image=image)
        crop = visible_crop(self._viewer, layer, axes=axes) if region == "visible" else None
        return replace(settings, planes=shown_planes(image, here, axes=axes), crop=crop)

    def plan(self, layer: Any = None) -> RunPlan:
        """The restoration that the controls ask for."""
        plan = super().plan(layer)
        image, outputs, planes = plan.inputs["image"], plan.outputs, plan.settings.planes
        asked = None if planes is None else frozenset(place_in(outputs[0], image, flat) for flat in planes)

        def notes(results: Results) -> dict[str, Any]:
            return {"planes_done": planes_done(image, outputs, results)}

        return replace(plan, asked=asked, notes=notes)

    def options(self, inputs: Inputs, settings: RestoreSettings) -> dict[str, Any]:
        """The current plane first."""
        image, axes = inputs["image"], self.form.input.axes_letters()
        here = current_plane(self._viewer, self.form.layer, axes=axes, image=image)
        wanted = None if settings.planes is None else set(settings.planes)
        order = [flat for flat in outward(image, here) if wanted is None or flat in wanted]
        return {"order": order} | self._learned_before(image, settings)

    def _learned_before(self, image: Image, settings: RestoreSettings) -> dict[str, Any]:
        """The record whose settings were taken over: what it learned of the same image is not learned again."""
        record = self._repeated
        if not settings.adapt or record is None or not made_with(record, self.method.name, settings):
            return {}
        # Whether the file has the same content still is looked at by the run: that can take long.
        told, now = ({**each, "file": None} for each in (record.get("input") or {}, describe_image(image)))
        return {"repeated": record} if told == now else {}

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result; of one of many that was too small to adapt to, without adapting."""
        if record.get(ADAPTATION) == []:
            record = {**record, "settings": {**record["settings"], "adapt": False}}
        return super().command_of(record)

    def _repeat(self) -> None:
        super()._repeat()
        self._repeated = self._selected_record()

    def activity(self, finished: int, total: int) -> str:
        """What to say while the job says nothing."""
        return f"{finished} of {total} planes finished" if total > 1 else "Restoring this plane"


def place_in(output: Output, image: Image, flat: int) -> Plane:
    """Index in an output of a plane of the input, without the axis of the samples."""
    first = output.origin[len(output.axes) - len(image.axes) : -2]
    return tuple(int(i - o) for i, o in zip(image.plane_index(flat), first, strict=True))


def planes_done(image: Image, outputs: Sequence[Output], results: Results) -> list[int]:
    """Flat numbers, in the input, of the planes that are finished in every output and sample."""

    def done(output: Output, flat: int) -> bool:
        leads = ndindex(output.shape[: len(output.axes) - len(image.axes)])
        place = place_in(output, image, flat)
        return all((*lead, *place) in results.finished[output.name] for lead in leads)

    return [flat for flat in range(image.plane_count) if all(done(output, flat) for output in outputs)]
