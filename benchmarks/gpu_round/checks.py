"""What the machine is, and whether the networks compute there what they should."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from benchmarks.gpu_round.places import shared

from napari_diffuscope import load_model
from napari_diffuscope.methods.restore.settings import DEFAULT_MODEL
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.training.result import hardware

RECORDED = {"smlm_128": 2, "msdsr_width64": 2, "dispr_readme": 3, "wacv_edm2": 2}
"""Recorded networks and their number of dimensions."""


def environment(device: torch.device) -> list[str]:
    """Card, versions, memory, and what products of matrices and copies reach."""
    lines = [
        f"- {hardware(device)}, {os.cpu_count()} cores; Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}"
    ]
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        lines.append(f"- {free / 2**30:.1f} of {total / 2**30:.1f} GiB are free")
    edge = 8192 if device.type == "cuda" else 512
    for kind in (torch.bfloat16, torch.float32):
        a = torch.randn(edge, edge, device=device).to(kind)
        seconds = timed(lambda a=a: a @ a, device)
        lines.append(f"- matrix product {edge}³, {str(kind)[6:]}: {2 * edge**3 / seconds / 1e12:.2f} TFLOP/s")
    lines.append(f"- copies on the device: {copy_bandwidth(device) / 1e9:.0f} GB/s, read and written")
    return lines


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second, read and written."""
    block = torch.empty((2**30 if device.type == "cuda" else 2**24) // 4, device=device)
    target = torch.empty_like(block)
    return 2 * block.nbytes / timed(lambda: target.copy_(block), device)


def timed(work: Callable[[], object], device: torch.device, *, least: float = 0.2) -> float:
    """Seconds of one piece of work, after one that is not counted."""
    work()
    wait(device)
    began, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < least or count < 3:
        work()
        wait(device)
        count += 1
    del passed
    return (time.perf_counter() - began) / count


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def parity(device: torch.device, carried: Path) -> list[str]:
    """Recorded networks in float32 and bfloat16 against what their authors' code answered."""
    from tests import published

    published.PUBLISHED = shared(carried) / "published"
    lines = [
        "| recorded network | float32, largest difference | bfloat16, root mean square |",
        "|---|---|---|",
    ]
    for name, dims in RECORDED.items():
        if not (published.PUBLISHED / f"{name}.npz").exists():
            lines.append(f"| {name} | no recording here | |")
            continue
        record = published.recorded(name)
        network: torch.nn.Module = (
            EDM2UNet(EDM2UNetConfig.from_published(record.config))
            if name == "wacv_edm2"
            else OpenAIUNet(OpenAIUNetConfig.from_published(record.config, dims=dims))
        )
        network.load_state_dict(record.state, strict=True)
        network.eval().to(device)
        x, t, expected = (a.to(device) for a in (record.input, record.t, record.output))
        with torch.inference_mode():
            full = network(x, t)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                half = network(x, t).float()
        worst = float((full - expected).abs().max() / expected.abs().max())
        rms = float((half - expected).square().mean().sqrt() / expected.square().mean().sqrt())
        lines.append(f"| {name} | {worst:.1e} of the largest value | {rms:.1e} of theirs |")
    return lines


def starter_against_cpu(device: torch.device) -> list[str]:
    """Best estimate of a tile, here and on the processor, in float32 and bfloat16."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.sin(torch.arange(192) / 7)[:, None].expand(192, 192)
    noisy = (rows + 0.5 * torch.randn(192, 192, generator=generator))[None, None]
    there = _estimate(noisy, torch.device("cpu"))
    lines = []
    for precision in ("float32", "bfloat16"):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            here = _estimate(noisy, device)
        worst = float((here - there).abs().max() / (there.max() - there.min()))
        lines.append(
            f"- best estimate of the starter, {precision}: {worst:.1e} of the range apart from the processor's"
        )
    return lines


def _estimate(noisy: torch.Tensor, device: torch.device) -> torch.Tensor:
    network = load_model(DEFAULT_MODEL).network.to(device)
    with torch.inference_mode():
        output: torch.Tensor = network(
            torch.cat((torch.zeros_like(noisy), noisy), 1).to(device), torch.ones(1, device=device)
        )
    return -output.float().cpu()
