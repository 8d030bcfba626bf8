"""Where the time of a training step goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

PHASES = {
    "batches": "waiting for batches (specimens, and noise unless made on the device)",
    "copies": "copies to the device",
    "noise": "noise made on the device",
    "network": "network and loss",
    "gradients": "gradients",
    "optimiser": "gradient norm and optimiser",
    "average": "average of the weights",
}
"""Parts of a step, in their order, in words."""


class Phases:
    """Seconds that each part of a step took, of all steps together.

    Parameters
    ----------
    device
        A GPU works on behind the program's back: with ``exact`` each part is waited for, which makes the whole slower;
        without, what it is busy with is counted where the program has to wait for it.
    exact
        Whether to wait.
    """

    def __init__(self, device: torch.device, *, exact: bool = False) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._waits = exact and device.type == "cuda"
        self._device = device

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the time of a block as that of a part."""
        began = perf_counter()
        yield
        if self._waits:
            torch.cuda.synchronize(self._device)
        self.seconds[name] += perf_counter() - began

    def since(self, before: dict[str, float]) -> dict[str, float]:
        """Seconds of each part since it was looked at before."""
        return {name: value - before.get(name, 0.0) for name, value in self.seconds.items()}


def phase_table(seconds: dict[str, float], steps: int) -> str:
    """Milliseconds per step and shares of the parts, in Markdown."""
    total = max(sum(seconds.values()), 1e-12)
    rows = [
        f"| {PHASES[name]} | {1e3 * value / max(steps, 1):.1f} | {value / total:.0%} |"
        for name, value in seconds.items()
    ]
    whole = f"| all | {1e3 * total / max(steps, 1):.1f} | 100% |"
    return "\n".join(["| part of a step | ms | share |", "|---|---|---|", *rows, whole])
