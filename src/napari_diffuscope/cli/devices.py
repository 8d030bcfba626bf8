"""``diffuscope devices``: where networks can run on this computer."""

from __future__ import annotations

import platform
from typing import Annotated

import typer


def devices(
    names: Annotated[bool, typer.Option("--names", help="Print the names alone, for scripts.")] = False,
) -> None:
    """List where networks can run; the first one is what 'auto' takes."""
    from napari_diffuscope.imaging.memory import free_memory
    from napari_diffuscope.methods.device import available_devices

    devices_here = available_devices()
    for name in devices_here:
        if names:
            typer.echo(name)
            continue
        mark = "  (auto)" if name == devices_here[0] else ""
        typer.echo(f"{name:<8}{_describe(name)}, {free_memory(name) / 2**30:.1f} GiB free{mark}")


def _describe(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    if device == "mps":
        return "Apple graphics"
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
