"""Looking at compared layers: which way is on, the keys, and the way back to the user's view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.compare.blink import Blink
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.difference import Difference
from napari_diffuscope.viewer.compare.grid import Grid
from napari_diffuscope.viewer.compare.keys import Keys
from napari_diffuscope.viewer.compare.shared_contrast import SharedContrast
from napari_diffuscope.viewer.compare.stage import Stage
from napari_diffuscope.viewer.compare.swipe import Swipe
from napari_diffuscope.viewer.compare.way import Way

#: Milliseconds between a move of the camera and the drawing that follows it.
FOLLOW = 25


class Looking(QObject):
    """Switches between the ways to look, and ends them.

    Whatever goes wrong on the way, the user's view comes back first, and then the error is shown.
    Signals: ``changed``, another way or none; ``said``, a sentence and whether it is an error.

    Parameters
    ----------
    comparison
        The compared layers.
    widget
        A widget in the window of the viewer.
    """

    changed = Signal()
    said = Signal(str, bool)

    def __init__(self, comparison: Comparison, widget: QWidget) -> None:
        super().__init__(widget)
        self.comparison = comparison
        self.stage = Stage(comparison, widget, self.said.emit)
        self.grid, self.swipe = Grid(self.stage), Swipe(self.stage)
        self.blink, self.difference = Blink(self.stage), Difference(self.stage)
        self.ways: dict[str, Way] = {
            way.name: way for way in (self.grid, self.swipe, self.blink, self.difference)
        }
        self.contrast = SharedContrast(self.stage)
        self.keys = Keys(comparison.viewer, self._actions())
        self._way: Way | None = None
        self._shared = False
        self._resumed = ""
        self._watched: list[Any] = []
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(FOLLOW)
        self._timer.timeout.connect(self._follow)
        comparison.viewer.layers.events.removing.connect(self._on_removing)
        comparison.changed.connect(self._on_changed)
        comparison.moved.connect(self._later)
        comparison.edited.connect(self._on_edited)
        comparison.renamed.connect(self._dress)

    @property
    def way(self) -> str:
        """Name of the way that is on; empty for none."""
        return self._way.name if self._way is not None else ""

    def show(self, name: str) -> None:
        """Look at the layers in one of the ways."""
        if self.comparison.complaint:
            self.said.emit(self.comparison.complaint, True)
            return
        self._safely(lambda: self._switch(self.ways[name]))

    def end(self, *, keep_layers: bool = False) -> None:
        """Return to the user's view; does nothing where no way is on.

        Parameters
        ----------
        keep_layers
            Remove the layers of the comparison, and put all into their order, only when napari is done with what it
            does now; until then they are hidden.
        """
        way, self._way = self._way, None
        if way is None and not self.stage.state.taken:
            return
        try:
            self._watch(False)
            self.keys.release()
            self.contrast.let_go()
            if way is not None:
                way.leave()
            if keep_layers:
                QTimer.singleShot(0, self._clear)
            else:
                self._clear()
        finally:
            self.stage.end(order=not keep_layers)
            self.changed.emit()

    def _clear(self) -> None:
        if self._way is None:
            for each in self.ways.values():
                each.clear()
            self.stage.state.restore_order()

    def share_contrast(self, shared: bool) -> None:
        """Show all images with the contrast of the reference, or each with its own."""
        self._shared = shared
        if self._way is not None:
            self._safely(self.contrast.share if shared else self.contrast.give_back)

    def compare_with(self, layer: Any) -> None:
        """Choose which layer stands against the reference where two are shown."""
        if layer != self.stage.other:
            self.stage.other = layer
            if self._way is not None:
                self._safely(self._enter_anew)

    def do(self, action: Callable[[], None]) -> None:
        """Change how a way shows the layers."""
        self._safely(action)

    def leave_viewer(self) -> None:
        """End, and let go of the viewer."""
        self.end()
        self.stage.background.close()
        self.comparison.viewer.layers.events.removing.disconnect(self._on_removing)

    def _actions(self) -> dict[str, Callable[[], None]]:
        actions: dict[str, Callable[[], None]] = {}
        for way in self.ways.values():
            actions[way.key] = lambda name=way.name: self.show(name)  # type: ignore[misc]
        return actions | {Blink.NEXT_KEY: self._advance}

    def _advance(self) -> None:
        if self._way is self.blink:
            self._safely(self.blink.advance)

    def _switch(self, way: Way) -> None:
        before = self._way
        if before is way:
            return
        self._begin()
        if before is not None:
            before.leave()
        try:
            way.enter()
        except DiffuscopeError:
            self._return_to(before)
            raise
        self._way = way
        self.changed.emit()

    def _begin(self) -> None:
        if self._way is not None:
            return
        self.said.emit("", False)
        self.stage.begin(self.end)
        if self._shared:
            self.contrast.share()
        self.keys.bind()
        self._watch(True)

    def _return_to(self, way: Way | None) -> None:
        """After a way that cannot show these layers: the one before, or the user's view."""
        if way is not None:
            way.enter()
        else:
            self.end()

    def _enter_anew(self) -> None:
        way = self._way
        if way is None:
            return
        way.leave()
        for each in self.ways.values():
            each.forget()
        way.enter()

    def _safely(self, action: Callable[[], None]) -> None:
        """Do something; a sentence is said, and after anything unforeseen the user's view comes back."""
        try:
            action()
        except DiffuscopeError as error:
            if self._way is None:
                self.end()
            self.said.emit(str(error), True)
        except Exception:
            self.end()
            raise

    def _on_changed(self) -> None:
        """Other layers are chosen, or one was removed: go on with those that are left, or end."""
        if self._way is not None:
            self._resumed = self.way
            self.end()
        if self._resumed:
            QTimer.singleShot(0, self._resume)  # when napari is done with what it removes

    def _on_removing(self, event: Any) -> None:
        """A compared layer is about to go: the user's view comes back while it is still there."""
        if self._way is not None and self.comparison.viewer.layers[event.index] in self.comparison.layers:
            self._resumed = self.way
            self.end(keep_layers=True)  # napari may be about to remove them as well

    def _resume(self) -> None:
        name, self._resumed = self._resumed, ""
        if name:
            self.show(name)

    def _on_edited(self) -> None:
        for way in self.ways.values():
            way.forget()
        self._later()

    def _later(self, event: Any = None) -> None:
        if self._way is not None and not self._timer.isActive():
            self._timer.start()

    def _follow(self) -> None:
        if self._way is not None:
            self._safely(self._way.follow)

    def _dress(self, event: Any = None) -> None:
        if self._way is not None:
            self._safely(self._way.dress)

    def _watch(self, watch: bool) -> None:
        viewer = self.comparison.viewer
        camera = viewer.scene.camera.events
        for emitter in (camera.center, camera.zoom, camera.angles, viewer.canvas.events.size):
            (emitter.connect if watch else emitter.disconnect)(self._later)
        for layer in self._watched:
            for emitter in _appearance(layer):
                emitter.disconnect(self._dress)
        self._watched = self.comparison.layers if watch else []
        for layer in self._watched:
            for emitter in _appearance(layer):
                emitter.connect(self._dress)


def _appearance(layer: Any) -> list[Any]:
    events = layer.events
    if isinstance(layer, Image):
        return [events.contrast_limits, events.colormap, events.gamma]
    return [events.colormap]
