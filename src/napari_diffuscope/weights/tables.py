"""The tables of weights in what was saved, however deep a trainer puts them. Free of torch.

A trainer saves a dictionary: the network's weights under ``model`` or ``net``, their running average under ``ema``,
the optimiser under ``opt``, settings under ``args``. All tables of tensors are listed here, each by where it lies;
which one is wanted is found by the names in them (:mod:`napari_diffuscope.weights.selection`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_diffuscope.weights.pickle_records import Inert, TensorRecord

_DEEPEST = 6
_NOT_WEIGHTS = """
    opt optim optimizer optimizers optimizer_states optimizer_state optimizer_state_dict opt_state opt_state_dict
    optimizer_g optimizer_d scheduler schedulers lr_scheduler lr_schedulers scheduler_state_dict scaler grad_scaler amp
    amp_scaler rng rng_state random_state callbacks loops
"""
NOT_WEIGHTS = frozenset(_NOT_WEIGHTS.split())
"""Keys of a trainer's dictionary under which no network lies."""

BARE = ("", "state_dict")
"""Places whose tensors keep their bare names: a state dict by itself, and that of Lightning."""


@dataclass
class WeightTable:
    """Tensors that lie together.

    Parameters
    ----------
    place
        Keys that lead to it, joined by dots; empty for a bare state dict.
    records
        Tensors by name.
    others
        What else lies among them, by name.
    """

    place: str
    records: dict[str, TensorRecord] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def full_name(self, name: str) -> str:
        """Name of a tensor in the whole file."""
        return name if self.place in BARE else f"{self.place}:{name}"


def weight_tables(contents: Mapping[Any, Any]) -> list[WeightTable]:
    """All tables of tensors in what was saved; states of optimisers are left out.

    Parameters
    ----------
    contents
        What :func:`~napari_diffuscope.weights.safe_pickle.read_pickle` gave.
    """
    return list(_tables(contents, "", 0))


def _tables(contents: Mapping[Any, Any], place: str, depth: int) -> Iterator[WeightTable]:
    if "param_groups" in contents or depth > _DEEPEST:
        return
    table, inner = WeightTable(place), []
    for key, value in contents.items():
        name = str(key)
        if isinstance(value, TensorRecord):
            table.records[name] = value
        elif isinstance(value, dict) and name.lower() not in NOT_WEIGHTS:
            inner.append((name, value))
        elif name == "shadow_params" and isinstance(value, list):
            shadow = {str(i): item for i, item in enumerate(value) if isinstance(item, TensorRecord)}
            inner.append((name, shadow))
        else:
            table.others[name] = value
    if table.records:
        yield table
    for name, value in inner:
        yield from _tables(value, f"{place}.{name}" if place else name, depth + 1)


def settings_beside(contents: Any) -> dict[str, Any]:
    """Plain settings that a trainer saved beside the weights (``args``, ``hyper_parameters``), by their last name.

    A name that is there twice with different values is left out, for nobody knows which is meant.
    """
    found: dict[str, Any] = {}
    double: set[str] = set()
    for name, value in _settings(contents, 0):
        if name in found and found[name] != value:
            double.add(name)
        found[name] = value
    return {name: value for name, value in found.items() if name not in double}


def _settings(contents: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(contents, Inert):
        yield from _settings(contents.state, depth + 1)
        if all(isinstance(item, tuple) and len(item) == 2 for item in contents.items):
            yield from _settings(
                {key: value for key, value in contents.items if isinstance(key, str)}, depth + 1
            )
    if not isinstance(contents, dict) or depth > _DEEPEST:
        return
    for key, value in contents.items():
        name = str(key).lower()
        if isinstance(value, str | int | float | bool):
            yield name, value
        elif isinstance(value, dict | Inert) and name not in NOT_WEIGHTS:
            yield from _settings(value, depth + 1)
