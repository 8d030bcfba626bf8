"""Magnitude-preserving layers of the EDM2 network.

From the equations of Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion models"
(arXiv 2312.02696): every operation keeps the expected magnitude of its input, so that no norms are needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.convolution import InferenceConvolution, convolve, upsample_nearest

SILU_MAGNITUDE = 0.596
"""Root mean square of ``silu(x)`` for x of the unit normal distribution (eq. 81)."""
_EPS = 1e-4


def normalise(x: Tensor, dims: Sequence[int]) -> Tensor:
    """Divide by the root mean square over ``dims``, plus a small number (eq. 65), in float32."""
    size = math.prod(x.shape[d] for d in dims)
    norm = torch.linalg.vector_norm(x, dim=tuple(dims), keepdim=True, dtype=torch.float32)
    scale: Tensor = norm.mul(1 / math.sqrt(size)).add(_EPS).to(x.dtype)
    return x / scale


def mp_silu(x: Tensor) -> Tensor:
    """SiLU of unit magnitude (eq. 81)."""
    return F.silu(x) / SILU_MAGNITUDE


def sum_weights(share: float) -> tuple[float, float]:
    """Return the weights of the two terms of a magnitude-preserving sum (eq. 88)."""
    length = math.hypot(1 - share, share)
    return (1 - share) / length, share / length


def mp_sum(a: Tensor, b: Tensor, share: float) -> Tensor:
    """Add ``share`` of ``b`` to ``1 - share`` of ``a`` at unit magnitude (eq. 88)."""
    weight_a, weight_b = sum_weights(share)
    return a * weight_a + b * weight_b


def mp_cat(a: Tensor, b: Tensor, share: float = 0.5) -> Tensor:
    """Concatenate channels so that both inputs contribute by ``share`` whatever their widths (eq. 103)."""
    weight_a, weight_b = sum_weights(share)
    width_a, width_b = a.shape[1], b.shape[1]
    scale_a = weight_a * math.sqrt((width_a + width_b) / width_a)
    scale_b = weight_b * math.sqrt((width_a + width_b) / width_b)
    if torch.is_grad_enabled():
        return torch.cat([a * scale_a, b * scale_b], dim=1)
    size = (len(a), width_a + width_b, *a.shape[2:])
    out = torch.empty(size, dtype=a.dtype, device=a.device, memory_format=torch.channels_last)
    torch.mul(a, scale_a, out=out[:, :width_a])
    torch.mul(b, scale_b, out=out[:, width_a:])
    return out


class MPFourier(nn.Module):
    """Random Fourier features of a number, of unit magnitude (eq. 75)."""

    freqs: Tensor
    phases: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("freqs", 2 * math.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Embed ``(B,)`` as ``(B, channels)``."""
        angles = torch.outer(x.float(), self.freqs.float()) + self.phases.float()
        return angles.cos() * math.sqrt(2)


class MPConv(nn.Module):
    """A convolution or linear layer without bias whose weights are normalised per output (eqs. 47 and 66).

    In training the stored weights are normalised too, before every use (forced normalisation); for inference
    the normalised weights are computed once.

    Parameters
    ----------
    in_channels, out_channels
        Channels.
    kernel
        Kernel edge, odd; 0 for a linear layer.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, *(kernel,) * (2 if kernel else 0)))
        self._inference = InferenceConvolution(2, max(kernel, 1), (1, 1))
        self._padding = (kernel // 2,) * 2

    def train(self, mode: bool = True) -> MPConv:
        """Switch between training and evaluation; prepared weights are forgotten."""
        self._inference.derived.clear()
        return super().train(mode)

    def normalised(self, gain: float | Tensor = 1.0) -> Tensor:
        """Return the weights as they act, times ``gain``."""
        weight = normalise(self.weight.float(), range(1, self.weight.ndim))
        return (weight * (gain / math.sqrt(self.weight[0].numel()))).to(self.weight.dtype)

    def forward(self, x: Tensor, gain: float | Tensor = 1.0) -> Tensor:
        """Apply to ``(B, C)`` or ``(B, C, Y, X)``, with gradients."""
        if self.training:
            with torch.no_grad():
                self.weight.copy_(normalise(self.weight.float(), range(1, self.weight.ndim)))
        weight = self.normalised(gain)
        if weight.ndim == 2:
            return x @ weight.t()
        return convolve(x, weight, None, stride=(1, 1), padding=self._padding)

    def prepared(
        self, x: Tensor, gain: float | Tensor = 1.0, *, upsample: bool = False, head_width: int = 0
    ) -> Tensor:
        """Apply with weights prepared once; for use without gradients, with the same ``gain`` every time.

        Parameters
        ----------
        x
            ``(B, C)`` or ``(B, C, Y, X)``.
        gain
            Factor of the output. A tensor is watched for changes, a number is not.
        upsample
            Apply to the nearest-upsampled ``x``.
        head_width
            For a projection to queries, keys and values stored as (head, channel, which): give the outputs as
            (which, head, channel), with this many channels per head.
        """
        sources = (self.weight, gain) if isinstance(gain, Tensor) else (self.weight,)

        def weight() -> Tensor:
            value = self.normalised(gain)
            if head_width:
                value = value.view(-1, head_width, 3, *value.shape[1:]).movedim(2, 0).flatten(0, 2)
            return value if value.ndim == 2 else value.contiguous(memory_format=torch.channels_last)

        if x.ndim == 2:
            return x @ self._inference.derived.get("linear", sources, weight).t()
        if upsample:
            return self._inference.upsampled(x, sources, weight, None, (2, 2))
        return self._inference(x, sources, weight, None)


def resample(x: Tensor, mode: str) -> Tensor:
    """Halve by averaging (``"down"``), double by repeating (``"up"``), or keep (``""``)."""
    if mode == "down":
        return F.avg_pool2d(x, 2)
    return upsample_nearest(x, (2, 2)) if mode == "up" else x
