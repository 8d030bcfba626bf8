"""What a training step asks for, counted: operations and bytes per patch; and what a GPU would make of that.

The network of the denoising starter, forwards and backwards. Bytes are those of all tensors that every operation reads
and writes, in bfloat16: what eager PyTorch moves where nothing stays in a cache. A GPU needs at least the longer of the
two times; ``--share`` is how much of its peak and its bandwidth small networks reach (assumed, not measured).

Run: ``python benchmarks/training_estimate.py [--teraflops 989] [--terabytes 3.35] [--share 0.25] [--here 30]``.
The defaults are the data sheet of an H100 SXM: dense bfloat16, and its memory.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from napari_diffuscope.weights.model import load_model

PATCH = 128
HALF = 2
"""Bytes of a number in bfloat16."""


class Traffic(TorchDispatchMode):
    """Counts the numbers that operations read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
            self.numbers += sum(t.numel() for t in tensors)
        return result


def counted(batch: int) -> tuple[float, float]:
    """Floating-point operations and bytes per patch, forwards and backwards."""
    model = load_model("restoration-fluorescence", device="cpu")
    network = model.network.float().train()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    both = torch.randn(batch, 2, PATCH, PATCH)

    def step() -> None:
        network(both, torch.full((batch,), 0.5)).square().mean().backward()

    step()  # makes the gradients, once
    with FlopCounterMode(display=False) as operations:
        step()
    with Traffic() as traffic:
        step()
    return operations.get_total_flops() / batch, HALF * traffic.numbers / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--teraflops", type=float, default=989.0)
    parser.add_argument("--terabytes", type=float, default=3.35)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--here", type=float, help="patches per second that were measured on this machine")
    chosen = parser.parse_args()
    operations, traffic = counted(chosen.batch)
    computing = operations / (chosen.share * chosen.teraflops * 1e12)
    moving = traffic / (chosen.share * chosen.terabytes * 1e12)
    print(f"per patch of {PATCH}²: {operations / 1e9:.1f} GFLOP, {traffic / 1e6:.0f} MB moved")
    print(
        f"computing {computing * 1e6:.0f} µs, moving {moving * 1e6:.0f} µs at {chosen.share:.0%} of the data sheet"
    )
    rate = 1 / max(computing, moving)
    print(
        f"{rate:.0f} patches per second"
        + (f", {rate / chosen.here:.0f} times as many as here" if chosen.here else "")
    )


if __name__ == "__main__":
    main()
