"""Group normalisation with its modulation and activation, in one go (Wu & He 2018, arXiv 1803.08494)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.convolution import channels_last

_SMALL = 2**15
"""Up to this many values per image, bringing them into torch's preferred layout and back is faster."""
_CHUNK = 2**18
"""Values treated at a time, so that all but the first pass over them read the cache and not the memory."""


class GroupNorm(nn.GroupNorm):
    """Group normalisation in float32, optionally modulated and followed by SiLU.

    With ``scale`` and ``shift``, ``(1 or B, C)``, the result is ``norm(x) * (1 + scale) + shift``
    (Dhariwal & Nichol 2021, arXiv 2105.05233, adaptive group normalisation).
    """

    def forward(
        self,
        x: Tensor,
        scale: Tensor | None = None,
        shift: Tensor | None = None,
        *,
        silu: bool = False,
        overwrite: bool = False,
    ) -> Tensor:
        """Normalise ``(B, C, *spatial)``; ``overwrite`` allows the result to take the place of ``x``."""
        weight, bias = self.weight[None], self.bias[None]
        if scale is not None:
            weight, bias = weight * (1 + scale), bias * (1 + scale)
        if shift is not None:
            bias = bias + shift
        if torch.is_grad_enabled() or not _by_rows(x):
            return self._by_channels(x, weight.float(), bias.float(), silu)
        if x[0].numel() <= _SMALL:
            out = self._by_channels(x.contiguous(), weight, bias, silu)
            return out.contiguous(memory_format=channels_last(x.ndim - 2))
        out = x if overwrite else torch.empty_like(x)
        for image, result, row in zip(_rows(x), _rows(out), range(len(x)), strict=True):
            row = min(row, len(weight) - 1)
            _normalise_rows(image, result, self.num_groups, weight[row], bias[row], self.eps, silu)
        return out

    def _by_channels(self, x: Tensor, weight: Tensor, bias: Tensor, silu: bool) -> Tensor:
        if len(weight) == 1:
            out = F.group_norm(x.float(), self.num_groups, weight[0], bias[0], self.eps)
        else:
            spatial = (1,) * (x.ndim - 2)
            out = F.group_norm(x.float(), self.num_groups, eps=self.eps)
            out = torch.addcmul(bias.view(*bias.shape, *spatial), out, weight.view(*weight.shape, *spatial))
        if silu:
            out = F.silu(out, inplace=not torch.is_grad_enabled())
        return out.to(x.dtype)


def _by_rows(x: Tensor) -> bool:
    """Whether ``x`` is float32 on the CPU with adjacent channels.

    There torch's own kernel adds up squares one by one and takes the difference to the squared mean, with
    relative errors of 1e-5 to 1e-3 for maps of 64 x 64 x 64.
    """
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.ndim in (4, 5)
        and x.is_contiguous(memory_format=channels_last(x.ndim - 2))
    )


def _rows(x: Tensor) -> Tensor:
    """View ``(B, C, *spatial)`` with adjacent channels as ``(B, positions, C)``."""
    return x.movedim(1, -1).flatten(1, -2)


def _normalise_rows(
    x: Tensor, out: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool
) -> None:
    """Normalise one image ``(positions, C)`` into ``out``, which may be ``x``."""
    step = max(1, _CHUNK // x.shape[1])
    mean, variance = _moments(x, groups, step)
    factor = torch.rsqrt(variance + eps) * weight
    offset = bias - mean * factor
    for source, target in zip(torch.split(x, step), torch.split(out, step), strict=True):
        torch.addcmul(offset, source, factor, out=target)
        if silu:
            F.silu(target, inplace=True)


def _moments(x: Tensor, groups: int, step: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel's group, ``(C,)`` each.

    In one pass over differences to an approximate mean, that of the first chunk, so that nothing cancels.
    """
    about = _over_group(x[:step].mean(0), groups)
    scratch = torch.empty(min(step, len(x)), x.shape[1])
    sums = torch.zeros(2, x.shape[1], dtype=torch.float64)
    for chunk in torch.split(x, step):
        difference = torch.sub(chunk, about, out=scratch[: len(chunk)])
        sums[0] += difference.sum(0)
        sums[1] += difference.square_().sum(0)
    mean, square = _over_group(sums / len(x), groups)
    return about + mean.float(), (square - mean.square()).clamp_(min=0).float()


def _over_group(per_channel: Tensor, groups: int) -> Tensor:
    """Average ``(..., C)`` over the channels of each group."""
    grouped = per_channel.unflatten(-1, (groups, -1))  # type: ignore[no-untyped-call]
    return grouped.mean(-1, keepdim=True).expand_as(grouped).flatten(-2)  # type: ignore[no-any-return]
