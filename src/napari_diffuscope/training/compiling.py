"""Networks compiled for training: what lies between two convolutions is done in one pass over memory."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from importlib import import_module
from typing import Any

import torch
from torch import nn

from napari_diffuscope.imaging.memory import is_out_of_memory
from napari_diffuscope.networks.magnitude import MPConv
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Optimisation

WORTH_STEPS, WORTH_MINUTES = 10_000, 45.0
"""Steps, or minutes, from which on ``auto`` compiles: it takes a core half a minute to a minute, and saves a tenth."""


class CompiledNetwork(nn.Module):
    """A network that is compiled at its first step, and works as it is where that fails.

    Parameters
    ----------
    network
        The network; its weights stay its own.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.problem = ""
        self._convolutions = [module for module in network.modules() if isinstance(module, MPConv)]
        self._compiled: Any = None
        self._ran = False

    def forward(self, *inputs: Any) -> Any:
        """What the network makes of its inputs."""
        if self.problem:
            return self.network(*inputs)
        for convolution in self._convolutions:
            convolution.normalise()  # weights must not change within what is compiled
        try:
            if self._compiled is None:
                self._compiled = compiled(self.network)
            output = self._compiled(*inputs)
        except Exception as error:
            if self._ran or is_out_of_memory(error):
                raise
            self.problem = str(error).strip().split("\n")[0][:120] or type(error).__name__
            return self.network(*inputs)
        self._ran = True
        return output


def ready_to_train(network: nn.Module, plan: Optimisation, group: Processes) -> nn.Module:
    """The network, compiled where the plan says so."""
    return CompiledNetwork(network) if _wanted(plan, group) else network


def compiled(network: nn.Module) -> Any:
    """What PyTorch's compiler makes of a network; the work is done at the first call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch's, of its own parts
        for name in ("torch._dynamo", "torch.utils.mkldnn"):
            import_module(name)
        from torch._inductor import config

    config.compile_threads = 1  # else a process per core stays until the end
    return torch.compile(network, dynamic=False)


def _wanted(plan: Optimisation, group: Processes) -> bool:
    if plan.compiled != "auto":
        return plan.compiled == "on" and group.world == 1
    minutes = plan.time_budget_minutes
    long = plan.steps >= WORTH_STEPS if minutes is None else minutes >= WORTH_MINUTES
    return long and group.world == 1 and group.device.type == "cpu" and has_compiler()


def has_compiler() -> bool:
    """Whether there is a C++ compiler as PyTorch looks for it; on Windows it is not looked for."""
    if sys.platform == "win32":
        return False
    return any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)


def uncompiled_note(network: nn.Module) -> str | None:
    """What to say where a network could not be compiled."""
    problem = network.problem if isinstance(network, CompiledNetwork) else ""
    if not problem:
        return None
    return (
        f"The network could not be compiled ({problem}), so it trains as it is, a little slower. "
        'compiled = "off" under [optimisation] leaves the attempt out.'
    )
