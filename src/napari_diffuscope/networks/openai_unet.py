"""The UNet of OpenAI's diffusion codes, in two and three dimensions, under its published tensor names."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.attention import SelfAttention
from napari_diffuscope.networks.config import Configured
from napari_diffuscope.networks.convolution import Convolution, channels_last, packing_available
from napari_diffuscope.networks.embedding import sinusoidal_embedding
from napari_diffuscope.networks.inputs import check_input
from napari_diffuscope.networks.normalisation import GroupNorm
from napari_diffuscope.networks.openai_blocks import Downsample, ResBlock, Upsample, zeroed
from napari_diffuscope.networks.openai_config import OpenAIUNetConfig

__all__ = ["OpenAIUNet", "OpenAIUNetConfig"]


class _Stage(nn.ModuleList):
    """Layers in a row; residual blocks also take the embedded time."""

    def forward(self, x: Tensor, embedding: Tensor, *, overwrite: bool = False) -> Tensor:
        for layer in self:
            modulated = isinstance(layer, ResBlock)
            x = layer(x, embedding, overwrite=overwrite) if modulated else layer(x)
            overwrite = True
        return x


class OpenAIUNet(Configured, nn.Module):
    """The UNet of improved-diffusion, guided-diffusion, latent-diffusion (without text) and DISPR.

    Tensor names equal the published ones, so that a published state dict loads with ``strict=True``.

    Parameters
    ----------
    config
        The architecture.
    """

    def __init__(self, config: OpenAIUNetConfig) -> None:
        super().__init__()
        self.config = config
        width = 4 * config.model_channels
        self.time_embed = nn.Sequential(
            nn.Linear(config.model_channels, width), nn.SiLU(), nn.Linear(width, width)
        )
        if config.classes is not None:
            self.label_emb = nn.Embedding(config.classes, width)
        skips: list[int] = []
        self.input_blocks = nn.ModuleList(_encoder(config, skips))
        self.middle_block = _middle(config)
        self.output_blocks = nn.ModuleList(_decoder(config, skips))
        stem = config.stem_channels
        self.out = nn.ModuleList(
            [
                GroupNorm(config.norm_groups, stem, eps=config.norm_eps),
                nn.SiLU(),
                zeroed(Convolution(config.dims, stem, config.out_channels)),
            ]
        )

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network.

        Parameters
        ----------
        x
            ``(B, in_channels, Y, X)`` or ``(B, in_channels, Z, Y, X)``, with sizes that are multiples of
            ``config.total_stride``.
        t
            The network's own time (an index, or a rescaled index), ``(1,)`` or ``(B,)``. One time for the
            whole batch is embedded once, which keeps results independent of the batch size.
        labels
            For networks with classes: class numbers ``(1,)`` or ``(B,)``, or weights of the classes
            ``(1 or B, classes)``.

        Returns
        -------
        Tensor
            ``(B, out_channels, *spatial)``, same dtype as ``x``.

        Raises
        ------
        DiffuscopeError
            If the shape of ``x`` does not fit the network, or labels are missing or not understood.
        """
        self._check(x, labels)
        self._arrange(x)
        embedding = self._embed(t, labels)
        layout = self._layout(x)
        h = x.contiguous(memory_format=layout)
        skips: list[Tensor] = []
        for stage in self.input_blocks:
            h = stage(h, embedding)
            skips.append(h)
        h = self.middle_block(h, embedding)
        for stage in self.output_blocks:
            h = torch.cat([h, skips.pop()], dim=1)
            h = stage(h, embedding, overwrite=True)
        h = self.out[0](h, silu=True, overwrite=True)
        return self.out[2](h)  # type: ignore[no-any-return]

    def _embed(self, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return SiLU of the embedded time and label: every block begins with that SiLU."""
        config = self.config
        waves = sinusoidal_embedding(
            t.reshape(-1), config.model_channels, frequency_shift=config.frequency_shift
        )
        embedding = self.time_embed(waves.to(next(self.time_embed.parameters()).dtype))
        if labels is not None:
            mixed = labels.is_floating_point()
            embedding = embedding + (labels @ self.label_emb.weight if mixed else self.label_emb(labels))
        return F.silu(embedding)

    def _check(self, x: Tensor, labels: Tensor | None) -> None:
        check_input(x, self.config.in_channels, self.config.total_stride)
        if (labels is None) != (self.config.classes is None):
            wanted = "needs class labels" if labels is None else "knows no class labels"
            raise DiffuscopeError(f"This network {wanted}.")

    def _layout(self, x: Tensor) -> torch.memory_format:
        """Adjacent channels, except in float32 off the CPU, where convolutions prefer separate ones."""
        if x.device.type == "cpu" or x.dtype in (torch.float16, torch.bfloat16):
            return channels_last(self.config.dims)
        return torch.contiguous_format

    def _arrange(self, x: Tensor) -> None:
        """Bring the weights into the layout of the activations, once, unless they are packed anyway."""
        layout = self._layout(x)
        if x.device.type == "cpu" and packing_available() and not torch.is_grad_enabled():
            return
        kernels = [p for p in self.parameters() if p.ndim == self.config.dims + 2]
        if all(kernel.is_contiguous(memory_format=layout) for kernel in kernels):
            return
        with torch.inference_mode(False), torch.no_grad():
            for kernel in kernels:
                kernel.data = kernel.data.contiguous(memory_format=layout)


def _attention(config: OpenAIUNetConfig, channels: int, *, decoder: bool = False) -> SelfAttention:
    return SelfAttention(
        channels,
        config.heads_at(channels, decoder=decoder),
        order=config.qkv_order,
        groups=config.norm_groups,
        eps=config.norm_eps,
    )


def _encoder(config: OpenAIUNetConfig, skips: list[int]) -> Iterator[_Stage]:
    """Yield the stages of the encoder, noting the channels that each hands to the decoder."""
    channels = config.stem_channels
    skips.append(channels)
    yield _Stage([Convolution(config.dims, config.in_channels, channels)])
    for level, width in enumerate(config.level_channels):
        for _ in range(config.res_blocks):
            layers: list[nn.Module] = [ResBlock(config, channels, width)]
            if 2**level in config.attention_downsampling:
                layers.append(_attention(config, width))
            channels = width
            skips.append(channels)
            yield _Stage(layers)
        if level < len(config.level_channels) - 1:
            skips.append(channels)
            yield _Stage(
                [
                    ResBlock(config, channels, channels, "down")
                    if config.resblock_updown
                    else Downsample(config, channels)
                ]
            )


def _middle(config: OpenAIUNetConfig) -> _Stage:
    channels = config.level_channels[-1]
    between = _attention(config, channels) if config.middle_attention else nn.Identity()
    return _Stage([ResBlock(config, channels, channels), between, ResBlock(config, channels, channels)])


def _decoder(config: OpenAIUNetConfig, skips: list[int]) -> Iterator[_Stage]:
    """Yield the stages of the decoder, consuming the encoder's channels from the end."""
    channels = config.level_channels[-1]
    for level, width in reversed(list(enumerate(config.level_channels))):
        for block in range(config.res_blocks + 1):
            layers: list[nn.Module] = [ResBlock(config, channels + skips.pop(), width)]
            channels = width
            if 2**level in config.attention_downsampling:
                layers.append(_attention(config, width, decoder=True))
            if level and block == config.res_blocks:
                layers.append(
                    ResBlock(config, channels, channels, "up")
                    if config.resblock_updown
                    else Upsample(config, channels)
                )
            yield _Stage(layers)
