"""The UNet of the package denoising-diffusion-pytorch (P. Wang), under its tensor names of today."""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.config import Configured
from napari_diffuscope.networks.convolution import Convolution
from napari_diffuscope.networks.inputs import check_input
from napari_diffuscope.networks.lucidrains_config import LucidrainsUNetConfig
from napari_diffuscope.networks.normalisation import GroupNorm

__all__ = ["LucidrainsUNet", "LucidrainsUNetConfig"]

_EPS = 1e-5


class ChannelNorm(nn.Module):
    """Normalises each pixel over its channels: to unit mean square (``rms``), or to mean 0 and variance 1."""

    def __init__(self, kind: str, channels: int, *, offset: bool = False) -> None:
        super().__init__()
        self._centred = kind == "layer"
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.b = nn.Parameter(torch.zeros(1, channels, 1, 1)) if offset else None

    def forward(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None, *, silu: bool = False,
                overwrite: bool = False) -> Tensor:  # fmt: skip
        """Normalise ``(B, C, Y, X)``; ``scale`` and ``shift``, ``(B, C)``, and SiLU follow."""
        if self._centred:
            variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
            x = (x - mean) * torch.rsqrt(variance + _EPS) * self.g
        else:
            x = F.normalize(x, dim=1) * (self.g * math.sqrt(x.shape[1]))
        if self.b is not None:
            x = x + self.b
        if scale is not None and shift is not None:
            x = torch.addcmul(shift[:, :, None, None], x, scale[:, :, None, None] + 1)
        return F.silu(x) if silu else x


class _StandardisedConvolution(Convolution):
    """Its filters are brought to mean 0 and variance 1 first (Qiao et al. 2019, arXiv 1903.10520)."""

    def _weight(self) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), unbiased=False, keepdim=True)
        return (self.weight - mean) * torch.rsqrt(variance + _EPS)


class _Half(nn.Module):
    """A convolution, a norm that may be modulated, and SiLU."""

    def __init__(self, config: LucidrainsUNetConfig, channels: int, width: int) -> None:
        super().__init__()
        convolution = _StandardisedConvolution if config.standardised else Convolution
        self.proj = convolution(2, channels, width)
        grouped = config.norm == "group"
        self.norm = GroupNorm(config.norm_groups, width) if grouped else ChannelNorm("rms", width)

    def forward(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        return self.norm(self.proj(x), scale, shift, silu=True, overwrite=True)  # type: ignore[no-any-return]


class _Block(nn.Module):
    """Two halves and a shortcut; the time scales and shifts the first norm."""

    def __init__(self, config: LucidrainsUNetConfig, channels: int, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(4 * config.model_channels, 2 * width))
        self.block1, self.block2 = _Half(config, channels, width), _Half(config, width, width)
        self.res_conv = Convolution(2, channels, width, 1) if channels != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.mlp(time).chunk(2, dim=1)
        out: Tensor = self.block2(self.block1(x, scale, shift)) + self.res_conv(x)
        return out


class _Attention(nn.Module):
    """``x + project(attention(norm(x)))``, full or linear."""

    def __init__(self, config: LucidrainsUNetConfig, channels: int, level: int, *, full: bool) -> None:
        super().__init__()
        self.heads, width, memory = config.heads[level], config.head_channels[level], config.memory_tokens
        self.full, self._averaged, inner = full, config.averaged_values, self.heads * width
        self._product_scale = config.product_scale
        self.norm = ChannelNorm(config.attention_norm, channels, offset=config.norm_offset)
        if memory:
            shape = (memory, width) if full else (width, memory)
            self.mem_kv = nn.Parameter(torch.randn(2, self.heads, *shape))
        self.to_qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        out = Convolution(2, inner, channels, 1)
        norm = ChannelNorm(config.attention_norm, channels, offset=config.norm_offset)
        self.to_out = out if full else nn.Sequential(out, norm)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        attended = self._full(qkv) if self.full else self._linear(qkv)
        out: Tensor = self.to_out(attended.flatten(1, 2).unflatten(2, x.shape[2:]))  # type: ignore[no-untyped-call]
        return x + out

    def _full(self, qkv: Tensor) -> Tensor:
        """Queries, keys and values ``(B, 3, heads, c, positions)`` to ``(B, heads, c, positions)``."""
        q, k, v = (part.transpose(-1, -2) for part in qkv.unbind(1))
        if hasattr(self, "mem_kv"):
            k, v = (torch.cat((kept.expand(len(k), -1, -1, -1), part), 2)
                    for kept, part in zip(self.mem_kv, (k, v), strict=True))  # fmt: skip
        if self._product_scale is not None:  # over the positions and not the channels, as the package did
            q, k = F.normalize(q, dim=-2), F.normalize(k, dim=-2)
        return F.scaled_dot_product_attention(q, k, v, scale=self._product_scale).transpose(-1, -2)

    def _linear(self, qkv: Tensor) -> Tensor:
        q, k, v = qkv.unbind(1)
        if self._averaged:
            v = v / v.shape[-1]
        if hasattr(self, "mem_kv"):
            k, v = (torch.cat((kept.expand(len(k), -1, -1, -1), part), 3)
                    for kept, part in zip(self.mem_kv, (k, v), strict=True))  # fmt: skip
        q = q.softmax(dim=-2) * q.shape[-2] ** -0.5
        context = k.softmax(dim=-1) @ v.transpose(-1, -2)
        out: Tensor = context.transpose(-1, -2) @ q
        return out


class _Frequencies(nn.Module):
    """Embeds the time by learned or random frequencies, with the time itself before them."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(count))

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None] * self.weights * 2 * math.pi
        return torch.cat((t[:, None], angles.sin(), angles.cos()), dim=-1)


class _Waves(nn.Module):
    """Embeds the time by geometrically spaced frequencies, sines first."""

    def __init__(self, channels: int, longest_period: float) -> None:
        super().__init__()
        self._half, self._longest = channels // 2, longest_period

    def forward(self, t: Tensor) -> Tensor:
        order = torch.arange(self._half, dtype=torch.float32, device=t.device)
        angles = t[:, None] * torch.exp(order * (-math.log(self._longest) / (self._half - 1)))
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class LucidrainsUNet(Configured, nn.Module):
    """The UNet of denoising-diffusion-pytorch.

    Tensor names equal those of version 2 of the package, so that its state dict loads with ``strict=True``.

    Parameters
    ----------
    config
        The architecture.
    """

    def __init__(self, config: LucidrainsUNetConfig) -> None:
        super().__init__()
        self.config = config
        estimate = config.out_channels if config.self_conditioned else 0
        self.init_conv = Convolution(2, config.in_channels + estimate, config.stem, 7)
        width = 4 * config.model_channels
        waves = _Frequencies(config.frequencies) if config.frequencies else None
        first = 1 + 2 * config.frequencies if config.frequencies else config.model_channels
        self.time_mlp = nn.Sequential(
            waves or _Waves(config.model_channels, config.longest_period),
            nn.Linear(first, width),
            nn.GELU(),
            nn.Linear(width, width),
        )
        self.downs, self.ups = _encoder(config), _decoder(config)
        deepest = config.level_channels[-1]
        self.mid_block1, self.mid_block2 = _Block(config, deepest, deepest), _Block(config, deepest, deepest)
        self.mid_attn = _Attention(config, deepest, len(config.channel_multipliers) - 1, full=True)
        self.final_res_block = _Block(config, 2 * config.stem, config.stem)
        self.final_conv = Convolution(2, config.stem, config.out_channels, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Evaluate the network.

        Parameters
        ----------
        x
            ``(B, in_channels, Y, X)``, with sizes that are multiples of ``config.total_stride``.
        t
            The network's own time, an index, ``(1,)`` or ``(B,)``.

        Returns
        -------
        Tensor
            ``(B, out_channels, Y, X)``.

        Raises
        ------
        DiffuscopeError
            If the shape of ``x`` does not fit the network.
        """
        check_input(x, self.config.in_channels, self.config.total_stride)
        if self.config.self_conditioned:
            nothing = x.new_zeros(len(x), self.config.out_channels, *x.shape[2:])
            x = torch.cat((nothing, x), dim=1)
        h = first = self.init_conv(x)
        time = self.time_mlp(t.reshape(-1).float())
        skips: list[Tensor] = []
        for level in self.downs:
            block1, block2, attention, resample = cast(nn.ModuleList, level)
            skips.append(h := block1(h, time))
            skips.append(h := attention(block2(h, time)))
            h = resample(h)
        h = self.mid_block2(self.mid_attn(self.mid_block1(h, time)), time)
        for level in self.ups:
            block1, block2, attention, resample = cast(nn.ModuleList, level)
            h = block1(torch.cat((h, skips.pop()), dim=1), time)
            h = attention(block2(torch.cat((h, skips.pop()), dim=1), time))
            h = resample(h)
        h = self.final_res_block(torch.cat((h, first), dim=1), time)
        return self.final_conv(h)  # type: ignore[no-any-return]


class _Upsampled(nn.Sequential):
    """Repeats every pixel twice along both axes, then convolves."""

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self[1](x, upsample=(2, 2))
        return convolved


def _widths(config: LucidrainsUNetConfig) -> list[tuple[int, int]]:
    """Channels that come into each level and that leave it, going down."""
    return list(zip((config.stem, *config.level_channels[:-1]), config.level_channels, strict=True))


def _encoder(config: LucidrainsUNetConfig) -> nn.ModuleList:
    levels, widths = nn.ModuleList(), _widths(config)
    for level, (width, wider) in enumerate(widths):
        down: nn.Module
        if level < len(widths) - 1 and config.strided:
            down = nn.Conv2d(width, wider, 4, stride=2, padding=1)
        elif level < len(widths) - 1:
            down = nn.Sequential(nn.PixelUnshuffle(2), Convolution(2, 4 * width, wider, 1))
        else:
            down = Convolution(2, width, wider)
        attention = _Attention(config, width, level, full=config.full_attention[level])
        blocks = (_Block(config, width, width), _Block(config, width, width))
        levels.append(nn.ModuleList((*blocks, attention, down)))
    return levels


def _decoder(config: LucidrainsUNetConfig) -> nn.ModuleList:
    levels = nn.ModuleList()
    for level, (width, wider) in reversed(list(enumerate(_widths(config)))):
        convolution = Convolution(2, wider, width)
        up = _Upsampled(nn.Identity(), convolution) if level else convolution
        attention = _Attention(config, wider, level, full=config.full_attention[level])
        blocks = (_Block(config, wider + width, wider), _Block(config, wider + width, wider))
        levels.append(nn.ModuleList((*blocks, attention, up)))
    return levels
