"""In which precision the networks compute."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

from napari_diffuscope.networks.convolution import packing_available
from napari_diffuscope.training.recipe import Precision

Chosen = Literal["float32", "bfloat16"]


def choose_precision(wish: Precision, device: torch.device) -> Chosen:
    """What ``auto`` means on a device: bfloat16 where there are units for it."""
    if wish != "auto":
        return wish
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and _cpu_has_units() else "float32"


def _cpu_has_units() -> bool:
    """Whether the processor multiplies matrices of bfloat16 (AMX).

    AVX-512's instructions for bfloat16 do not count: with them alone a training step took 1.5 times the processor
    time of float32.
    """
    test: Callable[[], bool] = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    return test()


def mixed(precision: Chosen, device: torch.device) -> AbstractContextManager[Any]:
    """Context in which networks compute; weights, losses and the optimiser stay in float32."""
    if precision == "float32":
        return nullcontext()
    packing_available()  # tried once, which must not happen in mixed precision
    return torch.autocast(device.type, dtype=torch.bfloat16)
