"""From noise to a finished image: step by step, and where it is large piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.ancestral import Estimate
from napari_diffuscope.imaging.blocks import Block, BlockPlan
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.backing_off import backed_off, unless_memory_ends
from napari_diffuscope.methods.generate.judging import Judge
from napari_diffuscope.methods.generate.plan import GeneratePlan
from napari_diffuscope.methods.generate.settings import RESULT
from napari_diffuscope.methods.generate.spectrum import SpectrumFilter
from napari_diffuscope.methods.generate.steering import Start, SteeredModel
from napari_diffuscope.methods.generate.values import cut_off, to_units
from napari_diffuscope.methods.generate.windows import Reach
from napari_diffuscope.methods.overlapping import overlap, taper
from napari_diffuscope.methods.states import States
from napari_diffuscope.methods.work import Work

WHOLE = {"cpu": 512}
"""Edge in pixels up to which a plane is one piece."""
PIECE = {"cpu": 512}
"""Edge of the pieces of larger planes; a graphics card takes more."""
GPU_PIECE = 1024
LEAST_PIECE = 32


@dataclass
class Chain:
    """Makes images together, all of one size.

    Parameters
    ----------
    work, model, plan, start, reach
        What is done, by what, how, from where, in which windows.
    shape
        Height and width of the state.
    tile
        Edge of a piece.
    judge
        Compares finished images with the training, where that can be done.
    spectrum
        What finished images are filtered with, where that is known.
    """

    work: Work
    model: SteeredModel
    plan: GeneratePlan
    start: Start
    reach: Reach
    shape: tuple[int, int]
    tile: int
    judge: Judge | None = None
    spectrum: SpectrumFilter | None = None

    @property
    def pieces(self) -> list[Region]:
        """Pieces of a plane, each moved on by itself."""
        edges = tuple(min(self.tile, length) for length in self.shape)
        return [_region(block) for block in BlockPlan(self.shape, edges)]

    def made(self, images: Sequence[int], states: States) -> Job[None]:
        """Make some images and write them; states that were stored are gone on with."""
        shape = (len(images), self.start.channels, *self.shape)
        notes = states.notes
        if notes.get("image") != images[0]:
            notes.update(image=images[0], step=0, piece=0)
        self.work.done += len(images) * (notes["step"] * len(self.pieces) + notes["piece"])
        for step in range(notes["step"], self.plan.steps):
            while not (yield from self._stepped(step, images, states, shape)):
                yield self.work.warn(self._back_off())
                notes["piece"] = 0
            notes.update(step=step + 1, piece=0)
            states.save()
        yield from self._written(images, states, shape)

    def _stepped(self, step: int, images: Sequence[int], states: States, shape: tuple[int, ...]) -> Job[bool]:
        """One step of all pieces; ``False`` if memory ran out."""
        pieces, before = self.pieces, self.work.done
        for number in range(states.notes["piece"], len(pieces)):
            clean = unless_memory_ends(partial(self._moved, step, images, states, shape, pieces[number]))
            if clean is None:
                self.work.done = before
                return False
            states.notes["piece"] = number + 1
            states.save()
            yield from self._shown(images, clean, pieces[number])
        return True

    @torch.inference_mode()
    def _moved(
        self, step: int, images: Sequence[int], states: States, shape: tuple[int, ...], piece: Region
    ) -> Tensor:
        """Move a piece of the images one step on; returns the estimate of it."""
        device = self.model.device
        estimate = self._estimate(step, images, states, shape, piece)
        estimate = Estimate(self.start.imposed(estimate.clean, piece), estimate.variance)
        state = self._state(step, images, states, shape, piece).to(device)
        place = (slice(None), slice(None), *(slice(*part) for part in piece))
        remembered = None
        if self.plan.remembers and step:
            remembered = torch.from_numpy(np.array(states.array(_name("clean", step - 1), shape)[place])).to(
                device
            )

        def fresh(at: int) -> Tensor:
            return torch.stack([self.start.noise(image, at, piece) for image in images]).to(device)

        after = self.plan.moved(step, state, estimate, remembered, fresh)
        states.array(_name("state", step + 1), shape)[place] = after.cpu().numpy()
        clean = estimate.clean.cpu()
        if self.plan.remembers:
            states.array(_name("clean", step), shape)[place] = clean.numpy()
        return clean

    def _state(
        self, step: int, images: Sequence[int], states: States, shape: tuple[int, ...], region: Region
    ) -> Tensor:
        """State ``(B, C, h, w)`` of a region before a step."""
        if step == 0:
            return torch.stack([self.start.state(image, self.plan.levels[0], region) for image in images])
        place = (slice(None), slice(None), *(slice(*part) for part in region))
        return torch.from_numpy(np.array(states.array(_name("state", step), shape)[place]))

    def _estimate(
        self, step: int, images: Sequence[int], states: States, shape: tuple[int, ...], piece: Region
    ) -> Estimate:
        """What the network says of a piece; blended where it has several windows."""
        level, canvas, weights = self.plan.levels[step], None, None
        for window in self.reach.windows(piece, self.shape, self.tile):
            state = self._state(step, images, states, shape, window).to(self.model.device)
            inner, outer = overlap(window, piece)
            if not self.reach.window:
                found = self.model.full_estimate(state, level)
                return Estimate(found.clean[:, :, *inner], _cut(found.variance, inner))
            # One image at a time: what such a network makes of an image depends on how many there are.
            alone = [self.model.full_estimate(one[None], level) for one in state]
            values = torch.cat([_joined(one) for one in alone])[:, :, *inner]
            weight = taper((self.reach.window,) * 2)[inner].to(values)
            if canvas is None or weights is None:
                edges = tuple(stop - first for first, stop in piece)
                canvas, weights = values.new_zeros(*values.shape[:2], *edges), weight.new_zeros(edges)
            canvas[:, :, *outer] += values * weight
            weights[outer] += weight
        assert canvas is not None
        assert weights is not None
        whole = canvas / weights
        if whole.shape[1] == shape[1]:
            return Estimate(whole)
        return Estimate(whole[:, : shape[1]], whole[:, shape[1] :])

    def _back_off(self) -> str:
        smaller = min(self.tile, max(self.shape)) // 2 // self.reach.stride * self.reach.stride
        self.tile = backed_off(
            lambda: smaller if smaller >= LEAST_PIECE else None,
            self.model.device,
            f"Not even pieces of {self.tile} pixels fit",
            advice="make fewer images at a time, ",
        )
        return f"Memory ran out; going on with pieces of {smaller} pixels."

    # What comes out

    def pixels(self, values: Tensor, region: Region) -> np.ndarray:
        """Pixels ``(h, w)`` of a region in the units of the training data, of values ``(C, h, w)``."""
        return self.start.finished(to_units(_grey(values), self.model.card), region)

    def _finished(self, state: np.ndarray, region: Region) -> np.ndarray:
        """Pixels of a region of a final state ``(C, height, width)``."""

        def read(part: Region) -> np.ndarray:
            (y, y1), (x, x1) = part
            return _grey(np.array(state[:, y:y1, x:x1]))

        values = read(region)
        if self.spectrum is not None:
            values = self.spectrum.applied(
                lambda part: cut_off(read(part), self.model.card), region, self.shape
            )
        return self.start.finished(to_units(values, self.model.card), region)

    def _shown(self, images: Sequence[int], clean: Tensor, piece: Region) -> Job[None]:
        """Tell the current estimate of a piece of each image."""
        height, width = self.work.plan.shape[-2:]
        (y, y1), (x, x1) = piece
        inside: Region = ((y, min(y1, height)), (x, min(x1, width)))
        self.work.done += len(images)
        if inside[0][0] >= inside[0][1] or inside[1][0] >= inside[1][1]:
            yield self.work.update()
            return
        kept = tuple(slice(0, b - a) for a, b in inside)
        for values, image in zip(clean, images, strict=True):
            leading = (slice(image, image + 1),) * (len(self.work.plan.shape) - 2)
            shown = self.pixels(values[:, *kept], inside)
            region = (*leading, *(slice(*part) for part in inside))
            yield self.work.show(RESULT, region, shown.reshape((1,) * len(leading) + shown.shape))

    def _written(self, images: Sequence[int], states: States, shape: tuple[int, ...]) -> Job[None]:
        final = states.array(_name("state", self.plan.steps), shape)
        for position, image in enumerate(images):
            for block in blocks_of(self.work, image):
                if self.work.written(block):
                    self._judge(image, self.work.sinks[RESULT].read_block(block))
                    continue
                pixels = self._finished(final[position], _region(block)).reshape(block.shape)
                yield from self.work.write(block, {RESULT: pixels})
                self._judge(image, pixels)

    def judge_again(self, images: Iterable[int]) -> None:
        """Judge images that an earlier run finished, by what it wrote."""
        for image in images:
            for block in blocks_of(self.work, image):
                self._judge(image, self.work.sinks[RESULT].read_block(block))

    def _judge(self, image: int, pixels: np.ndarray | None) -> None:
        if self.judge is not None and pixels is not None:
            self.judge.take(image, pixels.reshape(pixels.shape[-2:]))


def blocks_of(work: Work, image: int) -> Iterator[Block]:
    """Blocks of the output that an image is written in."""
    plan = work.plan
    each = prod(plan.grid[-2:])
    return (plan[index] for index in range(image * each, (image + 1) * each))


def piece_edge(wish: int | None, shape: tuple[int, int], device: str, stride: int) -> int:
    """Edge of the pieces that a plane is worked in, whole strides."""
    whole, piece = WHOLE.get(device, GPU_PIECE), PIECE.get(device, GPU_PIECE)
    edge = wish or (max(shape) if max(shape) <= whole else piece)
    return -(-edge // stride) * stride


def _region(block: Block) -> Region:
    y, x = ((part.start, part.stop) for part in block.region[-2:])
    return y, x


def _grey(values: Any) -> np.ndarray:
    """One channel ``(h, w)`` of values ``(C, h, w)``; equal ones come back as one."""
    return np.asarray(values[0] if len(values) == 1 else torch.as_tensor(values).mean(0))


def _name(kind: str, step: int) -> str:
    return f"{kind}{step % 2}"


def _cut(values: Tensor | None, inner: tuple[slice, ...]) -> Tensor | None:
    return None if values is None else values[:, :, *inner]


def _joined(estimate: Estimate) -> Tensor:
    return estimate.clean if estimate.variance is None else torch.cat((estimate.clean, estimate.variance), 1)
