"""Slices at right angles to the planes, through the network and back into a volume."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import torch
from torch import Tensor

from napari_diffuscope.diffusion.ancestral import split_variance
from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.schedule import NoiseLevel
from napari_diffuscope.imaging.memory import free_memory
from napari_diffuscope.methods.backing_off import backed_off, unless_memory_ends
from napari_diffuscope.methods.overlapping import Range, overlap, taper
from napari_diffuscope.methods.superres.windows import Ranges, Reach, hull
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import Model

ALONG_X, ALONG_Y = 0, 1
"""XZ slices, one for every y; YZ slices, one for every x."""

CALL_BYTES = {"cpu": 128 * 2**20}
"""Memory that one network call is planned for; larger calls are no faster on a CPU."""

GPU_CALL_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Condition:
    """What is known of a part of a volume, in network values.

    Parameters
    ----------
    values
        ``(Z, Y, X)``: measured planes, and linear interpolation between them.
    known
        ``(Z,)``: which planes are measured.
    origin
        Place of the first voxel in the volume.
    """

    values: Tensor
    known: Tensor
    origin: tuple[int, int, int]


def slices_beside(card: ModelCard) -> int:
    """Number of slices on each side of one that a model is shown: what its condition has beyond 2 channels."""
    return max(0, card.condition_channels - 2) // 2


@dataclass
class SliceModel:
    """A model of 2D images, used on slices whose first axis is z.

    Parameters
    ----------
    model
        Its network takes the state, and with ``condition_channels`` 2 also the interpolation and the mask of known
        rows (1 where known); with more, then the interpolations of the slices beside it as well, first those before
        it.
    batch
        Slices per network call, ``None`` to decide from the memory.

    Notes
    -----
    Known rows of the state are overwritten with their clean values before every evaluation (Jiang et al., CVPRW
    2024), at pure noise as well, where the rest of the state is zero. A model that also sharpens along z has no
    clean values of these rows: its state is left as it is.
    """

    model: Model
    batch: int | None = None
    reach: Reach = field(init=False)

    def __post_init__(self) -> None:
        self.reach = Reach.of(self.model)

    @property
    def beside(self) -> int:
        """Number of slices on each side of one that the network is shown."""
        return slices_beside(self.model.card)

    @property
    def replaces(self) -> bool:
        """Whether the known rows of the state are overwritten."""
        return self.model.card.axial_fwhm is None

    def estimate(self, x: Tensor, level: NoiseLevel, condition: Tensor, known: Tensor) -> Tensor:
        """Estimate of the clean slices.

        Parameters
        ----------
        x
            State ``(B, C, Z, L)``.
        level
            Its noise level.
        condition
            ``(B, S, Z, L)``: interpolation of the slices, and of those beside them, if any.
        known
            ``(Z,)``, boolean.

        Returns
        -------
        Tensor
            ``(B, C, Z, L)``.
        """
        card = self.model.card
        if level.alpha == 0:
            x = torch.zeros_like(x)
        if self.replaces:
            x = torch.where(known[:, None], condition[:, :1], x)
        inputs = slice_inputs(x, condition, known[None], replace=False) if card.condition_channels else x
        time = torch.tensor([self.model.time_of(level)], dtype=torch.float32, device=x.device)
        output, _ = split_variance(self.model.network(inputs, time), x.shape[1])
        clean = clean_estimate(card.diffusion.prediction, x, output, level)
        return clean if card.diffusion.clip is None else clean.clamp(*card.diffusion.clip)

    def needed(self, core: Ranges, shape: tuple[int, int, int], along: int) -> Ranges:
        """What the slices of a core see of the state of the volume."""
        (zw, lw), across = self._windows(core, shape, along), core[1 + along]
        return (hull(zw), across, hull(lw)) if along == ALONG_X else (hull(zw), hull(lw), across)

    def shown(self, needed: Ranges, along: int) -> Ranges:
        """What they are shown of the measured planes: what lies beside them as well."""
        z, y, x = needed
        aside = self.beside
        if along == ALONG_X:
            return z, (y[0] - aside, y[1] + aside), x
        return z, y, (x[0] - aside, x[1] + aside)

    def _windows(
        self, core: Ranges, shape: tuple[int, int, int], along: int
    ) -> tuple[list[Range], list[Range]]:
        lateral = 2 - along
        return self.reach.windows(core[0], shape[0]), self.reach.windows(core[lateral], shape[lateral])

    def volume(
        self,
        state: Callable[[slice], Tensor],
        level: NoiseLevel,
        condition: Condition,
        core: Ranges,
        shape: tuple[int, int, int],
        along: int,
    ) -> Generator[tuple[int, str, Tensor | None], None, Tensor]:
        """Estimates of all slices of a core in one direction.

        Parameters
        ----------
        state
            Gives ``(n, C, Z, L)`` for some slices, counted from the first, of what :meth:`needed` says.
        level
            Their noise level.
        condition
            Of what :meth:`shown` says.
        core
            What is wanted.
        shape
            Of the whole volume.
        along
            ``ALONG_X`` or ``ALONG_Y``.

        Yields
        ------
        tuple
            Slices done since the last time, what had to be changed, if anything, and estimates ``(n, C, Z, L)`` of
            these slices.

        Returns
        -------
        Tensor
            ``(C, Z, Y, X)`` of the core, on the CPU.
        """
        windows = self._windows(core, shape, along)
        first, last = core[1 + along]
        slices = _as_slices(condition.values, along)
        parts: list[Tensor] = []
        done, count = 0, last - first
        while done < count:
            some = slice(done, min(done + self._per_call(windows), count))
            shown = with_beside(slices[some.start : some.stop + 2 * self.beside], self.beside)
            call = partial(self._some, state, some, level, shown, condition, windows, core, along)
            found = unless_memory_ends(call)
            if found is None:
                yield 0, self._back_off(windows), None
                continue
            parts.append(found)
            done = some.stop
            yield some.stop - some.start, "", found
        whole = torch.cat(parts)
        return whole.permute(1, 2, 0, 3) if along == ALONG_X else whole.permute(1, 2, 3, 0)

    def _some(
        self,
        state: Callable[[slice], Tensor],
        some: slice,
        level: NoiseLevel,
        slices: Tensor,
        condition: Condition,
        windows: tuple[list[Range], list[Range]],
        core: Ranges,
        along: int,
    ) -> Tensor:
        """Estimates ``(n, C, Z, L)`` of the core of some slices."""
        x, lateral = state(some), 2 - along
        wanted = core[0], core[lateral]
        seen = hull(windows[0]), hull(windows[1])
        device = self.model.device
        canvas = torch.zeros(len(x), x.shape[1], *(b - a for a, b in wanted))
        weights = torch.zeros(canvas.shape[2:])
        for window in product(*windows):
            rows, columns = (slice(a - s, b - s) for (a, b), (s, _) in zip(window, seen, strict=True))
            with torch.inference_mode():
                clean = self.estimate(
                    x[:, :, rows, columns].to(device),
                    level,
                    slices[:, :, rows, columns].to(device),
                    condition.known[rows].to(device),
                ).cpu()
            inner, outer = overlap(window, wanted)
            if not self.reach.size:
                return clean[:, :, *inner].clone()
            weight = taper((self.reach.size,) * 2)[inner]
            canvas[:, :, *outer] += clean[:, :, *inner] * weight
            weights[outer] += weight
        return canvas / weights

    def _per_call(self, windows: tuple[list[Range], list[Range]]) -> int:
        if self.batch is not None:
            return self.batch
        rows, columns = (max(b - a for a, b in some) for some in windows)
        one = 4.0 * float(self.model.network.floats_per_pixel) * rows * columns  # type: ignore[arg-type]
        kind = self.model.device.type
        room = min(CALL_BYTES.get(kind, GPU_CALL_BYTES), 0.4 * free_memory(str(self.model.device)))
        return max(1, int(room / one))

    def _back_off(self, windows: tuple[list[Range], list[Range]]) -> str:
        self.batch = backed_off(
            lambda: self._per_call(windows) // 2,
            self.model.device,
            "Not even one slice fits",
            advice="choose smaller blocks, ",
        )
        return f"Memory ran out; going on with {self.batch} slices at a time."


def _as_slices(volume: Tensor, along: int) -> Tensor:
    """``(Z, Y, X)`` as ``(n, Z, L)``."""
    return volume.permute(1, 0, 2) if along == ALONG_X else volume.permute(2, 0, 1)


def with_beside(slices: Tensor, beside: int) -> Tensor:
    """``(n + 2·beside, Z, L)`` as ``(n, 1 + 2·beside, Z, L)``, each slice before those beside it; a copy if any."""
    if not beside:
        return slices[:, None]
    windows = slices.unfold(0, 1 + 2 * beside, 1).movedim(-1, 1)
    return windows[:, own_first(beside)]


def own_first(beside: int) -> list[int]:
    """In which order a network is shown slices ``0 … 2·beside``: the one that it fills in, then those beside it."""
    return [beside, *(at for at in range(1 + 2 * beside) if at != beside)]


def slice_inputs(state: Tensor, linear: Tensor, known: Tensor, *, replace: bool) -> Tensor:
    """What the network is given: state, interpolation, mask and what lies beside the slice, ``(B, 2 + S, Z, X)``.

    Parameters
    ----------
    state
        ``(B, 1, Z, X)``.
    linear
        ``(B, S, Z, X)``: interpolation of the slice, and of those on both sides of it, if any.
    known
        ``(B, Z)``, or ``(1, Z)`` for all, 1 where a row is known.
    replace
        Whether known rows of the state are overwritten with their values.
    """
    mask = known[:, None, :, None].expand_as(state).to(state)
    own, beside = linear[:, :1], linear[:, 1:]
    if replace:
        state = torch.where(mask > 0, own, state)
    return torch.cat((state, own, mask, beside), 1)


def as_slices(volume: Tensor, along: int) -> Tensor:
    """``(C, Z, Y, X)`` as ``(n, C, Z, L)``, a view."""
    return volume.permute(2, 0, 1, 3) if along == ALONG_X else volume.permute(3, 0, 1, 2)
