"""What was noticed in a piece of a run beside its pixels; kept with the pixels, so that a run that goes on knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.methods.bridging import Tally
from napari_diffuscope.methods.skipping import Parts


@dataclass(frozen=True)
class Noticed:
    """What is counted, and told at the end of a run.

    Parameters
    ----------
    defects
        Pixels that were bridged, and planes far from their neighbours.
    empty
        Parts that were looked at, and whether they are empty.
    measures
        What else was measured in it, by name.
    left_out
        Flat indices of neighbouring planes that were not used.
    """

    defects: Tally = field(default_factory=Tally)
    empty: Parts = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    left_out: tuple[int, ...] = ()

    def facts(self) -> dict[str, Any]:
        """JSON-able form; nothing is said of what is not there."""
        parts = [[_listed(key), *counts] for key, counts in self.empty.items()]
        further: dict[str, Any] = {
            "empty": parts,
            "measures": {name: float(value) for name, value in self.measures.items()},
            "left_out": list(self.left_out),
        }
        return {**self.defects.facts(), **{name: told for name, told in further.items() if told}}

    @classmethod
    def of(cls, facts: BlockFacts) -> Noticed:
        """What :meth:`facts` gave, or nothing."""
        if not facts:
            return cls()
        empty = {_key(key): (int(some), int(count)) for key, some, count in facts.get("empty", ())}
        left_out = tuple(int(flat) for flat in facts.get("left_out", ()))
        return cls(Tally.of_facts(facts), empty, dict(facts.get("measures", {})), left_out)


def _listed(key: Any) -> Any:
    return [int(part) for part in key] if isinstance(key, tuple) else int(key)


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key
