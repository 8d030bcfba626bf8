"""What the user's window showed, and the way back to it, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

GRID = ("enabled", "shape", "stride", "spacing")
CAMERA = ("center", "zoom", "angles", "perspective")
SCALE_BAR = ("visible", "gridded")
#: Of layers that have it. The range is put back before the limits, which it would cut.
LAYER = ("visible", "opacity", "blending", "contrast_limits_range", "contrast_limits")

#: Who has changed the view of a viewer at the moment.
_holders: dict[int, ViewState] = {}


class ViewState:
    """Remembers how a viewer shows its layers, and puts that back.

    One comparison at a time changes a viewer: who takes its state makes the one before put its own back first, so that
    what is remembered is always the user's.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: list[tuple[Any, dict[str, Any]]] = []
        self._window: dict[str, Any] | None = None
        self._give_way: Callable[[], None] = self.restore
        self._order_due: list[Any] = []

    @property
    def taken(self) -> bool:
        """Whether there is something to put back."""
        return self._window is not None

    def take(self, give_way: Callable[[], None] | None = None) -> None:
        """Remember what the window shows, unless that is done already.

        Parameters
        ----------
        give_way
            Called when somebody else wants to change the view; must end with `restore`, which it is by default.
        """
        if self.taken:
            return
        self.restore_order()
        before = _holders.get(_identity(self._viewer))
        if before is not None:
            before._give_way()
        self._layers = [(layer, _looks(layer)) for layer in self._viewer.layers]
        self._window = self._window_now()
        self._give_way = give_way or self.restore
        _holders[_identity(self._viewer)] = self

    def knows(self, layer: Any) -> bool:
        """Whether a layer was there when the view was remembered."""
        return any(layer == known for known, _ in self._layers)

    def looks(self, layer: Any) -> dict[str, Any]:
        """How a layer was shown; empty for one that came later."""
        return next((looks for known, looks in self._layers if layer == known), {})

    def restore(self, *, order: bool = True) -> None:
        """Return to the view as it was; layers that came meanwhile stay as they are, above the others.

        Parameters
        ----------
        order
            Also the order of the layers; otherwise `restore_order` does that later. While napari removes a layer,
            which it knows by its number alone, the order must stay, or another layer goes.
        """
        window, self._window = self._window, None
        layers, self._layers = self._layers, []
        if window is None:
            return
        _holders.pop(_identity(self._viewer), None)
        there = [(layer, looks) for layer, looks in layers if layer in self._viewer.layers]
        with ExitStack() as steps:  # runs them all, the last one first, whatever goes wrong with one of them
            steps.callback(self._put_back_window, window)
            self._order_due = [layer for layer, _ in there]
            if order:
                steps.callback(self.restore_order)
            for layer, looks in there:
                steps.callback(_put_back, layer, looks)
            # One view first: napari counts the scale bars of cells before it has counted the cells.
            steps.callback(setattr, self._viewer.canvas.grid, "enabled", False)
            steps.callback(setattr, self._viewer.canvas.overlays.scale_bar, "gridded", False)

    def _window_now(self) -> dict[str, Any]:
        viewer = self._viewer
        return {
            "grid": _values(viewer.canvas.grid, GRID),
            "camera": _values(viewer.scene.camera, CAMERA),
            "bar": _values(viewer.canvas.overlays.scale_bar, SCALE_BAR),
            "order": tuple(viewer.dims.order),
            "ndisplay": viewer.dims.ndisplay,
        }

    def restore_order(self) -> None:
        """Put the layers back into their order, where that is still to be done."""
        before, self._order_due = self._order_due, []
        now = list(self._viewer.layers)
        wanted = [layer for layer in before if layer in now]
        if not wanted:
            return
        wanted += [layer for layer in now if layer not in wanted]
        arrange(self._viewer, wanted)

    def _put_back_window(self, window: dict[str, Any]) -> None:
        viewer = self._viewer
        _set(viewer.canvas.overlays.scale_bar, window["bar"])
        _set(viewer.canvas.grid, window["grid"])
        added = viewer.dims.ndim - len(window["order"])
        order = (*range(added), *(axis + added for axis in window["order"]))
        viewer.dims.order = order if added >= 0 else tuple(range(viewer.dims.ndim))
        viewer.dims.ndisplay = window["ndisplay"]
        _set(viewer.scene.camera, window["camera"])


def arrange(viewer: Any, layers: list[Any]) -> None:
    """Put all layers of a viewer into an order, the lowest first."""
    for place, layer in enumerate(layers):  # one by one: napari 0.9 fails on some orders of several at once
        if viewer.layers[place] != layer:
            viewer.layers.move(viewer.layers.index(layer), place)


@contextmanager
def restored_on_error(state: ViewState) -> Iterator[None]:
    """Put the view back where something goes wrong, and let the error go on."""
    try:
        yield
    except Exception:
        state.restore()
        raise


def _looks(layer: Any) -> dict[str, Any]:
    looks = _values(layer, [name for name in LAYER if hasattr(layer, name)])
    looks["name"] = _values(layer.name_overlay, ("font_size", "visible"))
    looks["planes"] = [plane.model_dump() for plane in layer.experimental_clipping_planes]
    return looks


def _put_back(layer: Any, looks: dict[str, Any]) -> None:
    looks = dict(looks)
    name, planes = looks.pop("name"), looks.pop("planes")
    for each, value in looks.items():
        if getattr(layer, each) != value:
            with suppress(ValueError):  # pixels of another type came meanwhile
                setattr(layer, each, value)
    _set(layer.name_overlay, name)
    if planes or len(layer.experimental_clipping_planes):
        layer.experimental_clipping_planes = planes


def _values(model: Any, names: Any) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names}


def _set(model: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(model, name, value)


def _identity(viewer: Any) -> int:
    return id(getattr(viewer, "__wrapped__", viewer))
