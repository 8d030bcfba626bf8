"""The outlined cells of the plane that is shown: in the chosen Labels layer, or around clicks."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.method import Method
from napari_diffuscope.viewer.shape.command import labels_image
from napari_diffuscope.viewer.shape.form import ShapeForm
from napari_diffuscope.viewer.shape.outline import MOST_COUNTED, Outlines, numbers_in
from napari_diffuscope.viewer.shape.plane import CellPlane, labels_reader
from napari_diffuscope.viewer.shape.run import ShapePlan
from napari_diffuscope.viewer.shape.texts import NO_CELLS


class OutlinedCells:
    """What cells there are to predict, how many, and the plan that predicts them.

    Parameters
    ----------
    viewer
        The viewer.
    method
        That predicts them.
    form
        Says which image, and which Labels layer, are chosen.
    outlines
        Of cells that were clicked, for where no Labels layer is.
    """

    def __init__(self, viewer: Any, method: Method, form: ShapeForm, outlines: Outlines) -> None:
        self._viewer, self._method, self._form, self._outlines = viewer, method, form, outlines

    @property
    def clicked(self) -> bool:
        """Whether those that were clicked count, not those of a Labels layer."""
        return self._form.labels.layer is None

    def layer(self, plane: CellPlane) -> Any:
        """The layer that outlines the cells of a plane, or ``None``."""
        return self._outlines.layer(plane) if self.clicked else self._form.labels.layer

    def plan(self, plane: CellPlane, only: tuple[int, ...] | None = None) -> ShapePlan:
        """The prediction of some cells of a plane, or of all.

        Raises
        ------
        DiffuscopeError
            If there are none, or something about the settings or the image does not work.
        """
        settings, layer, clicked = self._form.settings(plane), self.layer(plane), self.clicked
        if clicked and (layer is None or not np.any(self._outlines.array(plane))):
            raise DiffuscopeError(NO_CELLS)
        return ShapePlan(
            self._method,
            {"image": plane.image, "labels": labels_image(layer)},
            settings,
            (),
            plane.layer,
            plane.axes,
            self._form.card,
            plane=plane,
            read_labels=labels_reader(self._viewer, layer, plane),
            only=only,
            outlines=layer,
            remarks=self._outlines.remarks(plane) if clicked else {},
            clicked=clicked and only is None,
        )

    def count(self) -> int | None:
        """How many there are; ``None`` where they were not counted.

        Raises
        ------
        DiffuscopeError
            If something about the image or the labels does not work.
        """
        plane = self._form.plane()
        if self.clicked:
            labels = self._outlines.array(plane)
            return 0 if labels is None else numbers_in(labels)
        layer = self._form.labels.layer
        data = layer.data[0] if layer.multiscale else layer.data
        if not isinstance(data, np.ndarray) or data.size > MOST_COUNTED:
            return None
        return numbers_in(labels_reader(self._viewer, layer, plane)())

    def request(self) -> str:
        """What the button says that predicts all of them."""
        try:
            cells = self.count() if self._form.layer is not None else 0
        except DiffuscopeError:
            cells = None
        kind = "clicked" if self.clicked else "labelled"
        if cells == 1:
            return f"Predict the {kind} cell"
        if cells:
            return f"Predict {'the' if self.clicked else 'all'} {cells} {kind} cells"
        return f"Predict all {kind} cells"
