"""A ``UNet2DModel`` of diffusers without its ``config.json``: what its tensors tell, and what is to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig
from napari_diffuscope.weights.card import NetworkSpec
from napari_diffuscope.weights.diffusers_names import from_diffusers
from napari_diffuscope.weights.folder import build_network, check_names
from napari_diffuscope.weights.infer import Shapes
from napari_diffuscope.weights.sidecar import Sidecar

_FIRST_MODELS: dict[str, Any] = {
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "downsample_padding": 0,
    "norm_eps": 1e-6,
    "attention_head_dim": None,
}
"""What the models that were converted from the first diffusion code (google/ddpm-…) have, and the defaults not."""

_USUAL_GROUPS = 32
_FOREIGN = {
    "transformer_blocks": "with cross-attention, for text (UNet2DConditionModel)",
    "time_proj.weight": "with Fourier features of the time (time_embedding_type = 'fourier')",
    "temp_convs": "for videos (UNet3DConditionModel)",
    "controlnet_": "that steers another one (ControlNet)",
    "add_embedding.": "that is told more than the time (UNet2DConditionModel)",
    "class_embedding.linear": "that is told of classes by their number (class_embed_type = 'timestep')",
    ".skip_conv.": "with images between its levels (SkipDownBlock2D)",
}


def config_of_keys(shapes: Shapes, said: Sidecar) -> dict[str, Any]:
    """The ``config.json`` that a network without one had.

    Parameters
    ----------
    shapes
        Shape of every tensor by name, without a prefix.
    said
        What was answered: ``diffusers_settings``, ``head_channels`` or ``heads`` = 1, ``norm_groups``.

    Returns
    -------
    dict
        As :func:`~napari_diffuscope.weights.diffusers_names.diffusers_config` reads it.

    Raises
    ------
    DiffuscopeError
        If these are not all tensors of such a network, or of one that is not supported.
    """
    for part, words in _FOREIGN.items():
        if name := next((name for name in shapes if part in name), None):
            raise DiffuscopeError(
                f"A network of diffusers {words} is not supported; it has the tensor {name}."
            )
    try:
        config = _told(shapes)
    except (LookupError, ValueError) as error:
        raise DiffuscopeError(
            f"The weights do not form a complete UNet2DModel of diffusers ({error})."
        ) from error
    config |= _FIRST_MODELS if said.diffusers_settings == "ddpm" else {}
    if said.head_channels or said.heads:
        config["attention_head_dim"] = said.head_channels
    groups = said.norm_groups or _groups_of(config["block_out_channels"])
    if wrong := [width for width in config["block_out_channels"] if width % groups]:
        raise DiffuscopeError(f"Its {wrong[0]} channels cannot be split into norms of {groups} groups.")
    config |= {"norm_num_groups": groups, "attn_norm_num_groups": groups}
    _check_whole(shapes, config)
    return config


def _groups_of(widths: Iterable[int]) -> int:
    """Groups of the norms: 32 where the widths allow that, else the most that they do."""
    widths = list(widths)
    return next(
        groups for groups in range(_USUAL_GROUPS, 0, -1) if not any(width % groups for width in widths)
    )


def _told(shapes: Shapes) -> dict[str, Any]:
    """Entries that the tensors tell."""
    levels = 1 + max(_numbers(shapes, r"down_blocks\.(\d+)\."))
    widths = tuple(shapes[f"down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(levels))
    downs = [_kind(shapes, f"down_blocks.{level}", "Down", "downsamplers") for level in range(levels)]
    ups = [_kind(shapes, f"up_blocks.{level}", "Up", "upsamplers") for level in range(levels)]
    resnet = any("samplers.0.norm1." in name for name in shapes)
    embedded = shapes["down_blocks.0.resnets.0.time_emb_proj.weight"][0]
    classes = shapes.get("class_embedding.weight")
    return {
        "_class_name": "UNet2DModel",
        "in_channels": shapes["conv_in.weight"][1],
        "out_channels": shapes["conv_out.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": 1 + max(_numbers(shapes, r"down_blocks\.0\.resnets\.(\d+)\.")),
        "down_block_types": tuple(downs),
        "up_block_types": tuple(ups),
        "downsample_type": "resnet" if resnet else "conv",
        "upsample_type": "resnet" if resnet else "conv",
        "resnet_time_scale_shift": "scale_shift" if embedded == 2 * widths[0] else "default",
        "add_attention": any(name.startswith("mid_block.attentions.0.") for name in shapes),
        "num_class_embeds": classes[0] if classes else None,
    }


def _kind(shapes: Shapes, block: str, way: str, resampler: str) -> str:
    """Type of a block."""
    if any(name.startswith(f"{block}.attentions.") for name in shapes):
        return f"Attn{way}Block2D"
    resnet = f"{block}.{resampler}.0.norm1.weight" in shapes
    return f"Resnet{way}sampleBlock2D" if resnet else f"{way}Block2D"


def _numbers(shapes: Shapes, pattern: str) -> list[int]:
    return [int(match[1]) for name in shapes if (match := re.match(pattern, name))]


def _check_whole(shapes: Shapes, config: Mapping[str, Any]) -> None:
    """Refuse tensors that are missing, extra or misshapen, before anything is asked."""
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    architecture, renamed = from_diffusers(config, state)
    network = build_network(NetworkSpec("openai-unet", architecture.to_dict()), device="meta")
    check_names(network.state_dict(), renamed, "this UNet2DModel of diffusers")


def as_diffusers_does(architecture: OpenAIUNetConfig, said: Sidecar) -> Sidecar:
    """What holds for every network of diffusers that is stored without its scheduler, where nothing else is said."""
    known = Sidecar(data_range=(-1.0, 1.0), time="index")
    return replace(known, task="generate") if makes_images_alone(architecture, known, said) else known


def makes_images_alone(architecture: OpenAIUNetConfig, known: Sidecar, said: Sidecar) -> bool:
    """Whether a network is given nothing but its own noisy image, and nobody says what it is for."""
    learned = "learned-range" in (known.variance, said.variance)
    state = said.state_channels or architecture.out_channels // (2 if learned else 1)
    return said.task is None and architecture.in_channels == state
