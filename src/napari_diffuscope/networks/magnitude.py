"""Layers that keep the magnitude of their activations, so that no normalisation is needed.

Follows the design principles of Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion
Models", CVPR 2024 (arXiv 2312.02696): each layer maps inputs of unit variance to outputs of unit variance.
Nothing here looks further than a convolution kernel, so a network built from it is local.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

# Standard deviation of silu(x) for x of unit normal distribution; Karras et al. 2024, eq. 81.
SILU_GAIN = 1 / 0.596


def silu(x: Tensor) -> Tensor:
    """SiLU, x / (1 + exp(-x)), not yet scaled to unit variance.

    In inference it is written as x/2 · (1 + tanh(x/2)): the vectorised and the scalar form of torch's own SiLU differ
    in the last bit, and which one a pixel gets depends on the size of the tile; its tanh has one form.
    """
    if torch.is_grad_enabled():
        return functional.silu(x)
    half = x * 0.5
    return half.addcmul_(half, torch.tanh(half))


def mp_sum(a: Tensor, b: Tensor, weight: float = 0.5) -> Tensor:
    """Blend two independent signals, ``weight`` on ``b``, keeping unit variance; eq. 88."""
    return torch.lerp(a, b, weight) / math.hypot(1 - weight, weight)


def mp_cat(a: Tensor, b: Tensor, weight: float = 0.5) -> Tensor:
    """Concatenate channels so that ``a`` and ``b`` contribute as ``1 - weight`` to ``weight``; eq. 103."""
    a_channels, b_channels = a.shape[1], b.shape[1]
    common = math.sqrt((a_channels + b_channels) / ((1 - weight) ** 2 + weight**2))
    return torch.cat(
        (a * (common * (1 - weight) / math.sqrt(a_channels)), b * (common * weight / math.sqrt(b_channels))),
        1,
    )


def unit_filters(weight: Tensor) -> Tensor:
    """Scale each output filter to a root-mean-square of one; eq. 66."""
    return weight / filter_norms(weight)


def filter_norms(weight: Tensor) -> Tensor:
    """Root-mean-square of each output filter, in a shape that divides the filters."""
    norm: Tensor = weight.flatten(1).norm(dim=1)
    rms = norm / math.sqrt(weight[0].numel()) + 1e-4
    return rms.view(-1, *[1] * (weight.dim() - 1))


class TrainedFilters(torch.autograd.Function):
    """Filters of unit norm, scaled, for training.

    The gradient is that of :func:`unit_filters`: its component along each filter is taken out. Done by hand, weights
    and gradients are read and written half as often, which shows where maps are small.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: float) -> Tensor:
        """Scaled filters, in the type of mixed precision where that is switched on."""
        ctx.save_for_backward(weight)
        ctx.scale = scale
        place = weight.device.type
        mixed = torch.is_autocast_enabled(place)
        return (weight * scale).to(torch.get_autocast_dtype(place) if mixed else weight.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient across the filters."""
        (weight,) = ctx.saved_tensors
        gradient = (
            gradient * ctx.scale
            if gradient.dtype == weight.dtype
            else gradient.to(weight.dtype).mul_(ctx.scale)
        )
        axes = tuple(range(1, weight.dim()))
        along = (gradient * weight).mean(axes, keepdim=True)
        return gradient.addcmul_(weight, along, value=-1), None


def _one_kernel(x: Tensor) -> bool:
    """Whether to name the kernel oneself: ``conv2d`` takes another one for one thread, or for few values."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class MPConv(nn.Module):
    """Convolution (or, with an empty kernel, a linear layer) whose filters have unit norm and no bias.

    Parameters
    ----------
    inputs, outputs
        Number of channels.
    kernel
        One edge per spatial axis; ``()`` makes a linear layer.
    stride
        One per spatial axis; the default is 1.
    gain
        Fixed factor on the weights: ``SILU_GAIN`` where the input is a plain :func:`silu`.

    Notes
    -----
    In training the stored weights are renormalised at every pass, which keeps the effective learning rate
    (section 2.3 of the paper). For inference the scaled weights are computed once.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...] = (),
        stride: tuple[int, ...] = (),
        *,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.gain = gain
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *kernel))
        self.stride = stride or (1,) * len(kernel)
        self.padding = tuple(k // 2 if s == 1 else 0 for k, s in zip(kernel, self.stride, strict=True))
        self._ready: Tensor | None = None

    def _load_from_state_dict(self, *args: Any) -> None:
        self._ready = None
        super()._load_from_state_dict(*args)

    def _apply(self, *args: Any, **kwargs: Any) -> MPConv:
        self._ready = None
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def train(self, mode: bool = True) -> MPConv:
        """Switch between training and inference; forgets the prepared weights."""
        self._ready = None
        super().train(mode)
        return self

    @torch.no_grad()
    def normalise(self) -> None:
        """Scale the stored filters to a root-mean-square of one."""
        self.weight.div_(filter_norms(self.weight))

    def trained(self, gain: float = 1.0) -> Tensor:
        """In training: the scaled weights, times ``gain``, in the type that the convolution computes in."""
        if not torch.compiler.is_compiling():  # a compiled network is normalised before its step
            self.normalise()
        return cast("Tensor", TrainedFilters.apply(self.weight, gain * self._scale))  # type: ignore[no-untyped-call]

    @property
    def _scale(self) -> float:
        return self.gain / math.sqrt(self.weight[0].numel())

    def _scaled(self) -> Tensor:
        scale = self._scale
        if self._ready is None or torch.is_grad_enabled():
            ready = unit_filters(self.weight) * scale
            if ready.dim() == 4:
                ready = ready.contiguous(memory_format=torch.channels_last)
            if torch.is_grad_enabled():
                return ready
            self._ready = ready
        return self._ready

    def forward(self, x: Tensor, gain: Tensor | float = 1.0) -> Tensor:
        """Apply to ``(B, C, *space)``, or to ``(B, C)`` for a linear layer."""
        factor = 1.0 if isinstance(gain, Tensor) else gain
        weight = self.trained(factor) if self.training else self._scaled()
        if isinstance(gain, Tensor) or (factor != 1.0 and not self.training):
            weight = weight * gain
        if weight.dim() == 5 and x.shape[2] == weight.shape[2] == self.stride[0]:
            # Filters as long as the first axis make channels of it; as a 2D convolution that takes half the time.
            flat = _convolved(x.flatten(1, 2), weight.flatten(1, 2), self.stride[1:], self.padding[1:])
            return flat.unsqueeze(2)
        return _convolved(x, weight, self.stride, self.padding)


def _convolved(x: Tensor, weight: Tensor, stride: tuple[int, ...], padding: tuple[int, ...]) -> Tensor:
    if weight.dim() > 2 and _one_kernel(x):
        return torch.mkldnn_convolution(x, weight, None, padding, stride, (1,) * len(stride), 1)
    match weight.dim():
        case 2:
            return x @ weight.t()
        case 4:
            return functional.conv2d(x, weight, stride=stride, padding=padding)
        case 5:
            return functional.conv3d(x, weight, stride=stride, padding=padding)
    raise ValueError(f"no convolution for weights of shape {tuple(weight.shape)}")


class MPFourier(nn.Module):
    """Random Fourier features of a scalar per batch element, of unit variance; eq. 75."""

    frequencies: Tensor
    phases: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(features))
        self.register_buffer("phases", 2 * math.pi * torch.rand(features))

    def forward(self, value: Tensor) -> Tensor:
        """Map ``(B,)`` to ``(B, features)``."""
        return torch.cos(torch.outer(value.float(), self.frequencies) + self.phases) * math.sqrt(2)
