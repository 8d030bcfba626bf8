"""What is trained: all that the loop does not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from napari_diffuscope.weights.card import ModelCard

Arrays = tuple[np.ndarray, ...]
Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Part:
    """Which members of every batch a process works on; alone, it works on all.

    Parameters
    ----------
    first, stop
        Members, from the first up to the one before ``stop``.
    total
        Members of the whole batch.
    """

    first: int
    stop: int
    total: int

    @property
    def share(self) -> float:
        """Share of the whole batch."""
        return (self.stop - self.first) / self.total


@dataclass(frozen=True)
class Draw:
    """Where random numbers of a step come from: the seed, the step, and the place in the batch alone.

    Parameters
    ----------
    seed, step
        Of the training.
    part
        Of the batch.
    """

    seed: int
    step: int
    part: Part

    def generator(self) -> torch.Generator:
        """A fresh generator, the same in all processes."""
        return torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)

    def of_part(self, values: Tensor) -> Tensor:
        """The part of what was drawn for the whole batch."""
        return values[self.part.first : self.part.stop]

    def skip(self, generator: torch.Generator, shape: Sequence[int]) -> None:
        """Draw the noise of the members before this part and throw it away, ``shape`` being that of a member."""
        if self.part.first:
            torch.randn((self.part.first, *shape), generator=generator)


class Task(Protocol):
    """What is trained, of a kind; :func:`napari_diffuscope.training.loop.train` does the rest."""

    @property
    def measure(self) -> str:
        """Which of the validation measures decides what is best; larger is better."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user must be told of the data before the training begins."""
        ...

    def batches(self, part: Part) -> Dataset[Arrays]:
        """Batches by number, for ever: the arrays of a part of batch ``i``, decided by the seed and ``i``."""
        ...

    def ready(self, batch: Tensors) -> Tensors:
        """What the loss takes, from the arrays of a batch on the device: what is made there and not beforehand."""
        ...

    def loss(self, network: nn.Module, batch: Tensors, draw: Draw) -> Tensor:
        """Mean loss of the members of a part of a batch."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Measures on what was kept from the training, of a network in inference mode."""
        ...

    def example(self, network: nn.Module) -> tuple[np.ndarray, np.ndarray]:
        """Input and output for the model folder, float32 ``(Y, X)``."""
        ...

    def card(self, network: nn.Module) -> ModelCard:
        """Card of a trained network, but for its training and metrics."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the card says of the data, beyond the recipe."""
        ...

    def files(self) -> Mapping[str, bytes]:
        """Content of further files of the model folder, by name."""
        ...


class Parts(Dataset[Arrays]):
    """A part of each batch, put together from pieces that are drawn one by one.

    Parameters
    ----------
    pieces
        Small batches by number.
    piece
        Members of each of them.
    part
        Which members of the batch.

    Notes
    -----
    Batch ``i`` is made of the pieces from ``i`` · (pieces per batch) on, so its members depend on their place in
    the batch and not on the number of processes.
    """

    def __init__(self, pieces: Dataset[Arrays], *, piece: int, part: Part) -> None:
        self.pieces, self.piece, self.part = pieces, piece, part

    def __getitem__(self, number: int) -> Arrays:
        per_batch = -(-self.part.total // self.piece)
        first, last = self.part.first // self.piece, (self.part.stop - 1) // self.piece
        made = [self.pieces[number * per_batch + index] for index in range(first, last + 1)]
        inside = slice(self.part.first - first * self.piece, self.part.stop - first * self.piece)
        return tuple(np.concatenate(arrays)[inside] for arrays in zip(*made, strict=True))
