"""Self-attention over all positions of a feature map, in the OpenAI networks' tensor layout."""

from __future__ import annotations

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.convolution import Convolution
from napari_diffuscope.networks.normalisation import GroupNorm

QKVOrder = Literal["heads-first", "qkv-first"]
QKV_ORDERS: tuple[QKVOrder, ...] = get_args(QKVOrder)


def split_heads(qkv: Tensor, heads: int, order: QKVOrder) -> tuple[Tensor, Tensor, Tensor]:
    """Split ``(B, T, 3 C)`` into queries, keys and values, each ``(B, heads, T, C // heads)``.

    Parameters
    ----------
    qkv
        Output of the joint projection.
    heads
        Number of heads.
    order
        ``heads-first``: the channels are split into heads, then each into q, k, v (improved-diffusion,
        and "legacy" in guided-diffusion). ``qkv-first``: into q, k, v, then each into heads ("new").
    """
    batch, tokens, channels = qkv.shape
    width = channels // (3 * heads)
    if order == "heads-first":
        parts = qkv.view(batch, tokens, heads, 3, width).unbind(3)
    else:
        parts = qkv.view(batch, tokens, 3, heads, width).unbind(2)
    q, k, v = (part.transpose(1, 2) for part in parts)
    return q, k, v


class SelfAttention(nn.Module):
    """``x + project(attention(norm(x)))``; the attention matrix is never held in memory.

    Parameters
    ----------
    channels
        Channels of the feature map.
    heads
        Number of heads, dividing ``channels``.
    order
        How the joint projection holds queries, keys and values, see :func:`split_heads`.
    groups, eps
        Of the group normalisation.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        *,
        order: QKVOrder = "heads-first",
        groups: int = 32,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.order: QKVOrder = order
        self.norm = GroupNorm(groups, channels, eps=eps)
        self.qkv = Convolution(1, channels, 3 * channels, 1)
        self.proj_out = Convolution(1, channels, channels, 1)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Attend over the positions of ``(B, C, *spatial)``."""
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = split_heads(self.qkv.tokens(tokens), self.heads, self.order)
        del tokens
        attended = F.scaled_dot_product_attention(q, k, v)
        del q, k, v
        out = self.proj_out.tokens(attended.transpose(1, 2).flatten(2))
        return x + out.transpose(1, 2).reshape(x.shape)  # x first: the sum takes its layout
