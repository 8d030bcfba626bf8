"""What the names and shapes of a file's tensors tell about a UNet of the package denoising-diffusion-pytorch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.lucidrains_config import LucidrainsUNetConfig
from napari_diffuscope.weights.infer import Shapes, ratio

_OLD_NAMES = ((".fn.fn.", "."), (".fn.norm.", ".norm."))
"""What versions before 1.8 call things that were wrapped then."""


def name_of_today(name: str) -> str:
    """Name of a tensor in version 2 of the package."""
    for old, new in _OLD_NAMES:
        name = name.replace(old, new)
    return name


@dataclass(frozen=True)
class LucidrainsFacts:
    """What a file tells about such a network.

    Parameters
    ----------
    config
        The architecture; where heads are unknown with the package's own 4.
    heads_known
        Whether the file tells the number of heads, as it does since version 1.9.
    norm_known
        Whether it tells how attention normalises.
    """

    config: LucidrainsUNetConfig
    heads_known: bool
    norm_known: bool


def infer_lucidrains(shapes: Shapes, *, old_names: bool, version: str = "") -> LucidrainsFacts:
    """Infer the architecture of a UNet of denoising-diffusion-pytorch.

    Parameters
    ----------
    shapes
        Shape of every tensor by name, without a prefix, as version 2 of the package calls them.
    old_names
        Whether the file has the names of versions before 1.8.
    version
        What the file says of the version that wrote it, if anything.

    Raises
    ------
    DiffuscopeError
        If these are not the tensors of such a network, or of one of its relatives that is not supported.
    """
    _refuse_relatives(shapes)
    try:
        return _inferred(shapes, old_names, version)
    except (KeyError, IndexError) as error:
        raise DiffuscopeError(
            f"The weights do not form a complete UNet of denoising-diffusion-pytorch: {error.args[0]} is missing."
        ) from error


def _refuse_relatives(shapes: Shapes) -> None:
    first = shapes["init_conv.weight"]
    if len(first) != 4 or first[2:] != (7, 7):
        raise DiffuscopeError(
            f"Of the UNets of denoising-diffusion-pytorch only that for 2D images is supported, not one whose first "
            f"filters have the shape {first}."
        )
    if relatives := [name for name in shapes if name.startswith(("classes_", "null_classes", "cond_"))]:
        raise DiffuscopeError(
            f"This UNet of denoising-diffusion-pytorch is told of classes ({relatives[0]}), which is not supported."
        )


def _inferred(shapes: Shapes, old_names: bool, version: str) -> LucidrainsFacts:
    width = shapes["time_mlp.3.weight"][0] // 4
    levels = 1 + max(int(m[1]) for name in shapes if (m := re.match(r"downs\.(\d+)\.", name)))
    downs = [shapes.get(f"downs.{i}.3.1.weight") or shapes[f"downs.{i}.3.weight"] for i in range(levels)]
    attentions = [_attention(shapes, f"downs.{i}.2") for i in range(levels)]
    memory = shapes.get("mid_attn.mem_kv")
    grouped = "mid_block1.block1.norm.bias" in shapes
    frequencies = shapes.get("time_mlp.0.weights")
    config = LucidrainsUNetConfig(
        in_channels=shapes["init_conv.weight"][1],
        out_channels=shapes["final_conv.weight"][0],
        model_channels=width,
        stem_channels=None if shapes["init_conv.weight"][0] == width else shapes["init_conv.weight"][0],
        channel_multipliers=tuple(ratio(down[0], width) for down in downs),
        heads=tuple(heads for heads, _, _ in attentions),
        head_channels=tuple(channels for _, channels, _ in attentions),
        full_attention=tuple(full for _, _, full in attentions),
        memory_tokens=memory[2] if memory else 0,
        norm="group" if grouped else "rms",
        standardised=old_names,
        attention_norm="layer" if old_names and not version.startswith("1.7.") else "rms",
        averaged_values=old_names,
        strided=levels > 1 and downs[0][-1] == 4,
        frequencies=frequencies[0] if frequencies else None,
    )
    return LucidrainsFacts(config, memory is not None, not old_names or bool(version))


def _attention(shapes: Shapes, place: str) -> tuple[int, int, bool]:
    """Heads of an attention, channels of each, and whether it is full."""
    full = f"{place}.to_out.weight" in shapes
    memory = shapes.get(f"{place}.mem_kv")
    if memory is not None:
        return memory[1], memory[3] if full else memory[2], full
    inner = shapes[f"{place}.to_qkv.weight"][0] // 3
    return 4, max(1, inner // 4), full
