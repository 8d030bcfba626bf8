"""What can be watched of a training while it goes on, and how it ended. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.training.learnable import Learnable, Measured


@dataclass(frozen=True, eq=False)
class Validated:
    """A validation.

    Parameters
    ----------
    row
        Of the log.
    example
        An image that was kept out, ``(Y, X)``, and what the network makes of it now; ``None`` for one of an earlier
        part of the training.
    """

    row: Mapping[str, float]
    example: tuple[np.ndarray, np.ndarray] | None = None


Watch = Callable[[Validated], None]
"""Is called with every validation, in the thread of the training."""


@dataclass(frozen=True)
class Ended:
    """How a training ended.

    Parameters
    ----------
    name
        Of the model.
    better
        Whether it is better than what it began with, and was stored.
    value, before
        What was measured of the best weights, and of those that it began with; ``None`` where that were random ones.
    start
        Title of the model that it began with.
    """

    name: str
    better: bool
    value: float
    before: float | None = None
    start: str = ""

    def sentence(self, what: Learnable) -> str:
        """What to tell the user, with nothing left out."""
        measured = what.measured
        now = measured.in_words(self.value)
        if self.better:
            gained = f"On images that were kept out, {measured.sentence.format(value=now)}"
            if self.before is not None:
                hardly = ", which is hardly less" if self.value - self.before < measured.hardly else ""
                gained += f"; {self.start} came to {measured.in_words(self.before)}{hardly}"
            return f"{gained}. {self.name!r} is in Models now, and can be chosen in {what.dock}."
        if self.value > 0:
            return (
                f"No better than {self.start} on images that were kept out: {measured.sentence.format(value=now)}. No "
                f"model was made, and {self.start} stays as it is. Other or more images may help, or Go on for longer."
            )
        return (
            f"On images that were kept out it is no better than {measured.zero} ({now}), so that no model was made. "
            f"{self._remedy(measured)}"
        )

    def _remedy(self, measured: Measured) -> str:
        """What to do where nothing was learned."""
        if self.before is None:
            return "Go on for longer, or begin with a model."
        if self.before > 0:
            return "Go on for longer, or learn from other or more images."
        return f"Nor is {self.start} ({measured.in_words(self.before)}): are the images what they should be?"

    @property
    def headline(self) -> str:
        """The same in a few words."""
        if self.better:
            return f"Done: {self.name!r} is in Models now. What it came to stands under Progress."
        return "Done, but no model was made. Why stands under Progress."


def value_before(rows: Sequence[Mapping[str, float]], measured: Measured) -> float | None:
    """What was measured before the first step, of the rows of a log; ``None`` where that were random weights."""
    first = rows[0] if rows else {}
    return first.get(f"validation_{measured.column}") if first.get("step") == 0 else None
