"""Memory that runs out: less at a time, until nothing smaller is left."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from napari_diffuscope.errors import OutOfMemory
from napari_diffuscope.imaging.memory import is_out_of_memory

T = TypeVar("T")


def unless_memory_ends(call: Callable[[], T]) -> T | None:
    """What a call returns, or ``None`` if memory ran out; the exception, and what it holds, is gone by then."""
    try:
        return call()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return None


def backed_off(
    smaller: Callable[[], T | None], device: torch.device, too_much: str, *, advice: str = ""
) -> T:
    """What to try next, once the memory of what was tried is free again.

    Parameters
    ----------
    smaller
        Gives it; ``None`` or 0 where there is nothing smaller.
    device
        Whose memory ran out.
    too_much, advice
        For the sentence in that case: ``"Not even one slice fits"``, and what can be done with this method.

    Raises
    ------
    OutOfMemory
        If there is nothing smaller.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if next_choice := smaller():
        return next_choice
    raise OutOfMemory(
        f"{too_much} into the memory of {device}; {advice}close other programs or choose another device."
    )
