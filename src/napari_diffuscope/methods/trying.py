"""Answers about a checkpoint, tried on a small piece of an image, so that right ones are told from wrong ones.

Noise is added to the piece, to about its own contrast, and taken away again in a few steps. With right answers the
structures come back clean and in their places; with wrong ones they are blotchy, grainy, flat or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.denoiser import noise_estimate
from napari_diffuscope.diffusion.schedule import CLEAN, NoiseLevel
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.weights.answers import parsed_answers
from napari_diffuscope.weights.archives import unpacked
from napari_diffuscope.weights.card import NetworkSpec
from napari_diffuscope.weights.model import Model, model_place, open_published
from napari_diffuscope.weights.sidecar import Sidecar
from napari_diffuscope.weights.trial_run import ToldModel

EDGE = 128
"""Largest edge of a piece in pixels."""

SMALL_EDGE = 64
"""The same for large networks, of which a step on a larger piece takes many seconds on a processor."""

LARGE_NETWORK = 20_000_000
"""Parameters from which a network is large."""

BESIDE_THE_NETWORK = ("prediction", "schedule", "time", "data_range", "condition_first")
"""Answers that decide how a network is used, and not what it is."""

STEPS = 6
_MOST_NOISE = 1.0


@dataclass(frozen=True)
class TriedAnswer:
    """What came of one answer.

    Parameters
    ----------
    image
        The piece after noise was added and taken away, ``(Y, X)`` with values from 0 to 1 where the piece has them;
        ``None`` if the answer cannot be.
    error
        Root of the mean squared difference from the piece, whose values go from 0 to 1.
    problem
        Why the answer cannot be, as a sentence.
    flat
        The error that a flat grey picture has, with which nothing of the piece is kept.
    piece
        What it was before, for comparison.
    """

    image: np.ndarray | None
    error: float = float("nan")
    problem: str = ""
    flat: float = float("inf")
    piece: np.ndarray | None = None

    @property
    def keeps(self) -> bool:
        """Whether more of the piece is kept than by a flat grey picture."""
        return self.image is not None and self.error < self.flat


def try_answers(
    path: Path,
    candidates: list[Mapping[str, Any]],
    piece: np.ndarray,
    *,
    told: Callable[[TriedAnswer], None] = lambda _: None,
) -> Job[list[TriedAnswer]]:
    """Try several sets of answers on a piece of an image.

    Parameters
    ----------
    path
        The checkpoint, or an archive with it.
    candidates
        Answers by name, complete each.
    piece
        ``(Y, X)``, any values. The part of it with the most contrast is taken, as large as the network allows.
    told
        Called with what came of each candidate as soon as that is known, in their order.

    Returns
    -------
    list of TriedAnswer
        For each of the candidates.
    """
    total = len(candidates) * STEPS
    tried = []
    with unpacked(path) as place:
        opener = _Opener(place)
        for number, answers in enumerate(candidates):
            yield Update(number * STEPS, total, f"Trying answer {number + 1} of {len(candidates)}")
            try:
                result = yield from _tried(opener, answers, piece, number * STEPS, total)
            except DiffuscopeError as error:
                result = TriedAnswer(None, problem=str(error).replace(str(place), str(path)))
            tried.append(result)
            told(result)
    return tried


class _Opener:
    """Opens a checkpoint with several sets of answers; the network anew only where they decide what it is."""

    def __init__(self, place: Path) -> None:
        self._place = model_place(place)
        self._network: tuple[tuple[Sidecar, NetworkSpec], nn.Module] | None = None

    def opened(self, answers: Mapping[str, Any]) -> Model:
        """The model that these answers make of it."""
        said = parsed_answers(answers)
        about_network = replace(said, **dict.fromkeys(BESIDE_THE_NETWORK))
        with reading(self._place, "model"):
            opened = open_published(self._place, said)
            if len(opened.card.axes) != 2:
                raise DiffuscopeError("A network of volumes cannot be tried on a piece of an image.")
            made_of = (about_network, opened.card.network)
            if self._network is None or self._network[0] != made_of:
                self._network = None  # two large ones at once are too much
                self._network = made_of, opened.network().eval().requires_grad_(False)
        labels = torch.eye(1, len(opened.card.classes)) if opened.card.classes else None
        return ToldModel(opened.card, self._network[1], self._place, labels)


def _tried(
    opener: _Opener, answers: Mapping[str, Any], piece: np.ndarray, done: int, total: int
) -> Job[TriedAnswer]:
    model = opener.opened(answers)
    low, high = model.card.data_range
    unit = _unit(piece, _edges(model, piece.shape))
    clean = torch.from_numpy(unit).float()[None, None] * (high - low) + low
    state = clean.expand(1, model.card.state_channels, -1, -1)
    condition = (
        clean.expand(1, model.card.condition_channels, -1, -1) if model.card.condition_channels else None
    )
    levels = _levels(model)
    noise = torch.randn(state.shape, generator=torch.Generator().manual_seed(0))
    x = levels[0].alpha * state + levels[0].sigma * noise
    for step, (level, following) in enumerate(pairwise(levels)):
        x = _moved(model, x, level, following, condition)
        if not bool(torch.isfinite(x).all()):
            return TriedAnswer(None, problem="With this answer the network gives values that are not finite.")
        yield Update(done + step + 1, total)
    result = ((x.mean(1)[0] - low) / (high - low)).numpy()
    error = float(np.sqrt(np.mean((result - unit) ** 2)))
    return TriedAnswer(result, error, flat=float(np.std(unit)), piece=unit)


@torch.inference_mode()
def _moved(
    model: Model, x: Tensor, level: NoiseLevel, following: NoiseLevel, condition: Tensor | None
) -> Tensor:
    """One step of DDIM without fresh noise."""
    clean = model.estimate(x, level, condition)
    return following.alpha * clean + following.sigma * noise_estimate(x, clean, level)


def _levels(model: Model) -> list[NoiseLevel]:
    """From a level whose noise is as strong as the image down to none, in a few steps."""
    below = [level for level in model.schedule.levels(200) if 0 < level.sigma <= _MOST_NOISE * level.alpha]
    chosen = [below[round(place)] for place in np.linspace(0, len(below) - 1, min(STEPS, len(below)))]
    return [*chosen, CLEAN]


def _edges(model: Model, shape: tuple[int, ...]) -> tuple[int, int]:
    """Edges of the piece that the network takes: whole strides."""
    strides = [int(stride) for stride in model.network.total_stride]  # type: ignore[union-attr]
    large = sum(tensor.numel() for tensor in model.network.parameters()) > LARGE_NETWORK
    edges = [max(stride, SMALL_EDGE if large else EDGE) for stride in strides]
    height, width = (
        min(size, edge) // stride * stride for size, edge, stride in zip(shape, edges, strides, strict=True)
    )
    if not height or not width:
        raise DiffuscopeError(f"The image is smaller than the {max(strides)} pixels that the network needs.")
    return height, width


def _unit(piece: np.ndarray, edges: tuple[int, int]) -> np.ndarray:
    """The part of a piece with the most contrast, from 0 to 1 but for a few pixels."""
    whole = piece.astype(np.float32)
    whole = np.clip(whole, *np.percentile(whole, (0.5, 99.5)))  # dust and hot pixels are no structures
    windows = np.lib.stride_tricks.sliding_window_view(whole, edges)
    offered = windows[:: max(edges[0] // 4, 1), :: max(edges[1] // 4, 1)]
    spread = offered.std((-2, -1))
    cut = offered[np.unravel_index(int(spread.argmax()), spread.shape)]
    low, high = np.percentile(cut, (0.5, 99.5))
    return np.asarray(np.clip((cut - low) / max(high - low, 1e-12), 0, 1))
