"""Networks of the diffusers library, ``UNet2DModel``, read as OpenAI UNets: the same under other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig

_PLAIN = ("DownBlock2D", "UpBlock2D")
_ATTENDED = ("AttnDownBlock2D", "AttnUpBlock2D")
_RESAMPLING = ("ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D")

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_SINGLE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "class_embedding": "label_emb",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_DEFAULTS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (224, 448, 672, 896),
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "downsample_padding": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "dropout": 0.0,
    "act_fn": "silu",
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "attn_norm_num_groups": None,
    "norm_eps": 1e-5,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
    "num_class_embeds": None,
}


def from_diffusers(
    config: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[OpenAIUNetConfig, dict[str, Tensor]]:
    """Read a diffusers ``UNet2DModel``.

    Parameters
    ----------
    config
        The contents of its ``config.json``; absent entries have diffusers' defaults.
    state
        Its tensors by name.

    Returns
    -------
    tuple of OpenAIUNetConfig and dict of Tensor
        The architecture and the tensors under OpenAI's names.

    Raises
    ------
    DiffuscopeError
        Naming what in the configuration is not supported, or a tensor that has no place.
    """
    architecture = diffusers_config(config)
    return architecture, _rename(state, architecture, sin_first=not config.get("flip_sin_to_cos", True))


def diffusers_config(config: Mapping[str, Any]) -> OpenAIUNetConfig:
    """Read the ``config.json`` of a diffusers ``UNet2DModel`` alone.

    Raises
    ------
    DiffuscopeError
        Naming what in the configuration is not supported.
    """
    values = {name: config.get(name, default) for name, default in _DEFAULTS.items()}
    _refuse(config, values)
    widths = values["block_out_channels"]
    head = values["attention_head_dim"]
    levels = [kind in _ATTENDED for kind in values["down_block_types"]]
    return OpenAIUNetConfig(
        in_channels=values["in_channels"],
        out_channels=values["out_channels"],
        model_channels=widths[0],
        channel_multipliers=tuple(w // widths[0] if w % widths[0] == 0 else w / widths[0] for w in widths),
        res_blocks=values["layers_per_block"],
        attention_downsampling=tuple(2**i for i, attended in enumerate(levels) if attended),
        head_channels=head,
        heads=1,
        qkv_order="qkv-first",
        scale_shift_norm=values["resnet_time_scale_shift"] == "scale_shift",
        resblock_updown=_resampler(values) == "resnet",
        classes=values["num_class_embeds"],
        middle_attention=values["add_attention"],
        norm_groups=values["norm_num_groups"],
        norm_eps=values["norm_eps"],
        frequency_shift=values["freq_shift"],
        end_padding=values["downsample_padding"] == 0,
        dropout=values["dropout"],
    )


def _refuse(config: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Raise for everything that an OpenAI UNet cannot express."""
    kind = config.get(
        "_class_name", "UNet2DModel" if "block_out_channels" in config else "a network of another code"
    )
    if kind != "UNet2DModel":
        raise DiffuscopeError(f"Of diffusers' networks only UNet2DModel is supported, not {kind}.")
    only: dict[str, tuple[Any, ...]] = {
        "center_input_sample": (False,),
        "time_embedding_type": ("positional",),
        "time_embedding_dim": (None, 4 * values["block_out_channels"][0]),
        "mid_block_type": ("UNetMidBlock2D",),
        "mid_block_scale_factor": (1,),
        "downsample_padding": (0, 1),
        "act_fn": ("silu", "swish"),
        "resnet_time_scale_shift": ("default", "scale_shift"),
        "class_embed_type": (None,),
    }
    if values["resnet_time_scale_shift"] == "scale_shift" and values["add_attention"]:
        only["attn_norm_num_groups"] = (values["norm_num_groups"],)
    else:
        only["attn_norm_num_groups"] = (None, values["norm_num_groups"])
    for name, supported in only.items():
        if values[name] not in supported:
            raise DiffuscopeError(
                f"The diffusers network has {name} = {values[name]!r}, which is not supported; only"
                f" {' or '.join(repr(s) for s in supported)}."
            )
    _refuse_blocks(values)


def _refuse_blocks(values: Mapping[str, Any]) -> None:
    down, up = values["down_block_types"], values["up_block_types"]
    strange = sorted({*down, *up} - {*_PLAIN, *_ATTENDED, *_RESAMPLING})
    if strange:
        raise DiffuscopeError(
            f"The diffusers network has blocks of type {strange[0]}, which is not supported."
        )
    if [kind in _ATTENDED for kind in down] != [kind in _ATTENDED for kind in reversed(up)]:
        raise DiffuscopeError(
            "The diffusers network has attention at other levels going down than up, which is not supported."
        )
    _resampler(values)


def _resampler(values: Mapping[str, Any]) -> str:
    """Return how the network changes resolution, ``conv`` or ``resnet``, the same way everywhere."""
    changing = [*values["down_block_types"][:-1], *values["up_block_types"][:-1]]
    types = [values["downsample_type"]] * (len(changing) // 2) + [values["upsample_type"]] * (
        len(changing) // 2
    )
    fixed = {**dict.fromkeys(_PLAIN, "conv"), **dict.fromkeys(_RESAMPLING, "resnet")}
    ways = {fixed.get(kind, chosen) for kind, chosen in zip(changing, types, strict=True)} or {"conv"}
    if len(ways) > 1 or not ways <= {"conv", "resnet"}:
        raise DiffuscopeError(
            f"The diffusers network changes resolution by {' and '.join(sorted(map(str, ways)))}, which"
            " is not supported; only 'conv' or 'resnet' throughout."
        )
    return str(ways.pop())


def _rename(state: Mapping[str, Tensor], config: OpenAIUNetConfig, *, sin_first: bool) -> dict[str, Tensor]:
    left = dict(state)
    renamed: dict[str, Tensor] = {}
    for theirs, ours in _SINGLE.items():
        _move(left, renamed, theirs, ours)
    for theirs, ours in _modules(config):
        if ".attentions." in theirs:
            _move_attention(left, renamed, theirs, ours)
        elif ".resnets." in theirs or config.resblock_updown:
            for part, target in _RESNET.items():
                _move(left, renamed, f"{theirs}.{part}", f"{ours}.{target}")
        else:
            _move(left, renamed, f"{theirs}.conv", f"{ours}.{'op' if 'down_blocks' in theirs else 'conv'}")
    if left:
        raise DiffuscopeError(f"The diffusers network has a tensor that is not supported: {min(left)}.")
    if sin_first and "time_embed.0.weight" in renamed:
        sines, cosines = renamed["time_embed.0.weight"].chunk(2, dim=1)
        renamed["time_embed.0.weight"] = torch.cat([cosines, sines], dim=1)
    return renamed


def _move(left: dict[str, Tensor], renamed: dict[str, Tensor], theirs: str, ours: str) -> None:
    for part in ("weight", "bias"):
        if f"{theirs}.{part}" in left:
            renamed[f"{ours}.{part}"] = left.pop(f"{theirs}.{part}")


def _move_attention(left: dict[str, Tensor], renamed: dict[str, Tensor], theirs: str, ours: str) -> None:
    """Join queries, keys and values, under the names of today or of diffusers before 0.15."""
    _move(left, renamed, f"{theirs}.group_norm", f"{ours}.norm")
    old = f"{theirs}.query.weight" in left
    names = ("query", "key", "value") if old else ("to_q", "to_k", "to_v")
    for part in ("weight", "bias"):
        keys = [f"{theirs}.{name}.{part}" for name in names]
        if all(key in left for key in keys):
            joined = torch.cat([left.pop(key) for key in keys])
            renamed[f"{ours}.qkv.{part}"] = joined.unsqueeze(-1) if part == "weight" else joined
    _move(left, renamed, f"{theirs}.{'proj_attn' if old else 'to_out.0'}", f"{ours}.proj_out")
    weight = f"{ours}.proj_out.weight"
    if weight in renamed:
        renamed[weight] = renamed[weight].unsqueeze(-1)


def _modules(config: OpenAIUNetConfig) -> Iterator[tuple[str, str]]:
    """Yield diffusers' names of residual blocks, attentions and resamplers with OpenAI's."""
    levels, blocks = len(config.channel_multipliers), config.res_blocks
    for level in range(levels):
        attended = 2**level in config.attention_downsampling
        start = 1 + level * (blocks + 1)
        for block in range(blocks):
            yield f"down_blocks.{level}.resnets.{block}", f"input_blocks.{start + block}.0"
            if attended:
                yield f"down_blocks.{level}.attentions.{block}", f"input_blocks.{start + block}.1"
        if level < levels - 1:
            yield f"down_blocks.{level}.downsamplers.0", f"input_blocks.{start + blocks}.0"
    yield "mid_block.resnets.0", "middle_block.0"
    yield "mid_block.attentions.0", "middle_block.1"
    yield "mid_block.resnets.1", "middle_block.2"
    for step in range(levels):
        attended = 2 ** (levels - 1 - step) in config.attention_downsampling
        start = step * (blocks + 1)
        for block in range(blocks + 1):
            yield f"up_blocks.{step}.resnets.{block}", f"output_blocks.{start + block}.0"
            if attended:
                yield f"up_blocks.{step}.attentions.{block}", f"output_blocks.{start + block}.1"
        if step < levels - 1:
            place = 2 if attended else 1
            yield f"up_blocks.{step}.upsamplers.0", f"output_blocks.{start + blocks}.{place}"
