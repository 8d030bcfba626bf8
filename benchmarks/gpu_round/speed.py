"""Evaluations per second: ours and a guided-diffusion UNet, eager and as a graph, in float32 and bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from benchmarks.gpu_round.checks import timed

from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig

NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "ours": lambda: LocalUNet(
        LocalUNetConfig(widths=(48, 96, 224), encoder_blocks=(1, 1, 2), decoder_blocks=(1, 1), wavelets=4)
    ),
    "guided-diffusion, about as many parameters": lambda: OpenAIUNet(
        OpenAIUNetConfig(
            in_channels=2, out_channels=1, model_channels=32, channel_multipliers=(1, 2, 3), res_blocks=1
        )
    ),
}


def table(device: torch.device, *, edge: int, batches: tuple[int, ...], least: float) -> list[str]:
    """Planes per second in Markdown."""
    lines = ["| network | parameters | batch | precision | eager | graph |", "|---|---|---|---|---|---|"]
    for name, build in NETWORKS.items():
        network = build().eval().to(device)
        size = f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f} M"
        for batch in batches:
            x = torch.randn(batch, 2, edge, edge, device=device)
            t = torch.ones(1, device=device)
            for precision in ("float32", "bfloat16"):
                call = _call(network, x, t, precision)
                eager = batch / timed(call, device, least=least)
                graph = (
                    f"{batch / timed(_graph(call), device, least=least):.0f}" if device.type == "cuda" else ""
                )
                lines.append(f"| {name} | {size} | {batch} × {edge}² | {precision} | {eager:.1f} | {graph} |")
    return lines


def _call(network: torch.nn.Module, x: torch.Tensor, t: torch.Tensor, precision: str) -> Callable[[], object]:
    times = t if isinstance(network, LocalUNet) else t.expand(len(x))

    def call() -> object:
        mixed = torch.autocast(x.device.type, dtype=torch.bfloat16, cache_enabled=False)
        with torch.no_grad(), mixed if precision == "bfloat16" else nullcontext():
            return network(x, times)

    return call


def _graph(call: Callable[[], object]) -> Callable[[], object]:
    """The same work, recorded once."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def throughput(device: torch.device, *, steps: int, batch: int, workers: int) -> list[str]:
    """Patches per second of training and where the time goes, with the noise made here and by the workers."""
    import tempfile
    from pathlib import Path

    from benchmarks.training_profile import endless, profile, standard_recipe

    from napari_diffuscope.training.phases import phase_table

    lines = []
    for noise in ("device", "workers"):
        recipe = endless(standard_recipe(), batch=batch, noise=noise)
        with tempfile.TemporaryDirectory() as folder:
            seconds, whole = profile(recipe, device, Path(folder), steps=steps, warm=3, workers=workers)
        lines += [
            f"Noise made by the {noise}: {steps * batch / whole:.0f} patches per second, every part waited for.",
            "",
        ]
        lines += [phase_table(seconds, steps), ""]
    return lines
