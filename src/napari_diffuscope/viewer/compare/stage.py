"""What all ways of looking share: the view as the user left it, who is shown, the overlay, work in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from napari.layers import Image, Labels, Points, Shapes, Tracks, Vectors
from qtpy.QtWidgets import QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.overlay import Overlay, canvas_of
from napari_diffuscope.viewer.compare.view_state import ViewState, arrange
from napari_diffuscope.viewer.layer_choice import DISPLAY_KEY

#: What is drawn upon images and hides nothing of them.
DRAWN = (Points, Shapes, Vectors, Tracks)


class Stage:
    """Changes what the viewer shows of the compared layers, and knows how it was.

    Parameters
    ----------
    comparison
        The compared layers.
    widget
        A widget in the window of the viewer.
    say
        Takes a sentence for the user, and whether it is an error.
    """

    def __init__(self, comparison: Comparison, widget: QWidget, say: Callable[[str, bool], None]) -> None:
        self.comparison, self.viewer, self.say = comparison, comparison.viewer, say
        self.state = ViewState(self.viewer)
        self.background = Background(widget)
        self.background.failed.connect(self._tell_failed)
        self.other: Any = None
        self.on_leave: Callable[[], None] = lambda: None
        self.widget = widget
        self._overlay: Overlay | None = None

    @property
    def overlay(self) -> Overlay:
        """What is drawn over the canvas."""
        if self._overlay is None:
            canvas = canvas_of(self.widget)
            if canvas is None:
                raise DiffuscopeError(
                    "This window has no image area; dock the comparison in the window of napari."
                )
            self._overlay = Overlay(canvas, lambda: self.on_leave())
        return self._overlay

    @property
    def pair(self) -> tuple[Any, Any]:
        """The reference, and the layer that it is compared with where two are."""
        others = self.comparison.others
        return self.comparison.reference, self.other if self.other in others else others[0]

    def begin(self, give_way: Callable[[], None]) -> None:
        """Remember the view and put the compared layers on top, the reference lowest."""
        self.overlay.clear()  # made before anything is changed
        self.state.take(give_way)
        compared = self.comparison.layers
        arrange(self.viewer, [each for each in self.viewer.layers if each not in compared] + compared)

    def end(self, *, order: bool = True) -> None:
        """Return to the user's view; the order of the layers may be left for later."""
        if self._overlay is not None:
            overlay, self._overlay = self._overlay, None
            try:
                overlay.clear()
                overlay.close_for_good()
            except RuntimeError:  # Qt has deleted the canvas already
                pass
        self.state.restore(order=order)

    def present(self, shown: Iterable[Any], *, drawn: bool = True) -> None:
        """Show some of the compared layers, and what is drawn upon them; hide what else was there at the beginning."""
        shown = list(shown)
        for layer in self.viewer.layers:
            if layer in shown:
                _set(layer, "opacity", self.before(layer, "opacity"))
                _set(layer, "visible", True)
            elif DISPLAY_KEY not in layer.metadata and self.state.knows(layer):
                keep = drawn and isinstance(layer, DRAWN) and self.before(layer, "visible")
                _set(layer, "visible", bool(keep))

    def before(self, layer: Any, name: str) -> Any:
        """How a layer was shown before the comparison."""
        look = self.state.looks(layer)
        return look[name] if name in look else getattr(layer, name)

    def _tell_failed(self, error: DiffuscopeError) -> None:
        self.say(str(error), True)


def look_of(layer: Any) -> dict[str, Any]:
    """Keywords with which a patch looks like a layer."""
    if isinstance(layer, Labels):
        return {"colormap": layer.colormap, "opacity": layer.opacity, "blending": "translucent_no_depth"}
    look = {"opacity": layer.opacity, "gamma": layer.gamma, "blending": "translucent_no_depth"}
    if isinstance(layer, Image) and not layer.rgb:
        look |= {"colormap": layer.colormap, "contrast_limits": tuple(layer.contrast_limits)}
    return look


def _set(layer: Any, name: str, value: Any) -> None:
    if getattr(layer, name) != value:
        setattr(layer, name, value)
