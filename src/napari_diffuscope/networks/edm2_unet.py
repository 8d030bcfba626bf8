"""The EDM2 UNet of the restoration network of Osuna-Vargas et al. (WACV 2025, arXiv 2409.12078).

Architecture after Karras et al. 2024 (arXiv 2312.02696), configuration G, without their preconditioning:
the network sees the noise level itself and predicts the noise.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.config import Configured
from napari_diffuscope.networks.convolution import add_upsampled_
from napari_diffuscope.networks.edm2_config import EDM2UNetConfig
from napari_diffuscope.networks.edm2_layers import (
    SILU_MAGNITUDE,
    MPConv,
    MPFourier,
    mp_cat,
    mp_silu,
    mp_sum,
    normalise,
    resample,
    sum_weights,
)
from napari_diffuscope.networks.inputs import check_input

__all__ = ["EDM2Block", "EDM2UNet", "EDM2UNetConfig"]

BALANCE = 0.3
"""Share of the residual branch in every sum."""
CLIP = 256.0
"""Activations are clipped to plus and minus this."""


class EDM2Block(nn.Module):
    """Two convolutions and a shortcut, scaled by the noise level; optional attention and resampling.

    Parameters
    ----------
    config
        The network's architecture.
    in_channels, out_channels
        Channels.
    decoder
        Whether the shortcut comes after the convolutions (and the pixel norm is left out).
    resample
        ``"up"``, ``"down"`` or ``""``.
    attention
        Whether attention follows.
    """

    def __init__(
        self,
        config: EDM2UNetConfig,
        in_channels: int,
        out_channels: int,
        *,
        decoder: bool,
        resample: str = "",
        attention: bool = False,
    ) -> None:
        super().__init__()
        self._decoder = decoder
        self._resample = resample
        self._dropout = config.dropout
        self._head_width = config.head_channels
        self.emb_gain = nn.Parameter(torch.zeros(()))
        self.conv_res0 = MPConv(in_channels if decoder else out_channels, out_channels, 3)
        self.emb_linear = MPConv(_embedding_channels(config), out_channels, 0)
        self.conv_res1 = MPConv(out_channels, out_channels, 3)
        self.conv_skip = MPConv(in_channels, out_channels, 1) if in_channels != out_channels else None
        self.attn_qkv = MPConv(out_channels, 3 * out_channels, 1) if attention else None
        self.attn_proj = MPConv(out_channels, out_channels, 1) if attention else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Transform ``(B, C, Y, X)`` by the embedded noise level ``(1 or B, E)``."""
        x = self._block(x, embedding) if torch.is_grad_enabled() else self._prepared(x, embedding)
        if self.attn_qkv is not None:
            x = self._attend(x)
        return x.clamp(-CLIP, CLIP) if torch.is_grad_enabled() else x.clamp_(-CLIP, CLIP)

    def _block(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Apply the equations as they stand."""
        x = resample(x, self._resample)
        if not self._decoder:
            x = normalise(x if self.conv_skip is None else self.conv_skip(x), (1,))
        h = self.conv_res0(mp_silu(x))
        modulation = self.emb_linear(embedding, self.emb_gain) + 1
        h = mp_silu(h * modulation[:, :, None, None])
        h = self.conv_res1(F.dropout(h, self._dropout, self.training))
        if self._decoder and self.conv_skip is not None:
            x = self.conv_skip(x)
        return mp_sum(x, h, BALANCE)

    def _prepared(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Apply the same without gradients: constant factors sit in the weights, sums happen in place.

        A decoder's block with a convolved shortcut overwrites ``x``, which is always a fresh concatenation.
        """
        keep, add = sum_weights(BALANCE)
        up = self._resample == "up"
        if self._resample == "down":
            x = resample(x, "down")
        if not self._decoder:
            x = normalise(x if self.conv_skip is None else self.conv_skip.prepared(x), (1,))
        shortcut = x
        if self._decoder and self.conv_skip is not None:
            shortcut, keep = self.conv_skip.prepared(x, keep), 1.0
        h = F.silu(x, inplace=shortcut is not x)
        del x
        h = self.conv_res0.prepared(h, 1 / SILU_MAGNITUDE, upsample=up)
        modulation = self.emb_linear.prepared(embedding, self.emb_gain) + 1
        h = F.silu(h.mul_(modulation[:, :, None, None]), inplace=True)
        h = F.dropout(h, self._dropout, self.training)
        h = self.conv_res1.prepared(h, add / SILU_MAGNITUDE)
        return add_upsampled_(h, shortcut, (2, 2), alpha=keep) if up else h.add_(shortcut, alpha=keep)

    def _attend(self, x: Tensor) -> Tensor:
        """Cosine attention: queries, keys and values are normalised per head."""
        assert self.attn_qkv is not None
        assert self.attn_proj is not None
        width = self._head_width
        if torch.is_grad_enabled():
            qkv = self.attn_qkv(x).reshape(len(x), -1, width, 3, x.shape[2] * x.shape[3]).movedim(3, 1)
        else:
            qkv = self.attn_qkv.prepared(x, head_width=width)
            qkv = qkv.reshape(len(x), 3, -1, width, x.shape[2] * x.shape[3])
        q, k, v = normalise(qkv.transpose(3, 4), (4,)).unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v)
        out = attended.transpose(2, 3).flatten(1, 2).reshape(x.shape)
        if torch.is_grad_enabled():
            return mp_sum(x, self.attn_proj(out), BALANCE)
        keep, add = sum_weights(BALANCE)
        return self.attn_proj.prepared(out, add).add_(x, alpha=keep)


def _embedding_channels(config: EDM2UNetConfig) -> int:
    return config.embedding_channels or max(config.level_channels)


class EDM2UNet(Configured, nn.Module):
    """The EDM2 UNet under its published tensor names (without the checkpoint's prefix).

    Parameters
    ----------
    config
        The architecture.
    """

    def __init__(self, config: EDM2UNetConfig) -> None:
        super().__init__()
        self.config = config
        noise = config.noise_channels or config.level_channels[0]
        skips: list[int] = []
        self.out_gain = nn.Parameter(torch.zeros(()))
        self.emb_fourier = MPFourier(noise)
        self.emb_noise = MPConv(noise, _embedding_channels(config), 0)
        self.enc = nn.ModuleDict(_encoder(config, skips))
        self.dec = nn.ModuleDict(_decoder(config, skips))
        self.out_conv = MPConv(config.level_channels[0], config.out_channels, 3)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network.

        Parameters
        ----------
        x
            Condition and noisy image, ``(B, in_channels, Y, X)``, sizes multiples of ``config.total_stride``.
        t
            The noise level gamma, the share of the image's variance that is signal, in 0 to 1; ``(1,)`` or
            ``(B,)``.
        labels
            Must be ``None``: the network knows no classes.

        Returns
        -------
        Tensor
            ``(B, out_channels, Y, X)``.

        Raises
        ------
        DiffuscopeError
            If the shape of ``x`` does not fit the network, or labels are given.
        """
        self._check(x, labels)
        grad = torch.is_grad_enabled()
        noise = self.emb_fourier(t.reshape(-1)).to(x.dtype)
        embedding = mp_silu(self.emb_noise(noise) if grad else self.emb_noise.prepared(noise))
        h = torch.cat([x, torch.ones_like(x[:, :1])], dim=1).contiguous(memory_format=torch.channels_last)
        skips: list[Tensor] = []
        for layer in self.enc.values():
            skips.append(h := _encode(layer, h, embedding))
        for name, layer in self.dec.items():
            h = layer(mp_cat(h, skips.pop()) if "block" in name else h, embedding)
        out: Tensor = self.out_conv(h, self.out_gain) if grad else self.out_conv.prepared(h, self.out_gain)
        return out

    def _check(self, x: Tensor, labels: Tensor | None) -> None:
        check_input(x, self.config.in_channels, self.config.total_stride)
        if labels is not None:
            raise DiffuscopeError("This network knows no class labels.")


def _encode(layer: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
    """Apply one layer of the encoder; the first is a bare convolution."""
    if not isinstance(layer, MPConv):
        return layer(h, embedding)  # type: ignore[no-any-return]
    return layer(h) if torch.is_grad_enabled() else layer.prepared(h)


def _encoder(config: EDM2UNetConfig, skips: list[int]) -> dict[str, nn.Module]:
    """Return the encoder's layers by name, noting the channels that each hands to the decoder."""
    layers: dict[str, nn.Module] = {}
    channels = config.in_channels + 1
    for level, (size, width) in enumerate(zip(config.resolutions, config.level_channels, strict=True)):
        if level == 0:
            layers[f"{size}x{size}_conv"] = MPConv(channels, width, 3)
            channels = width
        else:
            layers[f"{size}x{size}_down"] = EDM2Block(
                config, channels, channels, decoder=False, resample="down"
            )
        skips.append(channels)
        for block in range(config.res_blocks):
            attention = size in config.attention_resolutions
            layers[f"{size}x{size}_block{block}"] = EDM2Block(
                config, channels, width, decoder=False, attention=attention
            )
            channels = width
            skips.append(channels)
    return layers


def _decoder(config: EDM2UNetConfig, skips: list[int]) -> dict[str, nn.Module]:
    """Return the decoder's layers by name, consuming the encoder's channels from the end."""
    layers: dict[str, nn.Module] = {}
    levels = list(zip(config.resolutions, config.level_channels, strict=True))
    channels = config.level_channels[-1]
    for size, width in reversed(levels):
        if size == levels[-1][0]:
            layers[f"{size}x{size}_in0"] = EDM2Block(config, channels, channels, decoder=True, attention=True)
            layers[f"{size}x{size}_in1"] = EDM2Block(config, channels, channels, decoder=True)
        else:
            layers[f"{size}x{size}_up"] = EDM2Block(config, channels, channels, decoder=True, resample="up")
        for block in range(config.res_blocks + 1):
            attention = size in config.attention_resolutions
            layers[f"{size}x{size}_block{block}"] = EDM2Block(
                config, channels + skips.pop(), width, decoder=True, attention=attention
            )
            channels = width
    return layers
