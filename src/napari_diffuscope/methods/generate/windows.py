"""Which windows of an image its network is given, so that a pixel gets the same value in every tile.

A network that is local by construction sees its piece and what is around it as far as it reaches; at the border of the
image it sees the border, as in training. The windows of any other network lie at fixed places, overlap by half, and
their estimates are blended: at every step, so that one image comes of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.methods.overlapping import Range, evenly_spread
from napari_diffuscope.weights.model import Model

UNKNOWN_WINDOW = 128
"""Edge of the windows of a network that is not local and does not say on which size it was trained."""


@dataclass(frozen=True)
class Reach:
    """How a network sees an image.

    Parameters
    ----------
    stride
        Windows start at multiples of it and are multiples of it long.
    radius
        How far a network sees that is local.
    window
        Edge of the windows of any other; 0 for local ones.
    """

    stride: int
    radius: int = 0
    window: int = 0

    @classmethod
    def of(cls, model: Model) -> Reach:
        """The reach of a model's network."""
        network = model.network
        stride = int(max(network.total_stride))  # type: ignore[arg-type]
        if hasattr(network, "receptive_radius"):
            return cls(stride, int(max(network.receptive_radius)))  # type: ignore[arg-type]
        return cls(stride, window=max(model.card.size) if model.card.size else UNKNOWN_WINDOW)

    def padded(self, shape: tuple[int, int], name: str) -> tuple[int, int]:
        """Height and width of the state of an image, whole strides.

        Raises
        ------
        DiffuscopeError
            If the network is given at least its window, and the image is smaller.
        """
        if min(shape) < self.window:
            raise DiffuscopeError(
                f"{name} makes images of {self.window} pixels and more each way, not {min(shape)}; "
                "choose a larger size."
            )
        height, width = (-(-length // self.stride) * self.stride for length in shape)
        return height, width

    def windows(self, wanted: Region, shape: tuple[int, int], edge: int) -> list[Region]:
        """Windows that decide the wanted pixels, in order; inside the image.

        Parameters
        ----------
        wanted
            A piece, of at most ``edge`` pixels each way, which starts at a multiple of ``edge``.
        shape
            Of the image.
        edge
            Of the pieces, a multiple of ``stride``. All windows have one shape: the memory of each would be kept.
        """
        rows, columns = (self._along(part, length, edge) for part, length in zip(wanted, shape, strict=True))
        return list(product(rows, columns))

    def _along(self, wanted: Range, length: int, edge: int) -> list[Range]:
        start, stop = wanted
        if not self.window:
            halo = -(-self.radius // self.stride) * self.stride
            long = min(edge + 2 * halo, length)
            first = min(max(start - halo, 0), length - long)
            return [(first, first + long)]
        firsts = evenly_spread(length, self.window)
        return [
            (first, first + self.window) for first in firsts if first < stop and first + self.window > start
        ]
