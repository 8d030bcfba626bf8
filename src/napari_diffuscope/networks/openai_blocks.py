"""Building blocks of the OpenAI UNet: residual blocks and changes of resolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.convolution import Convolution, add_upsampled_, upsample_nearest
from napari_diffuscope.networks.normalisation import GroupNorm
from napari_diffuscope.networks.openai_config import OpenAIUNetConfig


def _average(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
    return pool(x, factors, factors)


def zeroed(layer: Convolution) -> Convolution:
    """Set a convolution to zero: in OpenAI's codes every branch, and the output, begins at zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Downsample(nn.Module):
    """Divide the resolution by a strided convolution, or by averaging."""

    def __init__(self, config: OpenAIUNetConfig, channels: int) -> None:
        super().__init__()
        self._factors = config.factors
        self.op = (
            Convolution(
                config.dims, channels, channels, stride=config.factors, end_padding=config.end_padding
            )
            if config.conv_resample
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` at the lower resolution."""
        if self.op is None:
            return _average(x, self._factors)
        return self.op(x)  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Multiply the resolution by repeating voxels, then convolve."""

    def __init__(self, config: OpenAIUNetConfig, channels: int) -> None:
        super().__init__()
        self._factors = config.factors
        self.conv = Convolution(config.dims, channels, channels) if config.conv_resample else None

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` at the higher resolution."""
        if self.conv is None:
            return upsample_nearest(x, self._factors)
        return self.conv(x, upsample=self._factors)  # type: ignore[no-any-return]


class ResBlock(nn.Module):
    """Two convolutions and a shortcut, modulated by the time; optionally changing the resolution.

    Parameters
    ----------
    config
        The network's architecture.
    in_channels, out_channels
        Channels.
    resample
        ``"up"``, ``"down"`` or ``""``.
    """

    def __init__(
        self, config: OpenAIUNetConfig, in_channels: int, out_channels: int, resample: str = ""
    ) -> None:
        super().__init__()
        groups, eps = config.norm_groups, config.norm_eps
        width = 2 * out_channels if config.scale_shift_norm else out_channels
        self._scale_shift = config.scale_shift_norm
        self._resample = resample
        self._factors = config.factors
        self.in_layers = nn.ModuleList(
            [
                GroupNorm(groups, in_channels, eps=eps),
                nn.SiLU(),
                Convolution(config.dims, in_channels, out_channels),
            ]
        )
        self.emb_layers = nn.ModuleList([nn.SiLU(), nn.Linear(4 * config.model_channels, width)])
        self.out_layers = nn.ModuleList(
            [
                GroupNorm(groups, out_channels, eps=eps),
                nn.SiLU(),
                nn.Dropout(config.dropout),
                zeroed(Convolution(config.dims, out_channels, out_channels)),
            ]
        )
        self.skip_connection = (
            nn.Identity()
            if in_channels == out_channels
            else Convolution(config.dims, in_channels, out_channels, 1)
        )

    def forward(self, x: Tensor, embedding: Tensor, *, overwrite: bool = False) -> Tensor:
        """Transform ``(B, C, *spatial)``.

        Parameters
        ----------
        x
            Feature map.
        embedding
            The embedded time after SiLU, ``(1 or B, 4 * model_channels)``.
        overwrite
            Whether ``x`` may be destroyed.
        """
        skip = self.skip_connection(x)
        h = self.in_layers[0](x, silu=True, overwrite=overwrite and skip is not x)
        del x
        if self._resample == "down":
            h, skip = _average(h, self._factors), _average(skip, self._factors)
        h = self._modulated(h, self.emb_layers[1](embedding))
        h = self.out_layers[2](h)
        return self._add(self.out_layers[3](h), skip)

    def _modulated(self, h: Tensor, modulation: Tensor) -> Tensor:
        """First convolution, second norm and its SiLU, with the time in one or the other."""
        scale, shift = modulation.chunk(2, dim=1) if self._scale_shift else (None, None)
        added = None if self._scale_shift else modulation
        factors = self._factors if self._resample == "up" else None
        h = self.in_layers[2](h, added, upsample=factors)
        return self.out_layers[0](h, scale, shift, silu=True, overwrite=True)  # type: ignore[no-any-return]

    def _add(self, h: Tensor, skip: Tensor) -> Tensor:
        if self._resample == "up":
            if torch.is_grad_enabled():
                return h + upsample_nearest(skip, self._factors)
            return add_upsampled_(h, skip, self._factors)
        return h + skip if torch.is_grad_enabled() else h.add_(skip)
