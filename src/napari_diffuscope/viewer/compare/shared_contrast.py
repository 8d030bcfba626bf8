"""One contrast for all compared images, that of the reference, also while it is changed."""

from __future__ import annotations

from typing import Any

from napari.layers import Image

from napari_diffuscope.viewer.compare.stage import Stage
from napari_diffuscope.viewer.contrast import joined


class SharedContrast:
    """Keeps the contrast limits of grey images the same for a while.

    Parameters
    ----------
    stage
        Knows the compared layers, and their own contrast.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._layers: list[Any] = []
        self._setting = False

    def share(self) -> None:
        """Give all images the contrast of the first one, and let all follow each."""
        self.let_go()
        self._layers = [
            each for each in self._stage.comparison.layers if isinstance(each, Image) and not each.rgb
        ]
        if not self._layers:
            return
        self._give(tuple(self._layers[0].contrast_limits))
        for layer in self._layers:
            layer.events.contrast_limits.connect(self._follow)

    def let_go(self) -> None:
        """Let the images change by themselves, keeping their limits."""
        for layer in self._layers:
            layer.events.contrast_limits.disconnect(self._follow)
        self._layers = []

    def give_back(self) -> None:
        """Give each image the contrast that it had."""
        layers = self._layers
        self.let_go()
        for layer in layers:
            for name in ("contrast_limits_range", "contrast_limits"):
                setattr(layer, name, self._stage.before(layer, name))

    def _follow(self, event: Any) -> None:
        if not self._setting:
            self._give(tuple(event.source.contrast_limits))

    def _give(self, limits: tuple[float, ...]) -> None:
        self._setting = True
        try:
            for layer in self._layers:
                if tuple(layer.contrast_limits) != limits:
                    layer.contrast_limits_range = joined([layer.contrast_limits_range, limits])
                    layer.contrast_limits = limits
        finally:
            self._setting = False
