"""Building networks whose tensors have shapes and no values, without memory and in no time.

Building them under ``torch.device("meta")`` alone does the same, but many operations on such tensors load torch's
compiler and sympy, which takes seconds. So here large tensors are made without values, small ones are real and not
drawn, and all of them are without values in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_LARGE = 1 << 14
_MADE = (torch.empty, torch.zeros, torch.ones, torch.randn, torch.rand)
_DRAWN = (
    "uniform_", "normal_", "trunc_normal_", "bernoulli_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_",
    "xavier_normal_", "orthogonal_",
)  # fmt: skip
_SCALED = ("mul", "__mul__", "__rmul__")


class _NoValues(TorchFunctionMode):
    """Makes large tensors without values, and draws no random numbers."""

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in _MADE:
            return _made(func, args, named)
        name = getattr(func, "__name__", "")
        first = args[0] if args else named.get("tensor")
        if isinstance(first, torch.Tensor) and (
            name in _DRAWN or (first.is_meta and name.endswith("_") and not name.endswith("__"))
        ):
            return first
        if name in _SCALED and any(isinstance(each, torch.Tensor) and each.is_meta for each in args):
            return _valueless(next(each for each in args if isinstance(each, torch.Tensor)))
        return func(*args, **named)


def _made(func: Any, args: Sequence[Any], named: dict[str, Any]) -> torch.Tensor:
    size = torch.Size(args[0] if args and not isinstance(args[0], int) else args)
    named.pop("generator", None)
    if size.numel() >= _LARGE:
        return torch.empty(size, **{**named, "device": "meta"})
    made: torch.Tensor = (torch.zeros if func in (torch.randn, torch.rand) else func)(size, **named)
    return made


def _valueless(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def built_of_shapes(make: Callable[[], nn.Module]) -> nn.Module:
    """A network on the device ``meta``.

    Parameters
    ----------
    make
        Builds it, on whatever device is the default.
    """
    try:
        with _NoValues():
            network = make()
    except (RuntimeError, TypeError):  # an operation that needs values of a large tensor
        with torch.device("meta"):
            return make()
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(_valueless(parameter), requires_grad=parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, _valueless(buffer))
    return network
