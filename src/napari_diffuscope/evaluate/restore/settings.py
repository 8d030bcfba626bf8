"""What decides an evaluation. Free of torch and numpy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError

Target = Literal["equal-blur", "sharp"]
Noise = Literal["camera", "scanner"]
Level = Literal["low", "medium", "high"]

STANDARD = "standard"
"""The word for the simulated test set."""

LEVELS: dict[str, float] = {"low": 200.0, "medium": 30.0, "high": 5.0}
"""Photons at the brightest pixel of each level of noise."""

NOISES: tuple[str, ...] = get_args(Noise)
TARGETS: tuple[str, ...] = get_args(Target)


@dataclass(frozen=True)
class EvaluationSettings:
    """What is tested, and how.

    Parameters
    ----------
    data
        ``standard``, TIFF files, folders of clean images, folders with ``high`` and ``low``.
    models
        Names or paths; the first is the one that all others are compared with.
    target
        ``equal-blur``: the noise-free image. ``sharp``: with a spot half as wide as that of the noisy image.
    noises, levels
        Which noise is simulated; has no meaning for pairs.
    methods
        Classical methods; ``None`` for all that are at hand.
    samples, steps
        Number of samples, and network evaluations for each.
    sampled_crop
        Edge in pixels of the middle part that samples are drawn of.
    limit
        Most fields of each structure and most planes of each file; ``None`` for 2 fields and all planes.
    limit_sampled
        Cases that are sampled, for each data set, noise and level: one of each group, then the next of each.
    seed
        Of structures, noise and samples.
    size
        Edge of a field in pixels.
    shrink
        Factor by which clean real images are averaged down.
    calibrate
        Whether the scale of the deviation is fitted first and written to the card of every model.
    calibration_images
        On how many images; 18 are one of every structure, noise and level.
    device
        Where the networks run.
    """

    data: tuple[str, ...] = (STANDARD,)
    models: tuple[str, ...] = ()
    target: Target = "equal-blur"
    noises: tuple[str, ...] = NOISES
    levels: tuple[str, ...] = tuple(LEVELS)
    methods: tuple[str, ...] | None = None
    samples: int = 15
    steps: int = 25
    sampled_crop: int = 128
    limit: int | None = None
    limit_sampled: int = 3
    seed: int = 0
    size: int = 256
    shrink: int = 2
    calibrate: bool = False
    calibration_images: int = 18
    device: str = "auto"

    def __post_init__(self) -> None:
        _known("target", (self.target,), TARGETS)
        _known("noise", self.noises, NOISES)
        _known("level", self.levels, LEVELS)
        for name, least in (
            ("samples", 2),
            ("steps", 1),
            ("sampled_crop", 16),
            ("limit_sampled", 0),
            ("seed", 0),
            ("size", 16),
            ("shrink", 1),
            ("calibration_images", 1),
        ):
            if getattr(self, name) < least:
                raise DiffuscopeError(f"{name} must be at least {least}, not {getattr(self, name)}.")
        if self.limit is not None and self.limit < 1:
            raise DiffuscopeError(f"limit must be at least 1, not {self.limit}.")

    @property
    def crop(self) -> int:
        """Edge of the part that is sampled."""
        return min(self.sampled_crop, self.size)

    def of_the_rows(self) -> dict[str, Any]:
        """What every row of the tables depends on, as JSON knows it."""
        kept = asdict(self)
        for name in ("models", "methods", "calibrate", "calibration_images", "device"):
            del kept[name]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


def _known(what: str, values: Iterable[str], choices: Iterable[str]) -> None:
    if not values:
        raise DiffuscopeError(f"At least one {what} is needed: {', '.join(choices)}.")
    for value in values:
        if value not in choices:
            raise DiffuscopeError(f"There is no {what} {value!r}; choose from {', '.join(choices)}.")
