"""One evaluation of a network on a whole plane, in as many tiles as the memory asks for."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.imaging.memory import TileChoice, choose_tiles, free_memory, smaller_tiles
from napari_diffuscope.imaging.tiles import Region, Tile, core_of, cut, tile_boxes
from napari_diffuscope.methods.backing_off import backed_off, unless_memory_ends
from napari_diffuscope.weights.model import Model

GPU_BATCH = 16


@dataclass(frozen=True)
class TileDone:
    """One tile of one member of the batch has its estimate.

    Parameters
    ----------
    estimate
        ``(C, h, w)`` of the core; ``None`` where nothing was computed.
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


TiledEstimate = Generator[TileDone, None, Tensor]


@dataclass
class Evaluator:
    """Evaluates a network that is local by construction: the tiles fit together bit for bit.

    Parameters
    ----------
    model
        Model whose network reports ``receptive_radius``, ``total_stride`` and ``floats_per_pixel``.
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
    left_out: np.ndarray | None = field(default=None, init=False, repr=False)
    """bool ``(h, w)``: pixels of the region that are taken as the condition has them, without asking the network."""
    mirrored: tuple[int, ...] = field(default=(), init=False)
    """Axes, counted from the last, along which the network sees windows mirrored; what it says is mirrored back."""

    def __post_init__(self) -> None:
        automatic = self._automatic()
        self.choice = TileChoice(self.tile or automatic.tile, self.batch or automatic.batch)

    @property
    def halo(self) -> int:
        """Pixels around a core that decide its values."""
        return int(max(self.model.network.receptive_radius))  # type: ignore[arg-type]

    @property
    def stride(self) -> int:
        """What window sizes are multiples of."""
        return int(max(self.model.network.total_stride))  # type: ignore[arg-type]

    @property
    def origin(self) -> tuple[int, ...]:
        """First pixel of the region."""
        return tuple(start for start, _ in self.region)

    def _automatic(self, default_tile: int | None = None) -> TileChoice:
        on_cpu = self.model.device.type == "cpu"
        return choose_tiles(
            self.shape,
            halo=self.halo,
            stride=self.stride,
            bytes_per_pixel=4.0 * float(self.model.network.floats_per_pixel),  # type: ignore[arg-type]
            free=free_memory(str(self.model.device)),
            default_tile=default_tile or (512 if on_cpu else 1024),
            most_batch=1 if on_cpu else GPU_BATCH,
            region=self.region,
        )

    def tiles(self) -> list[Tile]:
        """Tiles of the region, the middle first."""
        return tile_boxes(
            self.shape,
            tile=self.choice.tile,
            halo=self.halo,
            stride=self.stride,
            region=self.region,
            centre_first=True,
        )

    def members(self) -> int:
        """How many samples go together, so that a call is full."""
        return max(1, self.choice.batch // len(self.tiles()))

    def __call__(
        self, x: Tensor, level: NoiseLevel, condition: Tensor, mirrored: tuple[int, ...] = ()
    ) -> TiledEstimate:
        """Estimate of x₀ for a state.

        Parameters
        ----------
        x
            State of the region, ``(B, C, h, w)``.
        level
            Its noise level.
        condition
            The whole plane, ``(1, Cc, Y, X)``: tiles at the border of the region see what is around it.
        mirrored
            Axes, counted from the last, along which the network sees windows mirrored.

        Returns
        -------
        Tensor
            ``(B, C, h, w)``, mirrored back; yields every tile as it is finished.
        """
        self.mirrored = mirrored
        while True:
            canvas = self._canvas(x)
            fitted = yield from self._fill(canvas, x, level, condition)
            if fitted:
                return self._with_left_out(self._whole(canvas), condition)
            yield TileDone(None, (), 0, self._back_off())

    def _fill(
        self, canvas: Tensor, x: Tensor, level: NoiseLevel, condition: Tensor
    ) -> Generator[TileDone, None, bool]:
        """Evaluate all tiles; ``False`` if memory ran out."""
        context = unless_memory_ends(lambda: self._context(x, level, condition))
        if context is None:
            return False
        pieces = list(product(filter(self._wanted, self.tiles()), range(len(x))))
        for first in range(0, len(pieces), self.choice.batch):
            group = pieces[first : first + self.choice.batch]
            with torch.inference_mode(), context:
                results = unless_memory_ends(partial(self._estimates, group, x, level, condition))
            if results is None:
                return False
            for (tile, member), result in zip(group, results, strict=True):
                core = core_of(result, tile)
                self._place(canvas, core, tile, member)
                yield TileDone(core, tile.core_from(self.origin), member)
        return True

    def _wanted(self, tile: Tile) -> bool:
        """Whether any pixel of a tile is asked for."""
        return self.left_out is None or not bool(self.left_out[tile.core_from(self.origin)].all())

    def _with_left_out(self, whole: Tensor, condition: Tensor) -> Tensor:
        """The estimate, with what is left out as the condition has it, whatever tiles there were."""
        if self.left_out is None:
            return whole
        inside = condition[:, :1, *(slice(start, stop) for start, stop in self.region)]
        return torch.where(torch.from_numpy(self.left_out).to(whole.device), inside, whole)

    def _canvas(self, x: Tensor) -> Tensor:
        return torch.empty_like(x)

    def _context(self, x: Tensor, level: NoiseLevel, condition: Tensor) -> AbstractContextManager[object]:
        """Under what all tiles of one evaluation are computed."""
        return nullcontext()

    def _place(self, canvas: Tensor, core: Tensor, tile: Tile, member: int) -> None:
        canvas[member][:, *tile.core_from(self.origin)] = core

    def _whole(self, canvas: Tensor) -> Tensor:
        return canvas

    def _estimates(
        self, group: Sequence[tuple[Tile, int]], x: Tensor, level: NoiseLevel, condition: Tensor
    ) -> Tensor:
        """Estimates of some windows."""
        windows = torch.cat([cut(condition, tile) for tile, _ in group])
        states = torch.stack([self._state(x[member], tile) for tile, member in group])
        # Windows begin and end at multiples of the stride, so that mirrored ones fit together as well.
        return self._flipped(self.model.estimate(self._flipped(states), level, self._flipped(windows)))

    def _flipped(self, values: Tensor) -> Tensor:
        """Mirrored as asked for, and back; no copy where nothing is."""
        return values.flip(self.mirrored) if self.mirrored else values

    def _state(self, x: Tensor, tile: Tile) -> Tensor:
        """Window of the state, which is known inside the region alone and mirrored at its border."""
        moved = tuple((a - first, b - first) for (a, b), first in zip(tile.window, self.origin, strict=True))
        window: Tensor = cut(x, Tile(tile.core_from(self.origin), moved, tile.inner))
        return window

    def _back_off(self) -> str:
        too_much = f"Not even tiles of {self.choice.tile} pixels fit"
        self.choice = choice = backed_off(lambda: smaller_tiles(self.choice), self.model.device, too_much)
        return f"Memory ran out; going on with tiles of {choice.tile} pixels, {choice.batch} at a time."
