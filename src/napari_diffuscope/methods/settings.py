"""What a user chooses for a restoration: one set of defaults for the window, the command line and Python.

Free of torch, so that a dock can be drawn before torch is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError

Mode = Literal["estimate", "sample", "mean", "deviation", "samples", "sharpened", "as-published"]
MODES: tuple[Mode, ...] = get_args(Mode)
RGB = Literal["luminance", "channels"]

DEFAULT_MODEL = "restoration-fluorescence"


@dataclass(frozen=True)
class RestoreSettings:
    """Everything that decides the numbers of a restoration, and nothing else.

    Parameters
    ----------
    model
        Name of a model in the catalogue, or the path of a model folder or checkpoint.
    mode
        ``estimate``: the average of all plausible clean images, in one network evaluation.
        ``sample``: one plausible clean image. ``mean``: the average of ``samples`` of them, and their
        per-pixel deviation. ``deviation``: that deviation alone. ``samples``: all of them, as a new first axis.
        ``sharpened``: the estimate, with noise added to ``strength`` and removed again.
        ``as-published``: the sampler and number of samples of the model's paper.
    samples
        Number of samples for ``mean``, ``deviation`` and ``samples``.
    steps
        Network evaluations per sample; ``None`` takes the model's own default.
    seed
        Seed of the noise; equal seeds give equal results.
    strength
        For ``sharpened``: the noise level to go back to, 0 (keep the estimate) to 1 (a new sample).
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    planes
        Which planes, as flat indices into the leading axes; ``None`` for all.
    crop
        ``(y0, y1, x0, x1)`` in pixels; ``None`` for the whole plane.
    rgb
        How a colour image is taken: its ``luminance``, or its three ``channels`` one by one.
    tile
        Edge of a tile in pixels, ``None`` to decide from the free memory. Never changes the result on a CPU.
    batch
        Tiles per network call, ``None`` to decide. Never changes the result on a CPU.
    """

    model: str = DEFAULT_MODEL
    mode: Mode = "estimate"
    samples: int = 8
    steps: int | None = None
    seed: int = 0
    strength: float = 0.5
    device: str = "auto"
    planes: tuple[int, ...] | None = None
    crop: tuple[int, int, int, int] | None = None
    rgb: RGB = "luminance"
    tile: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, MODES)
        check_samples(self.mode, self.samples, 2 if self.mode in ("mean", "deviation") else 1)
        if self.steps is not None and self.steps < 1:
            raise DiffuscopeError(f"At least one step is needed, not {self.steps}.")
        check_seed(self.seed)
        if not 0.0 <= self.strength <= 1.0:
            raise DiffuscopeError(f"The strength must lie between 0 and 1, not {self.strength}.")

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as stored in records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RestoreSettings:
        """Settings from a record; unknown keys are refused by name."""
        return cls(**recorded_settings(values, [field.name for field in fields(cls)]))


def recorded_settings(values: dict[str, Any], known: Sequence[str]) -> dict[str, Any]:
    """Settings of a record as arguments: JSON's lists become tuples, unknown keys are refused by name."""
    if unknown := sorted(set(values) - set(known)):
        raise DiffuscopeError(f"Unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise DiffuscopeError(
            f"{name.capitalize()} {value!r} is unknown; choose one of {', '.join(choices)}."
        )


def check_samples(mode: str, samples: int, least: int) -> None:
    """Refuse fewer samples than a mode needs."""
    if samples < least:
        raise DiffuscopeError(f"Mode {mode!r} needs at least {least} samples, not {samples}.")


def check_seed(seed: int) -> None:
    """Refuse a seed that cannot be stored."""
    if not 0 <= seed < 2**63:
        raise DiffuscopeError(f"The seed must lie between 0 and 2**63 - 1, not {seed}.")


def check_counts(**counts: int | None) -> None:
    """Refuse numbers below 1; ``None`` leaves the choice to the program."""
    for name, value in counts.items():
        if value is not None and value < 1:
            raise DiffuscopeError(f"{name} must be at least 1, not {value}.")


def check_lengths(**lengths: float | None) -> None:
    """Refuse what is no positive number; ``None`` takes what the image says."""
    for name, value in lengths.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise DiffuscopeError(f"The {name} must be a positive number, not {value}.")
