"""What the names and shapes of a file's tensors tell about the network they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.edm2_unet import EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig

Shapes = Mapping[str, tuple[int, ...]]


def is_openai(shapes: Shapes) -> bool:
    """Whether the names are those of an OpenAI UNet."""
    return {"time_embed.0.weight", "input_blocks.0.0.weight", "out.2.weight"} <= set(shapes)


def is_edm2(shapes: Shapes) -> bool:
    """Whether the names are those of an EDM2 UNet."""
    return {"emb_fourier.freqs", "emb_noise.weight", "out_conv.weight"} <= set(shapes)


def has_attention(shapes: Shapes) -> bool:
    """Whether an OpenAI UNet has attention, so that the number of heads matters."""
    return any(name.endswith(".qkv.weight") for name in shapes)


def infer_openai(shapes: Shapes) -> OpenAIUNetConfig:
    """Infer the architecture of an OpenAI UNet.

    Shapes do not tell the number of heads, the q/k/v order, whether a 3D network keeps its depth, or the
    constants of the norms: the result has the defaults for these.

    Parameters
    ----------
    shapes
        Shape of every tensor by name, without a prefix.

    Returns
    -------
    OpenAIUNetConfig
        With everything that the shapes tell.

    Raises
    ------
    DiffuscopeError
        If these are not the tensors of such a network.
    """
    if not is_openai(shapes):
        raise DiffuscopeError(
            "These weights are not those of an OpenAI UNet: time_embed, input_blocks or out are missing."
        )
    if any("transformer_blocks" in name for name in shapes):
        raise DiffuscopeError(
            "These weights are those of a UNet with cross-attention, for text, which is not supported."
        )
    try:
        return _openai(shapes)
    except KeyError as error:
        raise DiffuscopeError(
            f"The weights do not form a complete OpenAI UNet: tensor {error.args[0]} is missing."
        ) from error


def _openai(shapes: Shapes) -> OpenAIUNetConfig:
    first, last = shapes["input_blocks.0.0.weight"], shapes["out.2.weight"]
    width = shapes["time_embed.0.weight"][1]
    levels, blocks = _levels(shapes)
    starts = [1 + level * (blocks + 1) for level in range(levels)]
    channels = [shapes[f"input_blocks.{start}.0.out_layers.3.weight"][0] for start in starts]
    embedded = shapes["input_blocks.1.0.emb_layers.1.weight"][0]
    downs = [f"input_blocks.{start - 1}.0" for start in starts[1:]]
    convolved = [f"{down}.op.weight" in shapes for down in downs]
    attended = [f"input_blocks.{start}.1.qkv.weight" in shapes for start in starts]
    resblocks = [f"{down}.in_layers.0.weight" in shapes for down in downs]
    return OpenAIUNetConfig(
        dims=len(first) - 2,
        in_channels=first[1],
        out_channels=last[0],
        model_channels=width,
        channel_multipliers=tuple(ratio(c, width) for c in channels),
        res_blocks=blocks,
        attention_downsampling=tuple(2**i for i, attends in enumerate(attended) if attends),
        scale_shift_norm=embedded == 2 * channels[0],
        resblock_updown=any(resblocks),
        conv_resample=any(convolved) or any(resblocks) or not downs,
        classes=shapes["label_emb.weight"][0] if "label_emb.weight" in shapes else None,
        middle_attention="middle_block.1.qkv.weight" in shapes,
    )


def ratio(channels: int, width: int) -> float:
    """Channels over a width, whole where it is."""
    return channels // width if channels % width == 0 else channels / width


def _levels(shapes: Shapes) -> tuple[int, int]:
    """Return the number of levels and of residual blocks per level."""
    indices = {int(m[1]) for name in shapes if (m := re.match(r"input_blocks\.(\d+)\.", name))}
    count = 1 + max(indices)
    ups = {int(m[1]) for name in shapes if (m := re.match(_UPSAMPLING, name))}
    gaps = set(range(count)) - indices
    levels = 1 + (len(ups) or len(gaps))
    if count % levels or levels > count // 2:
        raise DiffuscopeError(
            f"The weights do not form an OpenAI UNet: {count} stages cannot make up {levels} levels."
        )
    return levels, count // levels - 1


_UPSAMPLING = r"output_blocks\.(\d+)\.[12]\.(?:conv|in_layers)\."


def infer_edm2(shapes: Shapes) -> EDM2UNetConfig:
    """Infer the architecture of an EDM2 UNet; shapes do not tell the channels per attention head: 32, as published.

    Parameters
    ----------
    shapes
        Shape of every tensor by name, without a prefix.

    Raises
    ------
    DiffuscopeError
        If these are not the tensors of such a network.
    """
    if not is_edm2(shapes):
        raise DiffuscopeError(
            "These weights are not those of an EDM2 UNet: emb_fourier, emb_noise or out_conv are missing."
        )
    try:
        return _edm2(shapes)
    except (KeyError, IndexError) as error:
        raise DiffuscopeError("The weights do not form a complete EDM2 UNet: a layer is missing.") from error


def _edm2(shapes: Shapes) -> EDM2UNetConfig:
    blocks = {
        (int(m[1]), int(m[2])) for name in shapes if (m := re.match(r"enc\.(\d+)x\d+_block(\d+)\.", name))
    }
    sizes = sorted({size for size, _ in blocks}, reverse=True)
    if not sizes or any(large != 2 * small for large, small in pairwise(sizes)):
        raise DiffuscopeError(f"The weights do not form an EDM2 UNet: its resolutions are {sizes}.")
    widths = [shapes[f"enc.{size}x{size}_block0.conv_res1.weight"][0] for size in sizes]
    stem = shapes[f"enc.{sizes[0]}x{sizes[0]}_conv.weight"]
    noise, embedding = shapes["emb_noise.weight"][1], shapes["emb_noise.weight"][0]
    if any(width % widths[0] for width in widths):
        raise DiffuscopeError(f"The weights do not form an EDM2 UNet: its widths are {widths}.")
    return EDM2UNetConfig(
        image_size=sizes[0],
        in_channels=stem[1] - 1,
        out_channels=shapes["out_conv.weight"][0],
        model_channels=widths[0],
        channel_multipliers=tuple(width // widths[0] for width in widths),
        res_blocks=1 + max(index for _, index in blocks),
        head_channels=32,
        attention_resolutions=tuple(
            size for size in sizes if f"enc.{size}x{size}_block0.attn_qkv.weight" in shapes
        ),
        noise_channels=None if noise == widths[0] else noise,
        embedding_channels=None if embedding == max(widths) else embedding,
    )
