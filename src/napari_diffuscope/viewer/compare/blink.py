"""One after the other in the same place: blinking, fading, or by hand."""

from __future__ import annotations

import time
from typing import Any, Literal

from qtpy.QtCore import QTimer

from napari_diffuscope.viewer.compare.overlay import Caption
from napari_diffuscope.viewer.compare.stage import Stage
from napari_diffuscope.viewer.compare.way import Way

Pace = Literal["blink", "rock", "hand"]
#: Milliseconds between the pictures of a fade.
FRAME = 40


class Blink(Way):
    """Layers alternate; what changes between them jumps to the eye.

    All stay loaded and only their opacity changes, so that nothing is read again.
    """

    name, title, key = "blink", "Blink", "J"
    purpose = "The layers one after the other in the same place, by themselves, fading, or with the key N."
    NEXT_KEY = "N"

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.pace: Pace = "blink"
        self.rate = 2.0
        self._at = 0.0
        self._last = 0.0
        self._inside = False
        self._timer = QTimer(stage.widget)  # it must not outlive the window
        self._timer.timeout.connect(self._tick)

    @property
    def shown(self) -> int:
        """Number of the layer that is seen alone, or fades into the next one."""
        return int(self._at) % max(len(self.comparison.layers), 1)

    def enter(self) -> None:
        """Show the first layer and begin to alternate."""
        self._inside = True
        layers = self.comparison.layers
        self.stage.present(layers)
        for layer in layers:
            layer.blending = "translucent_no_depth"
        self._at = float(self.shown)
        self._show()
        self.set_pace(self.pace, self.rate)

    def leave(self) -> None:
        """Stop, and give the layers their opacity back."""
        self._timer.stop()
        if not self._inside:
            return
        self._inside = False
        for layer in self.comparison.layers:
            layer.opacity = self.stage.before(layer, "opacity")
            layer.blending = self.stage.before(layer, "blending")
        self.stage.overlay.caption([])

    def dress(self) -> None:
        """Layers have other names."""
        if self._inside:
            self._show()

    def set_pace(self, pace: Pace, rate: float) -> None:
        """Blink or rock so many times a second, or wait for the key.

        Parameters
        ----------
        rate
            Layers per second, 0.2 to 10.
        """
        self.pace, self.rate = pace, rate
        self._timer.stop()
        if pace != "rock":
            self._at = float(self.shown)
        self._last = time.monotonic()
        if self._inside:
            self._show()
            if pace != "hand":
                self._timer.start(FRAME if pace == "rock" else round(1000 / rate))

    def advance(self) -> None:
        """Show the next layer."""
        self._at = float((self.shown + 1) % len(self.comparison.layers))
        self._show()

    def _tick(self) -> None:
        if self.pace != "rock":
            self.advance()
            return
        now = time.monotonic()
        self._at = (self._at + (now - self._last) * self.rate) % len(self.comparison.layers)
        self._last = now
        self._show()

    def _show(self) -> None:
        layers = self.comparison.layers
        opacities = shares(self._at, len(layers), fading=self.pace == "rock")
        for layer, share in zip(layers, opacities, strict=True):
            opacity = share * float(self.stage.before(layer, "opacity"))
            if layer.opacity != opacity:
                layer.opacity = opacity
        self.stage.overlay.caption([Caption(_title(layers, self._at, self.pace))])


def shares(at: float, count: int, *, fading: bool) -> list[float]:
    """How much each layer is seen, from 0 to 1, the first being the lowest.

    Of two that fade into each other the lower one stays, and the upper one comes or goes.
    """
    first = int(at) % count
    second = (first + 1) % count
    part = at - int(at) if fading else 0.0
    result = [0.0] * count
    if second > first:
        result[first], result[second] = 1.0, part
    else:
        result[second], result[first] = (1.0 if part else 0.0), 1.0 - part
    return result


def _title(layers: list[Any], at: float, pace: Pace) -> str:
    first = layers[int(at) % len(layers)].name
    if pace != "rock":
        return str(first)
    return f"{first} → {layers[(int(at) + 1) % len(layers)].name}"
