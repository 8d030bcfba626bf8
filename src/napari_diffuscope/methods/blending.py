"""Tiles for networks that are not local: published ones with attention or group normalisation.

Their output at a pixel depends on the whole window, so tiles cannot fit together exactly. What fits is evaluated
whole. Larger planes are cut into windows that overlap by half, and at every step the estimates of x₀ are blended
before the solver moves the whole plane on; blending finished samples instead would average different samples.
Group normalisation takes its statistics from the window in the middle, so that all windows are scaled alike.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.imaging.memory import SHARE, TileChoice, free_memory
from napari_diffuscope.imaging.tiles import Region, Tile, cut
from napari_diffuscope.methods.evaluation import Evaluator
from napari_diffuscope.methods.overlapping import evenly_spread, taper
from napari_diffuscope.networks.statistics import FrozenStatistics, statistics_of
from napari_diffuscope.weights.model import Model

OVERLAP = 0.5
"""Share of a window that its neighbour covers too."""


@dataclass
class BlendedEvaluator(Evaluator):
    """Evaluates a network with attention or group normalisation in overlapping windows."""

    @property
    def halo(self) -> int:
        """None: a window is all that such a network sees."""
        return 0

    def _automatic(self, default_tile: int | None = None) -> TileChoice:
        """The whole plane where it fits and the network allows it, else the size it was trained with."""
        card = self.model.card
        trained = card.size[-1] if card.size else 256
        extent = max(stop - start for start, stop in self.region)
        pixels = _up(extent, self.stride) ** 2
        needed = 4.0 * float(self.model.network.floats_per_pixel) * pixels  # type: ignore[arg-type]
        fits = needed <= SHARE * free_memory(str(self.model.device))
        # The EDM2 network's one attention layer was trained on 32 x 32 tokens: it is given no more.
        whole = fits and (card.network.kind != "edm2-unet" or extent <= trained)
        return TileChoice(extent if whole else trained)

    def tiles(self) -> list[Tile]:
        """Overlapping windows that cover the region."""
        axes = [_windows(start, stop, self.choice.tile, self.stride) for start, stop in self.region]
        boxes = []
        for windows in product(*axes):
            core = tuple(
                slice(a, min(b, stop)) for (a, b), (_, stop) in zip(windows, self.region, strict=True)
            )
            inner = tuple(slice(0, part.stop - a) for part, (a, _) in zip(core, windows, strict=True))
            boxes.append(Tile(core, windows, inner))
        return boxes

    def _context(self, x: Tensor, level: NoiseLevel, condition: Tensor) -> AbstractContextManager[object]:
        tiles = self.tiles()
        if len(tiles) == 1:
            return nullcontext()
        middle = tiles[len(tiles) // 2]
        with torch.inference_mode(), statistics_of(self.model.network) as statistics:
            self.model.estimate(self._state(x[0], middle)[None], level, cut(condition, middle))
        return FrozenStatistics(self.model.network, statistics)

    def _canvas(self, x: Tensor) -> Tensor:
        """Weighted sum of the estimates, and in a last channel the sum of the weights."""
        return x.new_zeros(x.shape[0], x.shape[1] + 1, *x.shape[2:])

    def _place(self, canvas: Tensor, core: Tensor, tile: Tile, member: int) -> None:
        weight = taper(tile.window_shape).to(core)[tile.inner]
        target = canvas[member][:, *tile.core_from(self.origin)]
        target[:-1] += core * weight
        target[-1] += weight

    def _whole(self, canvas: Tensor) -> Tensor:
        return canvas[:, :-1] / canvas[:, -1:]


def evaluator_for(
    model: Model, shape: tuple[int, int], region: Region, *, tile: int | None = None, batch: int | None = None
) -> Evaluator:
    """The evaluator that suits a network."""
    kind = Evaluator if hasattr(model.network, "receptive_radius") else BlendedEvaluator
    return kind(model, shape, region, tile, batch)


def _up(value: int, stride: int) -> int:
    return -(-value // stride) * stride


def _windows(start: int, stop: int, tile: int, stride: int) -> list[tuple[int, int]]:
    """Windows of one size, evenly spread from ``start``, the last one reaching ``stop``."""
    size = _up(min(tile, stop - start), stride)
    firsts = evenly_spread(stop - start, size, max(round(size * (1 - OVERLAP)), 1))
    return [(start + first, start + first + size) for first in firsts]
