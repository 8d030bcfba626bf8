"""The architecture of an EDM2 UNet, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.config import NetworkConfig, published_floats_per_pixel


@dataclass(frozen=True)
class EDM2UNetConfig(NetworkConfig):
    """Everything that decides the layers of an EDM2 UNet.

    Parameters
    ----------
    image_size
        Edge of the training images: tensors are named by their resolution. Other sizes may be evaluated.
    in_channels, out_channels
        Channels of the input (the condition and the noisy image) and of the output.
    model_channels
        Base width.
    channel_multipliers
        Width of each level over ``model_channels``.
    res_blocks
        Blocks per level in the encoder; the decoder has one more.
    head_channels
        Channels per attention head.
    attention_resolutions
        Resolutions whose blocks have attention. The first block of the decoder always has.
    noise_channels
        Width of the Fourier embedding, ``None`` for the width of the first level.
    embedding_channels
        Width of the embedded noise level, ``None`` for that of the widest level.
    dropout
        Probability inside the blocks, in training.
    """

    image_size: int = 256
    in_channels: int = 2
    out_channels: int = 1
    model_channels: int = 64
    channel_multipliers: tuple[int, ...] = (1, 2, 4, 8)
    res_blocks: int = 2
    head_channels: int = 32
    attention_resolutions: tuple[int, ...] = ()
    noise_channels: int | None = None
    embedding_channels: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channel_multipliers", tuple(self.channel_multipliers))
        object.__setattr__(self, "attention_resolutions", tuple(sorted(set(self.attention_resolutions))))
        if self.image_size % 2 ** (len(self.channel_multipliers) - 1):
            raise DiffuscopeError(
                f"An image size of {self.image_size} cannot be halved"
                f" {len(self.channel_multipliers) - 1} times."
            )
        attended = {self.level_channels[-1]} | {
            c
            for r, c in zip(self.resolutions, self.level_channels, strict=True)
            if r in self.attention_resolutions
        }
        for channels in attended:
            if channels % self.head_channels:
                raise DiffuscopeError(
                    f"Attention over {channels} channels cannot be split into heads of {self.head_channels}"
                    " channels; choose another width."
                )

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, from full resolution down."""
        return tuple(m * self.model_channels for m in self.channel_multipliers)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Edge of each level for images of ``image_size``."""
        return tuple(self.image_size >> i for i in range(len(self.channel_multipliers)))

    @property
    def total_stride(self) -> tuple[int, ...]:
        """What the size of an input must be a multiple of, per spatial axis."""
        return (2 ** (len(self.channel_multipliers) - 1),) * 2

    @property
    def floats_per_pixel(self) -> float:
        """See :func:`~napari_diffuscope.networks.config.published_floats_per_pixel`."""
        return published_floats_per_pixel(
            self.level_channels, self.res_blocks, self.in_channels, self.out_channels
        )

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> EDM2UNetConfig:
        """Read the arguments of the authors' own network, by their names."""
        names = {
            "in_channel": "in_channels",
            "out_channel": "out_channels",
            "num_blocks": "res_blocks",
            "channel_mult": "channel_multipliers",
            "channels_per_head": "head_channels",
            "attn_resolutions": "attention_resolutions",
        }
        return cls.from_dict({names.get(k, k): v for k, v in values.items()})
