"""Plugins › Diffuscope › Restore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.effort import Effort, restore_effort
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.viewer.command import command_for, command_of_record
from napari_diffuscope.viewer.forecast import Work
from napari_diffuscope.viewer.layer_run import RunPlan
from napari_diffuscope.viewer.method_dock import MethodDock
from napari_diffuscope.viewer.region import current_plane, flat_plane, outward, shown_planes, visible_crop
from napari_diffuscope.viewer.restore.form import RestoreForm
from napari_diffuscope.viewer.restore.run import Request, restore_plan, trial_job, trial_settings


class RestoreDock(MethodDock):
    """Removes noise from the chosen layer, live, into new layers.

    Parameters
    ----------
    napari_viewer
        The viewer, given by napari.
    """

    tab_title = "Restore"
    method, result_of = RESTORE.name, RESTORE.result
    form: RestoreForm

    def __init__(self, napari_viewer: Any) -> None:
        form = RestoreForm(napari_viewer, lambda sentence: self.bar.fail(DiffuscopeError(sentence)))
        super().__init__(napari_viewer, form)

    def plan(self, layer: Any = None) -> RunPlan:
        """The restoration that the controls ask for, the current plane first."""
        layer = layer if layer is not None else self.form.layer
        image, settings = self.form.image(layer), self.settings()
        axes, order = self.form.input.axes_letters(), self._order(image, settings)
        return restore_plan(Request(layer, image, axes, settings, order, self.form.card))

    def settings(self) -> RestoreSettings:
        """Everything that decides the numbers, the region as the window shows it now."""
        settings, region = self.form.settings(), self.form.region.currentData()
        if region == "stack":
            return settings
        if region == "same" and self.form.same_region is not None:
            planes, crop = self.form.same_region
            return replace(settings, planes=planes, crop=crop)
        image, axes, layer = self.form.image(), self.form.input.axes_letters(), self.form.layer
        here = current_plane(self._viewer, layer, axes=axes, image=image)
        crop = visible_crop(self._viewer, layer, axes=axes) if region == "visible" else None
        return replace(settings, planes=shown_planes(image, here, axes=axes), crop=crop)

    def work(self) -> Work | None:
        """Planes, samples and steps of the restoration that the controls ask for."""
        card, layers = self.form.card, self.form.input.together
        if card is None or not layers:
            return None
        settings = self.settings()
        effort = restore_effort(self.form.image(), settings, card.diffusion)
        return Work(effort, len(layers), self.method, settings.model, settings.device)

    def trial(self) -> tuple[Callable[[], Job[Any]], Effort]:
        """A few evaluations of a part of the current plane."""
        card, image = self.form.card, self.form.image()
        assert card is not None
        here = current_plane(self._viewer, self.form.layer, axes=self.form.input.axes_letters(), image=image)
        settings = trial_settings(self.form.settings(), card, image, flat_plane(image, here))
        return lambda: trial_job(image, settings), restore_effort(image, settings, card.diffusion)

    def command(self) -> tuple[str, str]:
        """Command line of what the controls ask for."""
        return command_for(
            RESTORE,
            self.form.image(),
            self.settings(),
            layer_axes=self.form.input.layer_axes(),
            suffix="restored",
        )

    def command_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Command line that made a result."""
        return command_of_record(RESTORE, record, self.settings_of(record), suffix="restored")

    def _order(self, image: Image, settings: RestoreSettings) -> list[int]:
        here = current_plane(self._viewer, self.form.layer, axes=self.form.input.axes_letters(), image=image)
        wanted = None if settings.planes is None else set(settings.planes)
        return [flat for flat in outward(image, here) if wanted is None or flat in wanted]
