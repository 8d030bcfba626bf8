"""Group statistics taken from one window and used in all others, so that tiles of a plane are scaled alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.normalisation import GroupNorm

Statistics = dict[GroupNorm, tuple[Tensor, Tensor]]
"""Mean and variance per group, ``(groups,)`` each, of each normalisation."""


@contextmanager
def statistics_of(network: nn.Module) -> Iterator[Statistics]:
    """Collect the group statistics of the first image that passes through a network."""
    statistics: Statistics = {}

    def look(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(norm, GroupNorm)
        grouped = inputs[0][0].double().reshape(norm.num_groups, -1)
        statistics[norm] = grouped.mean(1).float(), grouped.var(1, unbiased=False).float()

    hooks = [norm.register_forward_pre_hook(look) for norm in _norms(network)]
    try:
        yield statistics
    finally:
        for hook in hooks:
            hook.remove()


class FrozenStatistics:
    """While entered, a network normalises with given statistics instead of those of its input. Reusable.

    Parameters
    ----------
    network
        A network with :class:`~napari_diffuscope.networks.normalisation.GroupNorm` layers, or without.
    statistics
        Of :func:`statistics_of` the same network at the same noise level.
    """

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        self._network, self._statistics = network, statistics

    def __enter__(self) -> None:
        for norm, (mean, variance) in self._statistics.items():
            # An attribute of the instance hides the method of the class.
            norm.forward = partial(_with_statistics, norm, mean, variance)  # type: ignore[method-assign]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for norm in self._statistics:
            del norm.forward


def _with_statistics(
    norm: GroupNorm,
    mean: Tensor,
    variance: Tensor,
    x: Tensor,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    *,
    silu: bool = False,
    overwrite: bool = False,
) -> Tensor:
    """What :meth:`GroupNorm.forward` gives, with the statistics given."""
    each = norm.num_channels // norm.num_groups
    factor = torch.rsqrt(variance + norm.eps).repeat_interleave(each) * norm.weight
    offset = norm.bias - mean.repeat_interleave(each) * factor
    factor, offset = factor[None], offset[None]
    if scale is not None:
        factor, offset = factor * (1 + scale), offset * (1 + scale)
    if shift is not None:
        offset = offset + shift
    space = (1,) * (x.dim() - 2)
    out = torch.addcmul(offset.view(*offset.shape, *space), x, factor.view(*factor.shape, *space))
    return F.silu(out, inplace=True) if silu else out


def _norms(network: nn.Module) -> list[GroupNorm]:
    return [module for module in network.modules() if isinstance(module, GroupNorm)]
