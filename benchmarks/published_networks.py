"""Claim: the published networks run faster and in less memory here than as their equations read.

    python benchmarks/published_networks.py [--quick] [--device cuda] [--threads N] [--networks NAME ...]

Each network is evaluated with the same weights on the same input, here and by ``_plain_networks.py``, in turn;
the table gives the ratio of the median times, the ratio of the peak memory above the weights' own (measured
in a process of its own for each), and the largest difference over the largest value.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from _plain_networks import PlainEDM2UNet, PlainOpenAIUNet
from torch import Tensor

from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig

DISPR = OpenAIUNetConfig(
    dims=3,
    out_channels=2,
    model_channels=32,
    channel_multipliers=(1, 2, 3, 4),
    res_blocks=1,
    attention_downsampling=(4,),
)
SMLM = {"res_blocks": 1, "heads": 4, "scale_shift_norm": True}
MSDSR = {
    "channel_multipliers": (1, 2, 3, 4),
    "attention_downsampling": (2, 4, 8),
    "head_channels": 32,
}


@dataclass(frozen=True)
class Case:
    """A network and the size of its input, full and quick."""

    config: OpenAIUNetConfig | EDM2UNetConfig
    size: tuple[int, ...]
    quick: tuple[int, ...]
    time: float


CASES = {
    "DISPR": Case(DISPR, (64, 64, 64), (16, 32, 32), 731.0),
    "SMLM 128": Case(
        OpenAIUNetConfig(channel_multipliers=(1, 1, 2, 2, 2), attention_downsampling=(8, 16), **SMLM),
        (128, 128),
        (64, 64),
        500.5,
    ),
    "SMLM 256": Case(
        OpenAIUNetConfig(channel_multipliers=(1, 1, 2, 2, 2, 2), attention_downsampling=(16, 32), **SMLM),
        (256, 256),
        (96, 96),
        500.5,
    ),
    "MSDSR": Case(OpenAIUNetConfig(model_channels=224, **MSDSR), (48, 48), (48, 48), 613.0),
    "MSDSR, width 64": Case(OpenAIUNetConfig(model_channels=64, **MSDSR), (48, 48), (48, 48), 613.0),
    "restoration (EDM2)": Case(EDM2UNetConfig(), (256, 256), (64, 64), 0.37),
}
Network = Callable[[Tensor, Tensor], Tensor]


def build(case: Case, device: str) -> tuple[Network, Network]:
    """Return the network as it is here and as its equations read, with the same random weights."""
    torch.manual_seed(0)
    edm2 = isinstance(case.config, EDM2UNetConfig)
    network = EDM2UNet(case.config) if edm2 else OpenAIUNet(case.config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            fan = parameter[0].numel() if parameter.ndim > 1 else 100
            base = 1.0 if parameter.ndim == 0 or (parameter.ndim == 1 and name.endswith("weight")) else 0.0
            parameter.normal_().mul_(fan**-0.5).add_(base)
    network = network.to(device).eval().requires_grad_(False)
    plain = PlainEDM2UNet if edm2 else PlainOpenAIUNet
    return network, plain(case.config, {k: v.contiguous() for k, v in network.state_dict().items()})


def inputs(case: Case, quick: bool, batch: int, device: str) -> tuple[Tensor, Tensor]:
    """Return the input and the time of a case."""
    size = case.quick if quick else case.size
    x = torch.randn(batch, case.config.in_channels, *size, generator=torch.Generator().manual_seed(1))
    return x.to(device), torch.tensor([case.time], device=device)


def timed(function: Callable[[], object], device: str) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure_time(case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Time both in turn, after one evaluation each, and compare their results."""
    here, plain = build(case, options.device)
    x, t = inputs(case, options.quick, options.batch, options.device)
    expected, found = plain(x, t), here(x, t)
    error = float((found - expected).abs().max() / expected.abs().max())
    times: dict[str, list[float]] = {"here": [], "plain": []}
    for _ in range(options.repeats):
        times["here"].append(timed(lambda: here(x, t), options.device))
        times["plain"].append(timed(lambda: plain(x, t), options.device))
    return {**{name: statistics.median(values) for name, values in times.items()}, "error": error}


def measure_memory(case: Case, options: argparse.Namespace) -> dict[str, float]:
    """Return the memory that evaluations need beyond what lay there before, in MB."""
    here, plain = build(case, options.device)
    network = here if options.memory == "here" else plain
    if options.memory == "here":
        del plain
    x, t = inputs(case, options.quick, options.batch, options.device)
    if options.device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        network(x, t)
        return {"memory": (torch.cuda.max_memory_allocated() - before) / 1e6}
    return {"memory": _resident_peak(lambda: [network(x, t) for _ in range(2)]) / 1e6}


def _resident_peak(function: Callable[[], object]) -> int:
    """Watch the resident memory of this process while ``function`` runs."""
    import psutil

    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    function()
    done.set()
    watcher.join()
    return peak - before


def in_own_process(name: str, options: argparse.Namespace, memory: str = "") -> dict[str, float]:
    """Run one measurement in a fresh process."""
    command = [sys.executable, __file__, "--case", name, "--device", options.device]
    command += ["--repeats", str(options.repeats), "--batch", str(options.batch)]
    command += ["--threads", str(options.threads)] if options.threads else []
    command += ["--quick"] if options.quick else []
    command += ["--memory", memory] if memory else []
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"{name} failed:\n{answer.stderr}")
    return json.loads(answer.stdout.splitlines()[-1])


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small inputs, to see that it works")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="default: torch's own choice")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--networks", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--case", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--memory", choices=["here", "plain"], help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure all networks and print the table."""
    options = arguments()
    if options.case:
        if options.threads:
            torch.set_num_threads(options.threads)
        measure = measure_memory if options.memory else measure_time
        with torch.inference_mode():
            print(json.dumps(measure(CASES[options.case], options)))
        return
    print(f"torch {torch.__version__}, {options.device}, batch {options.batch}, median of {options.repeats}")
    print("| network | input | faster | less memory | difference | here |\n|---|---|---|---|---|---|")
    for name in options.networks:
        case = CASES[name]
        speed = in_own_process(name, options)
        memory = [in_own_process(name, options, which)["memory"] for which in ("plain", "here")]
        size = "x".join(map(str, case.quick if options.quick else case.size))
        print(
            f"| {name} | {size} | {speed['plain'] / speed['here']:.2f} x | {memory[0] / memory[1]:.2f} x"
            f" | {speed['error']:.1e} | {1000 * speed['here']:.0f} ms, {memory[1]:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
