"""A model of shapes: what it is told of a cell, and its chain of evaluations for a batch of samples."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.diffusion.ancestral import Estimate
from napari_diffuscope.diffusion.noise import positioned_noise
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.memory import SHARE, free_memory, is_out_of_memory
from napari_diffuscope.methods.backing_off import backed_off
from napari_diffuscope.methods.shape.conditions import (
    SIDE,
    image_in_mask,
    published_conditions,
    shape_conditions,
)
from napari_diffuscope.methods.shape.plan import ShapePlan
from napari_diffuscope.weights.model import Model

OWN, PUBLISHED = 4, 2
"""Condition channels of our own networks, and of DISPR."""

GPU_BATCH = 16


@dataclass
class ShapeModel:
    """A model whose task is ``shape``.

    Parameters
    ----------
    model
        The model.
    batch
        Samples per network call, ``None`` to decide from the memory.

    Raises
    ------
    DiffuscopeError
        If it is a model of something else.
    """

    model: Model
    batch: int | None = None

    def __post_init__(self) -> None:
        check_model(self.model)

    @property
    def side(self) -> int:
        """Voxels along each edge of its window."""
        size = self.model.card.size
        return size[0] if size else SIDE

    def condition(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """What the network is told of a cell, ``(channels, S, S, S)`` float32.

        Parameters
        ----------
        image
            ``(S, S)``: for our own networks grey values of any unit; for DISPR in 0 … 1, see :func:`eight_bit`.
        mask
            ``(S, S)`` bool.
        """
        if self.model.card.condition_channels == PUBLISHED:
            return published_conditions(image, mask)
        return shape_conditions(image_in_mask(image, mask), mask)

    def probability(self, clean: Tensor) -> Tensor:
        """From values of the network to 0 … 1."""
        low, high = self.model.card.data_range
        return ((clean - low) / (high - low)).clamp(0, 1)

    def samples(
        self,
        condition: np.ndarray,
        plan: ShapePlan,
        *,
        seed: int,
        cell: int,
        first: int,
        count: int,
    ) -> Generator[np.ndarray, None, np.ndarray]:
        """Some samples (or the estimate) of one cell.

        Parameters
        ----------
        condition
            What :meth:`condition` says.
        plan
            How they are made.
        seed, cell
            Key of the noise.
        first, count
            Number of the first sample, and how many.

        Yields
        ------
        ndarray
            After every evaluation but the last: the current estimates as probabilities, ``(count, S, S, S)``.

        Returns
        -------
        ndarray
            The samples as probabilities, float32 ``(count, S, S, S)``, not binarised.
        """
        given = torch.from_numpy(condition)[None].to(self.model.device)
        solver = plan.start(self._noise(seed, cell, range(first, first + count)))
        query = next(solver)
        while True:
            with torch.inference_mode():
                found = self.model.full_estimate(
                    query.x, query.level, given.expand(len(query.x), *given.shape[1:])
                )
            _check_finite(found, cell)
            try:
                query = solver.send(found)
            except StopIteration as stop:
                return _on_cpu(self.probability(stop.value))
            yield _on_cpu(self.probability(found.clean))

    def _noise(self, seed: int, cell: int, samples: Sequence[int]) -> Callable[[int], Tensor]:
        region = ((0, self.side),) * 3

        def noise(step: int) -> Tensor:
            drawn = [
                positioned_noise(region, seed=seed, sample=one, step=step, plane=cell) for one in samples
            ]
            return torch.from_numpy(np.stack(drawn)[:, None]).to(self.model.device)

        return noise

    def per_call(self, wanted: int) -> int:
        """Samples that go through the network together."""
        if self.model.device.type == "cpu":
            return 1  # no faster together, the same bits whatever the batch, and each is shown as soon as it is there
        if self.batch is not None:
            return min(self.batch, wanted)
        one = 4.0 * float(self.model.network.floats_per_pixel) * self.side**3  # type: ignore[arg-type]
        room = SHARE * free_memory(str(self.model.device))
        return max(1, min(wanted, GPU_BATCH, int(room / one)))

    def back_off(self, count: int, error: BaseException) -> str:
        """Work on fewer samples at once after an error; returns what to tell the user.

        Raises
        ------
        OutOfMemory
            If one sample was too much.
        BaseException
            The error itself, if memory was not the reason.
        """
        if not is_out_of_memory(error):
            raise error
        self.batch = backed_off(lambda: count // 2, self.model.device, "One cell does not fit")
        return f"Memory ran out; going on with {self.batch} samples at a time."


def check_model(model: Model) -> None:
    """Refuse what is no model of shapes.

    Raises
    ------
    DiffuscopeError
        If it is of a kind that is not known here.
    """
    card = model.card
    if card.axes != "ZYX" or card.state_channels != 1 or card.condition_channels not in (OWN, PUBLISHED):
        raise DiffuscopeError(
            f"{card.name} is no model of shapes that is known here: it needs the axes ZYX, 1 state channel and "
            f"{OWN} (or as DISPR {PUBLISHED}) condition channels, not {card.axes}, {card.state_channels} and "
            f"{card.condition_channels}."
        )
    if card.size is not None and (len(set(card.size)) > 1 or len(card.size) != 3 or card.size[0] % 2):
        raise DiffuscopeError(
            f"The window of {card.name} is no cube of even edges: {card.size}; correct its card."
        )


def eight_bit(plane: np.ndarray) -> np.ndarray:
    """Grey values in 0 … 1, as DISPR takes them: 8-bit values over 255, others from the least to the largest."""
    if plane.dtype == np.uint8:
        return plane.astype(np.float32) / np.float32(255)
    with np.errstate(over="ignore"):  # beyond float32 a value becomes infinite, and is treated as no value
        values = plane.astype(np.float32)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    # Halved where the range is beyond the largest number of single precision.
    share = 0.5 if high - low > float(np.finfo(np.float32).max) else 1.0
    span = share * (high - low) if high > low else 1.0
    return (np.float32(share) * values - np.float32(share * low)) / np.float32(span)


def _check_finite(found: Estimate, cell: int) -> None:
    if not bool(torch.isfinite(found.clean).all()):
        raise DiffuscopeError(
            f"The model gave no finite numbers for cell {cell}; its weights do not suit this image or are damaged."
        )


def _on_cpu(values: Tensor) -> np.ndarray:
    found: np.ndarray = values[:, 0].float().cpu().numpy()
    return found
