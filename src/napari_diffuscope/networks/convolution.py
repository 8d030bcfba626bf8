"""Convolutions of the published networks: plain while training, prepared once for inference.

Three things make inference faster without changing what is computed (beyond rounding): weights are brought
into the CPU library's own layout once instead of at every call, which costs as much as the work itself where
maps are small and wide, and doubles the memory of the weights; nearest upsampling followed by a convolution
is one transposed convolution with 4 instead of 9 multiplications per value; what the noise level adds to all
positions goes into the bias.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.networks.derived import DerivedTensors


def channels_last(dims: int) -> torch.memory_format:
    """Return the memory format with adjacent channels for 2 or 3 spatial dimensions."""
    return torch.channels_last if dims == 2 else torch.channels_last_3d


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Convolve ``(B, C, Y, X)`` or ``(B, C, Z, Y, X)`` with zero padding."""
    function = F.conv2d if x.ndim == 4 else F.conv3d
    return function(x, weight, bias, stride=tuple(stride), padding=tuple(padding))


def upsample_nearest(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Repeat every voxel ``factors`` times along each spatial axis."""
    return F.interpolate(x, scale_factor=tuple(float(f) for f in factors), mode="nearest")


def add_upsampled_(x: Tensor, coarse: Tensor, factors: Sequence[int], *, alpha: float = 1.0) -> Tensor:
    """Add ``alpha`` times the nearest-upsampled ``coarse`` to ``x`` in place, never making it large."""
    for offset in offsets(factors):
        _phase(x, factors, offset).add_(coarse, alpha=alpha)
    return x


def _phase(x: Tensor, factors: Sequence[int], offset: Sequence[int]) -> Tensor:
    """View every ``factors``-th voxel from ``offset`` on."""
    steps = (slice(start, None, factor) for start, factor in zip(offset, factors, strict=True))
    return x[(slice(None), slice(None), *steps)]


def offsets(factors: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all positions of fine voxels inside a coarse one."""
    return list(itertools.product(*(range(factor) for factor in factors)))


def phase_kernel(weight: Tensor, factors: Sequence[int], offset: Sequence[int]) -> Tensor:
    """Return the kernel for the voxels at ``offset`` of a nearest-upsampled map, acting on the map itself.

    Upsampled voxels ``2 y`` see voxels ``y - 1, y, y`` of the map, voxels ``2 y + 1`` see ``y, y, y + 1``:
    two taps on the same voxel become one.

    Parameters
    ----------
    weight
        ``(O, I, *kernel)``, kernels of 3.
    factors
        Upsampling factor per spatial axis, 1 or 2.
    offset
        Which voxels, per spatial axis, each less than its factor.

    Returns
    -------
    Tensor
        ``(O, I, *kernel)`` with 2 taps along upsampled axes, 3 along others.
    """
    for axis, (factor, start) in enumerate(zip(factors, offset, strict=True), start=2):
        if factor == 2:
            first, second, third = weight.unbind(axis)
            pair = (first, second + third) if start == 0 else (first + second, third)
            weight = torch.stack(pair, axis)
    return weight.contiguous(memory_format=channels_last(weight.ndim - 2))


def pack_weight(weight: Tensor, stride: Sequence[int], padding: Sequence[int], size: Sequence[int]) -> Tensor:
    """Bring a float32 weight into the layout the CPU library wants for inputs of shape ``size``."""
    dims = weight.ndim - 2
    reorder = getattr(torch._C._nn, f"mkldnn_reorder_conv{dims}d_weight")
    ones = [1] * dims
    packed: Tensor = reorder(
        weight.detach().contiguous().to_mkldnn(), list(padding), list(stride), ones, 1, list(size)
    )
    return packed


def packed_convolve(
    x: Tensor, packed: Tensor, bias: Tensor | None, *, stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Convolve with a weight from :func:`pack_weight`."""
    ones = [1] * (x.ndim - 2)
    result: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, packed, bias, list(padding), list(stride), ones, 1, "none", [], ""
    )
    return result


@functools.cache
def packing_available() -> bool:
    """Whether this build of torch convolves with packed weights, and rightly so; tried once."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return all(_packing_works(dims) for dims in (2, 3))


def _packing_works(dims: int) -> bool:
    generator = torch.Generator().manual_seed(0)
    size = (1, 16, *(8,) * dims)
    x = torch.randn(size, generator=generator).contiguous(memory_format=channels_last(dims))
    weight = torch.randn(32, 16, *(3,) * dims, generator=generator)
    one = (1,) * dims
    try:
        packed = packed_convolve(x, pack_weight(weight, one, one, size), None, stride=one, padding=one)
    except (AttributeError, RuntimeError, TypeError):
        return False  # Not a fault: this build lacks the operation, and the ordinary one serves.
    return torch.allclose(packed, convolve(x, weight, None, stride=one, padding=one), rtol=1e-4, atol=1e-3)


def _phase_of(weight: Callable[[], Tensor], factors: Sequence[int], offset: Sequence[int]) -> Tensor:
    return phase_kernel(weight(), factors, offset)


class InferenceConvolution:
    """Convolves with weights that are prepared once; for use without gradients.

    Parameters
    ----------
    dims
        Number of spatial dimensions, 2 or 3.
    kernel
        Kernel edge, odd.
    stride
        Stride per spatial axis.
    """

    def __init__(self, dims: int, kernel: int, stride: Sequence[int]) -> None:
        self.derived = DerivedTensors()
        self._stride = tuple(stride)
        self._padding = (kernel // 2,) * dims

    def __call__(
        self, x: Tensor, sources: Sequence[Tensor], weight: Callable[[], Tensor], bias: Tensor | None
    ) -> Tensor:
        """Convolve ``x`` with the weight that ``weight()`` computes from ``sources``."""
        return self._apply("whole", x, sources, weight, bias)

    def upsampled(
        self,
        x: Tensor,
        sources: Sequence[Tensor],
        weight: Callable[[], Tensor],
        bias: Tensor | None,
        factors: Sequence[int],
    ) -> Tensor:
        """Convolve the nearest-upsampled ``x`` with kernels of 3; on the CPU without making it large."""
        if x.device.type != "cpu":
            return self(upsample_nearest(x, factors), sources, weight, bias)
        size = [n * f for n, f in zip(x.shape[2:], factors, strict=True)]
        out = torch.empty(
            (len(x), len(sources[0]), *size), dtype=x.dtype, memory_format=channels_last(x.ndim - 2)
        )
        for offset in offsets(factors):
            kernel = functools.partial(_phase_of, weight, factors, offset)
            part = self._apply(f"phase {offset}", x, sources, kernel, bias)
            crop = (slice(start, start + n) for start, n in zip(offset, x.shape[2:], strict=True))
            _phase(out, factors, offset).copy_(part[(slice(None), slice(None), *crop)])
        return out

    def _apply(
        self,
        name: str,
        x: Tensor,
        sources: Sequence[Tensor],
        weight: Callable[[], Tensor],
        bias: Tensor | None,
    ) -> Tensor:
        stride, padding, size = self._stride, self._padding, tuple(x.shape)
        if self._packs(x, sources[0]):
            packed = self.derived.get(
                f"packed {name}", sources, lambda: pack_weight(weight(), stride, padding, size)
            )
            return packed_convolve(x, packed, bias, stride=stride, padding=padding)
        dense = self.derived.get(name, sources, weight)
        return convolve(x, dense, bias, stride=stride, padding=padding)

    def _packs(self, x: Tensor, weight: Tensor) -> bool:
        on_cpu = x.device.type == weight.device.type == "cpu"
        return on_cpu and x.dtype == weight.dtype == torch.float32 and packing_available()


class Convolution(nn.Module):
    """A convolution with zero padding to equal size, in two or three dimensions, or over tokens.

    Parameters
    ----------
    dims
        1 (tokens, kernel 1 only), 2 or 3.
    in_channels, out_channels
        Channels.
    kernel
        Kernel edge, odd.
    stride
        Stride per spatial axis, default 1.
    end_padding
        Pad only after the last voxel of strided axes, by one, instead of on both sides.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: Sequence[int] | None = None,
        end_padding: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *(kernel,) * dims))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self._spatial = max(dims, 2)
        self._stride = tuple(stride or (1,) * self._spatial)
        self._padding = (kernel // 2,) * self._spatial
        self._end_padding = end_padding
        self._inference = InferenceConvolution(self._spatial, 1 if end_padding else kernel, self._stride)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weights and bias uniformly within ``1/sqrt(fan_in)``, torch's default for convolutions."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def train(self, mode: bool = True) -> Convolution:
        """Switch between training and evaluation; prepared weights are forgotten."""
        self._inference.derived.clear()
        return super().train(mode)

    def forward(
        self, x: Tensor, shift: Tensor | None = None, *, upsample: Sequence[int] | None = None
    ) -> Tensor:
        """Convolve ``(B, C, *spatial)``.

        Parameters
        ----------
        x
            Feature map.
        shift
            ``(1 or B, O)``, added per channel.
        upsample
            Factors of a nearest upsampling before the convolution.
        """
        bias: Tensor = self.bias
        if shift is not None and shift.shape[0] == 1:
            bias, shift = bias + shift[0], None
        out = self._convolve(x, bias, upsample)
        return out if shift is None else out.add_(shift.view(*shift.shape, *(1,) * (out.ndim - 2)))

    def tokens(self, x: Tensor) -> Tensor:
        """Apply a kernel of size 1 to tokens ``(B, T, C)``, giving ``(B, T, O)``."""
        if torch.is_grad_enabled() or x.device.type != "cpu":
            return F.linear(x, self.weight.flatten(1), self.bias)
        return self._convolve(x.transpose(1, 2).unsqueeze(-1), self.bias).squeeze(-1).transpose(1, 2)

    def _convolve(self, x: Tensor, bias: Tensor, upsample: Sequence[int] | None = None) -> Tensor:
        if self._end_padding:
            x = self._pad_end(x)
        if torch.is_grad_enabled():
            x = x if upsample is None else upsample_nearest(x, upsample)
            padding = (0,) * self._spatial if self._end_padding else self._padding
            return convolve(x, self._weight(), bias, stride=self._stride, padding=padding)
        if upsample is None:
            return self._inference(x, (self.weight,), self._weight, bias)
        return self._inference.upsampled(x, (self.weight,), self._weight, bias, upsample)

    def _weight(self) -> Tensor:
        return self.weight if self.weight.ndim > 3 else self.weight.unsqueeze(-1)

    def _pad_end(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for stride, pad in zip(reversed(self._stride), reversed(self._padding), strict=True):
            pads += [0, pad] if stride > 1 else [pad, pad]
        return F.pad(x, pads)
