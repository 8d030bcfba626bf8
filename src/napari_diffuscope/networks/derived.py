"""Tensors computed from weights once, for as long as the weights stay what they are."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class _Stamp:
    """What identifies the content of a tensor without reading it."""

    source: weakref.ref[Tensor]
    address: int
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> _Stamp:
        version = 0 if tensor.is_inference() else tensor._version
        return cls(weakref.ref(tensor), tensor.data_ptr(), version)

    def matches(self, tensor: Tensor) -> bool:
        version = 0 if tensor.is_inference() else tensor._version
        return self.source() is tensor and self.address == tensor.data_ptr() and self.version == version


class DerivedTensors:
    """Named tensors derived from weights, recomputed when a weight changes.

    In-place changes, ``load_state_dict`` and moves to another device are noticed. Writes through ``.data``
    into the same memory are not: call :meth:`clear` after those. Copies and pickles start empty.
    """

    def __init__(self) -> None:
        self._held: dict[str, tuple[tuple[_Stamp, ...], Tensor]] = {}

    def get(self, name: str, sources: Sequence[Tensor], compute: Callable[[], Tensor]) -> Tensor:
        """Return the tensor ``name``, computing it when any of ``sources`` changed since the last time."""
        held = self._held.get(name)
        if held is not None and all(s.matches(t) for s, t in zip(held[0], sources, strict=True)):
            return held[1]
        self._held.pop(name, None)
        with torch.no_grad():
            value = compute()
        self._held[name] = (tuple(_Stamp.of(t) for t in sources), value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> DerivedTensors:
        return DerivedTensors()

    def __reduce__(self) -> tuple[type[DerivedTensors], tuple[()]]:
        return DerivedTensors, ()
