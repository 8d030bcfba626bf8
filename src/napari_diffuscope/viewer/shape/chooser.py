"""From places in an image to cells: labels of the user, or outlines drawn around clicks and corrected."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.layers import same_selection
from napari_diffuscope.viewer.shape.form import ShapeForm
from napari_diffuscope.viewer.shape.outline import Outlines, label_at
from napari_diffuscope.viewer.shape.plane import CellPlane, labels_reader
from napari_diffuscope.viewer.widgets import guarded

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.segment import Outline

Place = tuple[float, float]
Drawn = list[tuple[Place, "Outline"]]
Labels = tuple[int, ...]
#: Milliseconds that the sensitivity has to rest before the last cell is predicted anew.
REST = 600


class CellChooser(QObject):
    """Finds or outlines the cells at places, and asks for their shapes.

    ``asked`` brings a plane and the labels in it whose shapes are wanted, ``said`` a sentence, ``failed`` a
    `DiffuscopeError`; ``outlining`` tells that this takes a moment, ``chose`` that another cell is the last one.

    Parameters
    ----------
    viewer
        The viewer.
    form
        Says where outlines come from, and how they are drawn.
    background
        Where they are computed.
    mark
        Put into the metadata of layers of outlines.
    """

    asked = Signal(object, object)
    said = Signal(str)
    failed = Signal(object)
    outlining = Signal()
    chose = Signal()

    def __init__(self, viewer: Any, form: ShapeForm, background: Background, mark: Mapping[str, Any]) -> None:
        super().__init__()
        self._viewer, self._form, self._background = viewer, form, background
        self.outlines = Outlines(viewer, mark)
        self._last: tuple[CellPlane, int, Place] | None = None
        self.rest = QTimer(self)
        self.rest.setSingleShot(True)
        self.rest.setInterval(REST)
        self.rest.timeout.connect(self._predict_rested)
        form.labels.layer_changed.connect(self._forget)
        form.outline_changed.connect(partial(guarded, self.failed.emit, self._outline_anew))

    @property
    def last(self) -> tuple[CellPlane, int] | None:
        """Plane and label of the cell that was chosen last."""
        return None if self._last is None else self._last[:2]

    def at_places(self, plane: CellPlane, places: list[Place]) -> None:
        """Ask for the cells at some places of a plane.

        Raises
        ------
        DiffuscopeError
            If something about the settings or the image does not work.
        """
        self._form.settings(plane)  # what is amiss with them is said before anything is drawn
        if self._form.labels.layer is None:
            self._outline_places(plane, places)
        else:
            self._labels_at(plane, places)

    def again(self) -> None:
        """Ask for the last cell with its outline as it is now.

        Raises
        ------
        DiffuscopeError
            If there is none.
        """
        if self._last is None:
            raise DiffuscopeError("No cell was clicked yet; click on one.")
        plane, label, _ = self._last
        self.asked.emit(plane, (label,))

    def close(self) -> None:
        """Ask for nothing more."""
        self.rest.stop()

    def _labels_at(self, plane: CellPlane, places: list[Place]) -> None:
        """Ask for the labels of the user at some places."""
        layer = self._form.labels.layer
        read = labels_reader(self._viewer, layer, plane)

        def work() -> Generator[None, None, list[int]]:
            labels = read()
            yield
            return [label_at(labels, place) for place in places]

        def then(found: list[int]) -> None:
            wanted = tuple(dict.fromkeys(label for label in found if label))
            if not wanted:
                raise DiffuscopeError(
                    f"There is no label of {layer.name!r} at the click; click on a labelled cell."
                )
            self._choose(plane, wanted[-1], places[-1])
            self.asked.emit(plane, wanted)

        self._start(work, then)

    def _outline_places(self, plane: CellPlane, places: list[Place]) -> None:
        """Outline what is not outlined yet, and ask for all."""
        found = [self.outlines.at(plane, *place) for place in places]
        new = [place for place, label in zip(places, found, strict=True) if not label]
        known = [label for label in found if label]
        if known:
            self._choose(plane, known[-1], places[found.index(known[-1])])
        if not new:
            self.asked.emit(plane, tuple(dict.fromkeys(known)))
            return
        self.outlining.emit()

        def then(drawn: Drawn) -> None:
            labels = [self._draw(plane, 0, place, outline) for place, outline in drawn]
            if self._form.at_once.isChecked():
                self.asked.emit(plane, tuple(dict.fromkeys([*known, *labels])))
            else:
                remark = self.outlines.remarks(plane).get(labels[-1], "")
                self.said.emit(
                    f"Cell {labels[-1]} is outlined; correct it, then press Predict again. {remark}".strip()
                )

        self._start(self._segmenting(plane, new), then)

    def _segmenting(
        self, plane: CellPlane, places: list[Place], *, anew: int = 0
    ) -> Callable[[], Generator[None, None, Drawn]]:
        """Work that outlines cells; ``anew`` is a label whose pixels are free again."""
        labels = self.outlines.array(plane)
        taken = np.zeros(plane.image.plane_shape, bool) if labels is None else (labels > 0) & (labels != anew)
        choices = self._form.outlining()

        def work() -> Generator[None, None, Drawn]:
            from napari_diffuscope.methods.shape.segment import segment_around

            pixels, outlines = plane.read(), []
            for place in places:
                yield
                if label_at(taken, place):
                    continue  # the cell of a point before
                outline = segment_around(pixels, place, taken=taken, **choices)
                taken[outline.slices] |= outline.mask
                outlines.append((place, outline))
            return outlines

        return work

    def _draw(self, plane: CellPlane, label: int, place: Place, outline: Outline) -> int:
        with same_selection(self._viewer):
            number = self.outlines.draw(plane, label, outline)
        self._choose(plane, number, place)
        return number

    def _outline_anew(self) -> None:
        """The sensitivity was changed: the last cell is outlined anew, at once."""
        if self._last is None or self._form.labels.layer is not None:
            return
        plane, label, place = self._last
        if self.outlines.layer(plane) is None:
            return

        def then(drawn: Drawn) -> None:
            for _, outline in drawn:
                self._draw(plane, label, place, outline)
            if self._form.at_once.isChecked():
                self.rest.start()

        self.rest.stop()
        self._start(self._segmenting(plane, [place], anew=label), then, key="sensitivity")

    def _predict_rested(self) -> None:
        if self._form.sensitivity.slider.isSliderDown() or self._background.busy:
            self.rest.start()
        else:
            guarded(self.failed.emit, self.again)

    def _choose(self, plane: CellPlane, label: int, place: Place) -> None:
        self._last = (plane, label, place)
        self.chose.emit()

    def _forget(self) -> None:
        self._last = None
        self.chose.emit()

    def _start(
        self, work: Callable[[], Generator[Any, None, Any]], then: Callable[[Any], None], *, key: str = ""
    ) -> None:
        self._background.start(work, lambda result: guarded(self.failed.emit, partial(then, result)), key=key)
