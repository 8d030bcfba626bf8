"""What the names and shapes of a file's tensors tell about a UNet of the package denoising-diffusion-pytorch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.lucidrains_config import LucidrainsUNetConfig
from napari_diffuscope.weights.infer import Shapes, ratio
from napari_diffuscope.weights.lucidrains_versions import BEFORE, Era, era_of, fitting_eras

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
    eras
        Versions of the package that it may come from and that compute differently; empty where the file tells.
    """

    config: LucidrainsUNetConfig
    heads_known: bool
    eras: tuple[Era, ...] = ()


def infer_lucidrains(shapes: Shapes, *, old_names: bool, version: str = "") -> LucidrainsFacts:
    """Infer the architecture of a UNet of denoising-diffusion-pytorch.

    Parameters
    ----------
    shapes
        Shape of every tensor by name, without a prefix, as version 2 of the package calls them.
    old_names
        Whether the file has the names of versions before 1.8.
    version
        Which version wrote it, as the file or the user says; empty where nobody does.

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


def is_too_old(names: Iterable[str]) -> bool:
    """Whether names are those of a network of the package before version 0.22: nothing follows its last level."""
    names = list(names)
    levels = {int(m[1]) for name in names if (m := re.search(r"\bdowns\.(\d+)\.", name))}
    parts = {m[1] for name in names if (m := re.search(r"\bdowns\.(\d+\.3)\.", name))}
    return bool(levels) and any("mid_attn." in name for name in names) and f"{max(levels)}.3" not in parts


def _refuse_relatives(shapes: Shapes) -> None:
    if is_too_old(shapes):
        raise DiffuscopeError(BEFORE.format(name="An early version"))
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
    strided = downs[0][-1] == 4 if levels > 1 else None
    eras = _eras(shapes, strided, version) if old_names else ()
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
        strided=bool(strided),
        frequencies=frequencies[0] if frequencies else None,
        **(eras[-1].arguments if eras else {}),
    )
    return LucidrainsFacts(config, memory is not None, eras if len(eras) > 1 else ())


def _eras(shapes: Shapes, strided: bool | None, version: str) -> tuple[Era, ...]:
    """Versions of before 1.8 that a file may come from."""
    fitting = fitting_eras(offsets="mid_attn.norm.b" in shapes, strided=strided)
    if not version:
        return fitting
    era = era_of(version)
    if era not in fitting:
        words = ", ".join(one.words for one in fitting)
        raise DiffuscopeError(
            f"Version {version} of denoising-diffusion-pytorch cannot have written it: its tensors are those of "
            f"{words}; say which with package_version."
        )
    return (era,)


def _attention(shapes: Shapes, place: str) -> tuple[int, int, bool]:
    """Heads of an attention, channels of each, and whether it is full."""
    full = f"{place}.to_out.weight" in shapes
    memory = shapes.get(f"{place}.mem_kv")
    if memory is not None:
        return memory[1], memory[3] if full else memory[2], full
    inner = shapes[f"{place}.to_qkv.weight"][0] // 3
    return 4, max(1, inner // 4), full
