"""One evaluation of a network on a whole plane, in as many tiles as the memory asks for."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.errors import OutOfMemory
from napari_diffuscope.imaging.memory import (
    TileChoice,
    backed_off,
    choose_tiles,
    free_memory,
    is_out_of_memory,
)
from napari_diffuscope.imaging.tiles import Tile, core_of, cut, tile_boxes
from napari_diffuscope.weights.model import Model

Region = tuple[tuple[int, int], tuple[int, int]]
GPU_BATCH = 16


@dataclass(frozen=True)
class TileDone:
    """One tile of one member of the batch has its estimate.

    Parameters
    ----------
    estimate
        ``(C, h, w)`` of the core.
    box
        Where it lies in the region.
    member
        Which member of the batch.
    message
        What had to be changed to get here; empty if nothing.
    """

    estimate: Tensor | None
    box: tuple[slice, ...]
    member: int
    message: str = ""


Evaluation = Generator[TileDone, None, Tensor]


@dataclass
class LocalEvaluator:
    """Evaluates a network that is local by construction: the tiles fit together bit for bit.

    Parameters
    ----------
    model
        Model whose network reports ``receptive_radius`` and ``total_stride``.
    shape, region
        Of the plane, and of the part of it that is wanted.
    tile, batch
        Chosen by the user, or ``None`` to decide from the free memory.
    """

    model: Model
    shape: tuple[int, int]
    region: Region
    tile: int | None = None
    batch: int | None = None
    choice: TileChoice = field(init=False)

    def __post_init__(self) -> None:
        device = self.model.device
        network = self.model.network
        self._halo, self._stride = max(network.receptive_radius), max(network.total_stride)  # type: ignore[arg-type]
        automatic = choose_tiles(
            self.shape,
            halo=self._halo,
            stride=self._stride,
            bytes_per_pixel=4.0 * float(network.floats_per_pixel),  # type: ignore[arg-type]
            free=free_memory(str(device)),
            default_tile=512 if device.type == "cpu" else 1024,
            most_batch=1 if device.type == "cpu" else GPU_BATCH,
            region=self.region,
        )
        self.choice = TileChoice(self.tile or automatic.tile, self.batch or automatic.batch)

    def tiles(self) -> list[Tile]:
        """Tiles of the region, the middle first."""
        return tile_boxes(
            self.shape,
            tile=self.choice.tile,
            halo=self._halo,
            stride=self._stride,
            region=self.region,
            centre_first=True,
        )

    def members(self) -> int:
        """How many samples go together, so that a call is full."""
        return max(1, self.choice.batch // len(self.tiles()))

    def __call__(self, x: Tensor, level: NoiseLevel, condition: Tensor) -> Evaluation:
        """Estimate of x₀ for a state.

        Parameters
        ----------
        x
            State of the region, ``(B, C, h, w)``.
        level
            Its noise level.
        condition
            The whole plane, ``(1, Cc, Y, X)``: tiles at the border of the region see what is around it.

        Returns
        -------
        Tensor
            ``(B, C, h, w)``; yields every tile as it is finished.
        """
        estimate = torch.empty_like(x)
        pieces = list(product(self.tiles(), range(len(x))))
        done = 0
        while done < len(pieces):
            group = pieces[done : done + self.choice.batch]
            results = self._try(group, x, level, condition)
            if results is None:
                yield TileDone(None, (), 0, self._back_off())
                pieces, done = list(product(self.tiles(), range(len(x)))), 0
                continue
            for (tile, member), result in zip(group, results, strict=True):
                box = tile.core_from([start for start, _ in self.region])
                core = estimate[member][:, *box]
                core.copy_(core_of(result, tile))
                yield TileDone(core, box, member)
            done += len(group)
        return estimate

    def _try(
        self, group: Sequence[tuple[Tile, int]], x: Tensor, level: NoiseLevel, condition: Tensor
    ) -> Tensor | None:
        """Estimates of some windows, or ``None`` if memory ran out."""
        try:
            with torch.inference_mode():
                windows = torch.cat([cut(condition, tile) for tile, _ in group])
                states = torch.stack([self._state(x[member], tile) for tile, member in group])
                return self.model.estimate(states, level, windows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None

    def _state(self, x: Tensor, tile: Tile) -> Tensor:
        """Window of the state, which is known inside the region alone and mirrored at its border."""
        window: Tensor = cut(x, _moved(tile, [start for start, _ in self.region]))
        return window

    def _back_off(self) -> str:
        gc.collect()
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        smaller = backed_off(self.choice)
        if smaller is None:
            raise OutOfMemory(
                f"Not even tiles of {self.choice.tile} pixels fit into the memory of {self.model.device}; "
                "close other programs or choose another device."
            )
        self.choice = smaller
        return f"Memory ran out; going on with tiles of {smaller.tile} pixels, {smaller.batch} at a time."


def _moved(tile: Tile, origin: Sequence[int]) -> Tile:
    window = tuple((a - first, b - first) for (a, b), first in zip(tile.window, origin, strict=True))
    return Tile(tile.core_from(origin), window, tile.inner)
