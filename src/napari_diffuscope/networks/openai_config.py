"""The architecture of an OpenAI UNet, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.attention import QKV_ORDERS, QKVOrder
from napari_diffuscope.networks.config import NetworkConfig, published_floats_per_pixel

_PUBLISHED_NAMES = {
    "channel_mult": "channel_multipliers",
    "num_res_blocks": "res_blocks",
    "attention_resolutions": "attention_downsampling",
    "num_heads": "heads",
    "num_head_channels": "head_channels",
    "num_heads_upsample": "decoder_heads",
    "use_scale_shift_norm": "scale_shift_norm",
    "num_classes": "classes",
}
_PUBLISHED_IGNORED = {"image_size", "use_checkpoint", "use_fp16"}


@dataclass(frozen=True)
class OpenAIUNetConfig(NetworkConfig):
    """Everything that decides the layers of an OpenAI UNet.

    One description for improved-diffusion (Nichol & Dhariwal 2021, arXiv 2102.09672), guided-diffusion
    (Dhariwal & Nichol 2021, arXiv 2105.05233), and what latent-diffusion and DISPR made of it.

    Parameters
    ----------
    dims
        Spatial dimensions, 2 or 3.
    in_channels, out_channels
        Channels of the input (conditions included) and output (twice as many with learned variance).
    model_channels
        Base width; the time embedding is four times as wide.
    channel_multipliers
        Width of each level over ``model_channels``.
    res_blocks
        Residual blocks per level; the decoder has one more.
    attention_downsampling
        Downsampling factors whose levels have attention.
    heads, decoder_heads
        Number of attention heads, and in the decoder if different.
    head_channels
        Channels per head; decides the number of heads when given.
    qkv_order
        ``heads-first`` or ``qkv-first``, see :func:`~napari_diffuscope.networks.attention.split_heads`.
    scale_shift_norm
        Whether the time scales and shifts the second norm of a block, instead of being added before it.
    resblock_updown
        Whether residual blocks change the resolution, instead of convolutions.
    conv_resample
        Whether a convolution goes with each change of resolution.
    classes
        Number of class labels, ``None`` for none.
    z_preserving
        In 3D, keep the depth at all levels: only y and x are halved.
    middle_attention
        Whether the middle block has attention; always so in OpenAI's codes.
    norm_groups, norm_eps
        Of all group norms.
    frequency_shift
        Of the time embedding, 0 in OpenAI's codes.
    end_padding
        Whether downsampling convolutions pad only at the end, as in some diffusers models.
    dropout
        Probability inside the residual blocks, in training.
    """

    dims: int = 2
    in_channels: int = 3
    out_channels: int = 3
    model_channels: int = 64
    channel_multipliers: tuple[float, ...] = (1, 2, 4, 8)
    res_blocks: int = 2
    attention_downsampling: tuple[int, ...] = ()
    heads: int = 1
    decoder_heads: int | None = None
    head_channels: int | None = None
    qkv_order: QKVOrder = "heads-first"
    scale_shift_norm: bool = False
    resblock_updown: bool = False
    conv_resample: bool = True
    classes: int | None = None
    z_preserving: bool = True
    middle_attention: bool = True
    norm_groups: int = 32
    norm_eps: float = 1e-5
    frequency_shift: float = 0.0
    end_padding: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channel_multipliers", tuple(self.channel_multipliers))
        object.__setattr__(self, "attention_downsampling", tuple(sorted(set(self.attention_downsampling))))
        if self.dims not in (2, 3):
            raise DiffuscopeError(f"A UNet has 2 or 3 spatial dimensions, not {self.dims}.")
        if self.qkv_order not in QKV_ORDERS:
            raise DiffuscopeError(
                f"The q/k/v order must be one of {', '.join(QKV_ORDERS)}, not {self.qkv_order!r}."
            )
        for channels in self.level_channels:
            if channels <= 0 or channels % self.norm_groups:
                raise DiffuscopeError(
                    f"A level of the UNet has {channels} channels, which do not split into the"
                    f" {self.norm_groups} groups of its norms; choose other multipliers."
                )
        for channels in self._attended_channels():
            for decoder in (False, True):
                self.heads_at(channels, decoder=decoder)

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of each level, from full resolution down."""
        return tuple(int(m * self.model_channels + 1e-6) for m in self.channel_multipliers)

    @property
    def stem_channels(self) -> int:
        """Channels after the first convolution and before the last."""
        return self.level_channels[0]

    @property
    def factors(self) -> tuple[int, ...]:
        """What one level divides each spatial axis by."""
        return (1, 2, 2) if self.dims == 3 and self.z_preserving else (2,) * self.dims

    @property
    def total_stride(self) -> tuple[int, ...]:
        """What the size of an input must be a multiple of, per spatial axis."""
        return tuple(f ** (len(self.channel_multipliers) - 1) for f in self.factors)

    @property
    def floats_per_pixel(self) -> float:
        """See :func:`~napari_diffuscope.networks.config.published_floats_per_pixel`."""
        return published_floats_per_pixel(
            self.level_channels, self.res_blocks, self.in_channels, self.out_channels
        )

    def heads_at(self, channels: int, *, decoder: bool = False) -> int:
        """Return the number of attention heads at a width."""
        heads = self.decoder_heads if decoder and self.decoder_heads else self.heads
        if self.head_channels is not None:
            heads = channels // self.head_channels
        if heads < 1 or channels % heads or (self.head_channels and channels % self.head_channels):
            size = f"heads of {self.head_channels} channels" if self.head_channels else f"{heads} heads"
            raise DiffuscopeError(
                f"Attention over {channels} channels cannot be split into {size}; choose another number."
            )
        return heads

    def _attended_channels(self) -> set[int]:
        attended = {c for i, c in enumerate(self.level_channels) if 2**i in self.attention_downsampling}
        return attended | ({self.level_channels[-1]} if self.middle_attention else set())

    @classmethod
    def from_published(cls, values: Mapping[str, Any], *, dims: int = 2) -> OpenAIUNetConfig:
        """Read the arguments of the authors' own ``UNetModel``.

        Parameters
        ----------
        values
            Arguments by the authors' names, ``attention_resolutions`` as downsampling factors.
        dims
            Spatial dimensions, unless among the arguments.

        Raises
        ------
        DiffuscopeError
            If an argument is unknown.
        """
        arguments = {_PUBLISHED_NAMES.get(k, k): v for k, v in values.items() if k not in _PUBLISHED_IGNORED}
        if arguments.pop("use_new_attention_order", False):
            arguments["qkv_order"] = "qkv-first"
        for name in ("head_channels", "decoder_heads"):
            if arguments.get(name) == -1:
                arguments[name] = None
        return cls.from_dict({"dims": dims, **arguments})
