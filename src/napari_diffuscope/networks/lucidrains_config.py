"""The architecture of the UNet of the package denoising-diffusion-pytorch, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.config import NetworkConfig, published_floats_per_pixel


@dataclass(frozen=True)
class LucidrainsUNetConfig(NetworkConfig):
    """Everything that decides the layers of such a UNet, in all versions of the package from 0.22 to 2.3.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the input (conditions included, the network's own last estimate not) and of the output.
    model_channels
        Base width (``dim``); the time embedding is four times as wide.
    stem_channels
        Width after the first convolution, ``None`` for ``model_channels``.
    channel_multipliers
        Width of each level over ``model_channels``.
    heads, head_channels
        Attention heads of each level, and channels of each head.
    full_attention
        For each level, whether all positions attend to all; otherwise attention is linear (Shen et al. 2018,
        arXiv 1812.01243). That of the middle is always full.
    memory_tokens
        Learned keys and values beside those of the image; 0 in versions before 1.9.
    norm
        Of the blocks: ``rms`` over the channels (versions from 2.0), or ``group``.
    norm_groups
        Of group norms.
    standardised
        Whether the filters of the blocks have mean 0 and variance 1 (versions from 0.27.3 to 1.7).
    attention_norm
        Around attention: ``rms``, or ``layer`` (versions before 1.7).
    norm_offset
        Whether ``layer`` norms have an offset (versions before 0.26.5).
    product_scale
        Factor of the products of queries and keys in full attention, each of which is brought to unit length over the
        positions (versions from 0.26 to 0.27); ``None`` for products over the root of the channels.
    averaged_values
        Whether linear attention divides its values by the number of positions (versions from 0.26.4 to 1.7).
    strided
        Whether resolution is halved by strided filters of 4, and not by joining squares of pixels (before 1.0).
    frequencies
        Number of learned or random frequencies of the time embedding, ``None`` for fixed ones.
    longest_period
        Of the time embedding over 2π, where frequencies are fixed (``theta``).
    self_conditioned
        Whether the input begins with the network's own last estimate, which may be all zeros, and is so here.
    """

    in_channels: int = 3
    out_channels: int = 3
    model_channels: int = 64
    stem_channels: int | None = None
    channel_multipliers: tuple[float, ...] = (1, 2, 4, 8)
    heads: tuple[int, ...] = (4, 4, 4, 4)
    head_channels: tuple[int, ...] = (32, 32, 32, 32)
    full_attention: tuple[bool, ...] = (False, False, False, True)
    memory_tokens: int = 4
    norm: Literal["rms", "group"] = "rms"
    norm_groups: int = 8
    standardised: bool = False
    attention_norm: Literal["rms", "layer"] = "rms"
    norm_offset: bool = False
    product_scale: float | None = None
    averaged_values: bool = False
    strided: bool = False
    frequencies: int | None = None
    longest_period: float = 10_000.0
    self_conditioned: bool = False

    def __post_init__(self) -> None:
        for name in ("channel_multipliers", "heads", "head_channels", "full_attention"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        levels = len(self.channel_multipliers)
        if not levels or {len(self.heads), len(self.head_channels), len(self.full_attention)} != {levels}:
            raise DiffuscopeError(
                "The UNet needs heads, head_channels and full_attention for each of its levels."
            )
        if self.norm == "group" and any(
            width % self.norm_groups for width in (self.stem, *self.level_channels)
        ):
            raise DiffuscopeError(f"The channels of the UNet do not split into {self.norm_groups} groups.")

    @property
    def stem(self) -> int:
        """Channels after the first convolution and before the last."""
        return self.stem_channels or self.model_channels

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels that each level hands on, from full resolution down."""
        return tuple(round(m * self.model_channels) for m in self.channel_multipliers)

    @property
    def total_stride(self) -> tuple[int, ...]:
        """What the size of an input must be a multiple of, per spatial axis."""
        return (2 ** (len(self.channel_multipliers) - 1),) * 2

    @property
    def floats_per_pixel(self) -> float:
        """See :func:`~napari_diffuscope.networks.config.published_floats_per_pixel`."""
        widths = (self.stem, *self.level_channels)
        tokens = 3.0 * max(h * c for h, c in zip(self.heads, self.head_channels, strict=True))
        return published_floats_per_pixel(widths, 2, self.in_channels, self.out_channels) + 2 * tokens
