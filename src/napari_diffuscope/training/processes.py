"""Several processes that train one model, as ``torchrun`` starts them."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.training.task import Part

PATIENCE = timedelta(hours=4)
"""How long a process waits for the others: the first one simulates and validates alone."""


@dataclass(frozen=True)
class Processes:
    """Place of this process among all.

    Parameters
    ----------
    rank, world
        Its number, and how many there are.
    device
        Where it computes.
    """

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def part(self, batch: int) -> Part:
        """Its part of a batch.

        Raises
        ------
        DiffuscopeError
            If there are more processes than members.
        """
        if batch < self.world:
            raise DiffuscopeError(
                f"A batch of {batch} cannot be shared by {self.world} processes; enlarge it."
            )
        return Part(self.rank * batch // self.world, (self.rank + 1) * batch // self.world, batch)

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, whose gradients are averaged over the processes."""
        if self.world == 1:
            return network
        places = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=places, **_without_buffers())

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()

    def total(self, values: Tensor) -> Tensor:
        """Sum over the processes."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def told(self, value: float) -> float:
        """What the first process says."""
        if self.world == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(said, 0)
        return float(said)


def _without_buffers() -> dict[str, Any]:
    """Buffers are constants here and need not be sent at every step; newer torch gives the option another name."""
    parameters = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in parameters else "broadcast_buffers": False}


def is_first() -> bool:
    """Whether this process is the first of those that ``torchrun`` started, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the other processes, if ``torchrun`` started any.

    Parameters
    ----------
    device
        Where to train; ``cuda`` means one GPU per process.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1, torch.device(device))
        return
    place = torch.device(device)
    if place.type == "cuda":
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=PATIENCE)
    group = Processes(distributed.get_rank(), world, place)
    try:
        yield group
        group.wait()  # who leaves before the others takes their connections with him
    finally:
        gc.collect()  # the wrapped network holds on to the group, whose threads must end before Python does
        distributed.destroy_process_group()
