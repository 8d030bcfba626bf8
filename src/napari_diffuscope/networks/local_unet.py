"""Our own network: a flat, magnitude-preserving UNet, local by construction, in 2D and 3D.

A space-to-depth stem halves the resolution before the first wide layer; there is neither normalisation nor
attention, so an output pixel depends on a bounded neighbourhood (``receptive_radius``) and an image may be cut
into tiles with that halo and come out bit-identical.

With ``smoothed`` the network is also given smoothed copies of its state, in which coarse structure shows through noise
that hides every single pixel.

With ``wavelets`` the output also holds the starlet bands of the inputs, each times a factor that the network chooses
pixel by pixel: what a wavelet filter can do, keep fine detail or average over many pixels, it need not learn.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_diffuscope.networks.local_config import LocalUNetConfig
from napari_diffuscope.networks.magnitude import SILU_GAIN, MPConv, MPFourier, mp_cat, mp_sum, silu
from napari_diffuscope.networks.starlet import smoothed_copies, starlet, starlet_radius

__all__ = ["LocalUNet", "LocalUNetConfig"]

SEEN = 3.0
"""Smoothed copies of the state grow to this and no further, in deviations of their noise."""

RESIDUAL = 0.3
"""Share of the residual in a block's sum."""

LARGEST = 6.0
"""Inputs beyond this, hot pixels above all, do not enter the wavelet path at full size."""


class _Block(nn.Module):
    """Residual block, modulated by the noise level; figure 21 of Karras et al. 2024, without pixel norm."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, ...], embedding: int) -> None:
        super().__init__()
        self.skip = MPConv(inputs, outputs, (1,) * len(kernel)) if inputs != outputs else None
        self.first = MPConv(outputs, outputs, kernel, gain=SILU_GAIN)
        self.level = MPConv(embedding, outputs)
        self.level_gain = nn.Parameter(torch.zeros([]))
        self.second = MPConv(outputs, outputs, kernel, gain=SILU_GAIN)
        self.added_scale: Tensor | None = None  # no weight: what one image adds, see `LocalUNet.scaled`

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.residual(x if self.skip is None else self.skip(x), embedding)

    def residual(self, x: Tensor, embedding: Tensor) -> Tensor:
        """All but the change of width."""
        scale = self.level(embedding, self.level_gain) + 1
        if self.added_scale is not None:
            scale = scale + self.added_scale
        y = self.first(silu(x)) * scale.view(*scale.shape, *[1] * (x.dim() - 2))
        if self.training:  # the factors of the sum go into the filters: fewer passes over the map
            norm = math.hypot(1 - RESIDUAL, RESIDUAL)
            return torch.add(self.second(silu(y), RESIDUAL / norm), x, alpha=(1 - RESIDUAL) / norm)
        return mp_sum(x, self.second(silu(y)), RESIDUAL)


def _blocks(count: int, first: int, width: int, config: LocalUNetConfig) -> nn.ModuleList:
    return nn.ModuleList(
        _Block(first if i == 0 else width, width, config.kernel, config.embedding) for i in range(count)
    )


class LocalUNet(nn.Module):
    """UNet that sees ``receptive_radius`` pixels far and no further.

    Parameters
    ----------
    config
        The architecture.
    """

    def __init__(self, config: LocalUNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, dims = config.widths, config.dims
        # A channel of ones stands in for the biases.
        inputs = config.channels * (1 + config.smoothed) + config.condition_channels + 1
        self.fourier = MPFourier(config.embedding)
        self.embed = MPConv(config.embedding, config.embedding)
        self.embed_class = MPConv(config.classes, config.embedding) if config.classes else None
        self.embed_numbers = MPConv(config.numbers, config.embedding) if config.numbers else None
        self.stem = MPConv(inputs, widths[0], config.stem, config.stem)
        self.encoder = nn.ModuleList(
            _blocks(count, width, width, config)
            for count, width in zip(config.encoder_blocks, widths, strict=True)
        )
        self.down = nn.ModuleList(MPConv(a, b, config.pool, config.pool) for a, b in pairwise(widths))
        self.up = nn.ModuleList(MPConv(b, a, (1,) * dims) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(
            _blocks(count, 2 * width, width, config)
            for count, width in zip(config.decoder_blocks, widths, strict=False)
        )
        self.head = MPConv(widths[0], config.channels * math.prod(config.stem), config.kernel)
        self.out_gain = nn.Parameter(torch.tensor(0.5))
        if config.wavelets:
            factors = config.channels * config.bands
            self.factors = MPConv(widths[0], factors * math.prod(config.stem), config.kernel)
            self.factor_gain = nn.Parameter(torch.tensor(0.1))
            self.level_factors = MPConv(config.embedding, factors)
            self.level_factor_gain = nn.Parameter(torch.tensor(0.0))
            self.mean_factors = nn.Parameter(first_factors(config))

    @property
    def scales(self) -> tuple[int, ...]:
        """Number of channels of each residual block, in the order of :meth:`scaled`."""
        return tuple(block.level.weight.shape[0] for block in self._all_blocks())

    def scaled(self, added: Sequence[Tensor]) -> LocalUNet:
        """A copy whose blocks scale their channels by so much more, at every noise level.

        Parameters
        ----------
        added
            ``(channels,)`` for each of :attr:`scales`; used as they are, so that they may be learned.
        """
        network = copy.deepcopy(self).eval()
        for block, scale in zip(network._all_blocks(), added, strict=True):
            block.added_scale = scale
        return network

    def _all_blocks(self) -> list[_Block]:
        return [module for module in self.modules() if isinstance(module, _Block)]

    @property
    def total_stride(self) -> tuple[int, ...]:
        """Pixels per cell of the coarsest level, per axis: tile origins and sizes are multiples of it."""
        levels = len(self.config.widths) - 1
        return tuple(s * p**levels for s, p in zip(self.config.stem, self.config.pool, strict=True))

    @property
    def receptive_radius(self) -> tuple[int, ...]:
        """How far, in pixels per axis, the output inside a cell of ``total_stride`` reaches beyond that cell.

        Walks the longest path backwards: a convolution of width 3 adds one cell of its level, one of width 1 none;
        going to a coarser level rounds up to whole cells.
        """
        return tuple(self._radius_along(axis) for axis in range(self.config.dims))

    def _radius_along(self, axis: int) -> int:
        config = self.config
        cells = [config.stem[axis] * config.pool[axis] ** level for level in range(len(config.widths))]
        wide = config.kernel[axis] == 3
        radius: int = wide * cells[0]  # the head
        for level, count in enumerate(config.decoder_blocks):
            radius += wide * 2 * count * cells[level]
            radius = -(-radius // cells[level + 1]) * cells[level + 1]
        for count, cell in zip(config.encoder_blocks, cells, strict=True):
            radius += wide * 2 * count * cell
        return max(radius + starlet_radius(config.smoothed), starlet_radius(config.wavelets))

    @property
    def floats_per_pixel(self) -> float:
        """Peak number of float32 values that inference holds per input pixel, for planning memory.

        At the finest level a block holds its input, the concatenation and two intermediate results; coarser levels
        hold less. Convolutions need workspace of about the same size again.
        """
        finest = self.config.widths[0] / math.prod(self.config.stem)
        inputs = self.config.channels * (1 + self.config.smoothed) + self.config.condition_channels
        return 2.0 * (6 * finest + inputs + 1) + (2 + 2 * self.config.channels) * self.config.bands

    def forward(
        self, x: Tensor, t: Tensor, labels: Tensor | None = None, numbers: Tensor | None = None
    ) -> Tensor:
        """Network output for a batch.

        Parameters
        ----------
        x
            ``(B, channels + condition_channels, *space)``: noisy state, then condition; each spatial size is a
            multiple of ``total_stride``.
        t
            ``(B,)``, or ``(1,)`` for the whole batch: noise level in [0, 1], 1 is pure noise. With one level the
            embedding is computed at batch 1, so that results do not depend on the size of the batch.
        labels
            For class-conditional networks: class numbers ``(B,)`` or ``(1,)``, or weights of the classes
            ``(B or 1, classes)``, all zero for no class.
        numbers
            ``(B or 1, numbers)``, for networks that are conditioned on some; zeros by default.

        Returns
        -------
        Tensor
            ``(B, channels, *space)``.
        """
        embedding = self.embedding(t, labels, numbers)
        layout = torch.channels_last if self.config.dims == 2 else torch.channels_last_3d
        bands = self._bands(x)
        x = torch.cat((x, *self._smoothed(x), x.new_ones(x.shape[0], 1, *x.shape[2:])), 1)
        if x.dim() == 4 or x.shape[2] != self.config.stem[0]:  # else the stem works on planes as channels
            x = x.contiguous(memory_format=layout)
        x = self.stem(x).contiguous(memory_format=layout)
        skips: list[Tensor] = []
        for level, blocks in enumerate(self.encoder):
            if level:
                skips.append(x)
                x = self.down[level - 1](x)
            x = _through(blocks, x, embedding)
        for level in reversed(range(len(self.decoder))):
            x = self._decoded(level, self.up[level](x), skips.pop(), embedding)
        output = depth_to_space(self.head(x, self.out_gain), self.config.stem)
        return output if bands is None else output + self._weighted(bands, x, embedding)

    def _decoded(self, level: int, coarse: Tensor, skip: Tensor, embedding: Tensor) -> Tensor:
        """A level of the decoder: the coarser map, enlarged, beside the encoder's, through the blocks."""
        blocks, factors = self.decoder[level], tuple(map(float, self.config.pool))
        assert isinstance(blocks, nn.ModuleList)
        if self.training and blocks:
            first = blocks[0]
            assert isinstance(first, _Block)
            joined = _joined(first, coarse, skip, factors)
            return _through(blocks[1:], first.residual(joined, embedding), embedding)
        fine = functional.interpolate(coarse, scale_factor=factors, mode="nearest")
        return _through(blocks, mp_cat(fine, skip), embedding)

    def _smoothed(self, x: Tensor) -> tuple[Tensor, ...]:
        """Smoothed copies of the state, kept within ``SEEN``: in weak noise their values would grow without bound."""
        if not self.config.smoothed:
            return ()
        copies = smoothed_copies(x[:, : self.config.channels], self.config.smoothed)
        return (copies.clamp(-SEEN, SEEN),)

    def _bands(self, x: Tensor) -> Tensor | None:
        """Starlet bands of the inputs that have some."""
        if not self.config.wavelets:
            return None
        return starlet(x[:, : self.config.banded].clamp(-LARGEST, LARGEST), self.config.wavelets)

    def _weighted(self, bands: Tensor, x: Tensor, embedding: Tensor) -> Tensor:
        """Sum of the starlet bands, each times its factor at each pixel: ``(B, channels, *space)``."""
        factors = depth_to_space(self.factors(x, self.factor_gain), self.config.stem)
        common = self.mean_factors + self.level_factors(embedding, self.level_factor_gain)
        factors = factors + common.view(*common.shape, *[1] * self.config.dims)
        per_output: Tensor = factors.unflatten(
            1, (self.config.channels, self.config.bands)
        ) * bands.unsqueeze(1)
        if self.training:
            return per_output.sum(2)
        total: Tensor
        total, *others = per_output.unbind(2)
        for band in others:  # one after the other: the same order for every pixel
            total = total + band
        return total

    def embedding(self, t: Tensor, labels: Tensor | None = None, numbers: Tensor | None = None) -> Tensor:
        """Features ``(B, embedding)`` of a noise level ``(B,)``, and of classes and numbers where there are any."""
        features = self.embed(self.fourier(t))
        if self.embed_class is not None:
            if labels is None:
                raise ValueError(f"this network needs class labels from 0 to {self.config.classes - 1}")
            if not labels.is_floating_point():
                labels = functional.one_hot(labels, self.config.classes)
            weights = labels.to(features) * math.sqrt(self.config.classes)
            features = mp_sum(features, self.embed_class(weights))
        if self.embed_numbers is not None:
            conditions = (
                features.new_zeros(1, self.config.numbers) if numbers is None else numbers.to(features)
            )
            features = mp_sum(features, self.embed_numbers(conditions))
        return silu(features) * SILU_GAIN


def first_factors(config: LocalUNetConfig) -> Tensor:
    """Factors of the starlet bands before training: the first channels of the condition, with the sign of v.

    At pure noise v is minus the clean image, so an untrained network already returns a (mildly smoothed) measurement.
    """
    keep = 1 - 0.5 ** torch.arange(1.0, config.wavelets + 2)
    if config.wavelet_start == "identity":
        keep = torch.ones_like(keep)
    factors = torch.zeros(config.channels, config.wavelets + 1, config.banded)
    if config.banded >= 2 * config.channels:
        for channel in range(config.channels):
            factors[channel, :, config.channels + channel] = -keep
    return factors.flatten()


def _through(blocks: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    assert isinstance(blocks, nn.ModuleList)
    for block in blocks:
        x = block(x, embedding)
    return x


def _joined(block: _Block, coarse: Tensor, skip: Tensor, factors: tuple[float, ...]) -> Tensor:
    """What a block's change of width makes of both maps side by side, in training.

    Filters of one pixel may work on the coarser map before it is enlarged, and need no copy of both: the same sums,
    with a fraction of the passes over the fine map.
    """
    assert block.skip is not None
    left, right = coarse.shape[1], skip.shape[1]
    common = math.sqrt((left + right) / 2)  # as in mp_cat
    filters = block.skip.trained(common)
    convolve = functional.conv2d if skip.dim() == 4 else functional.conv3d
    first = convolve(coarse, filters[:, :left] / math.sqrt(left))
    second = convolve(skip, filters[:, left:] / math.sqrt(right))
    return second + functional.interpolate(first, scale_factor=factors, mode="nearest")


def depth_to_space(x: Tensor, factors: Sequence[int]) -> Tensor:
    """Spread channels over space: ``(B, C·Πf, *space)`` to ``(B, C, *(space·f))``."""
    batch, channels, *space = x.shape
    dims = len(factors)
    x = x.reshape(batch, channels // math.prod(factors), *factors, *space)
    order = [0, 1]
    for axis in range(dims):
        order += [2 + dims + axis, 2 + axis]
    return x.permute(order).reshape(batch, -1, *(s * f for s, f in zip(space, factors, strict=True)))
