"""What decides an evaluation of super-resolution. Free of torch and numpy."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.superres.settings import MOST_ZOOM

Variant = Literal["estimate", "sample", "sample-averaged", "two-samples", "mean", "as-published"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


@dataclass(frozen=True)
class SuperresEvaluationSettings:
    """What is tested, and how.

    Parameters
    ----------
    data
        Volume with equal voxels whose planes are all known, the truth.
    models
        Names or paths.
    variants
        How models are used. ``estimate``: one evaluation per slice, both directions averaged. ``sample``: with
        consensus after every step. ``sample-averaged``: two independent chains, averaged at the end, at equal
        evaluations. ``two-samples``: the mean of two samples with consensus and half the steps each, at equal
        evaluations. ``mean``: of ``samples`` samples. ``as-published``: the paper's sampler, where the model has one.
    factors
        Every so many planes are kept.
    planes
        First plane and the one after the last that are used; ``None`` for all.
    size
        Edge in pixels of the middle part that is used.
    steps, samples
        Network evaluations per sample, and number of samples of a mean.
    seed
        Of the samples.
    patch
        Edge in pixels of the patches whose distribution is compared.
    axial_fwhm
        Full width at half maximum, in pixels, of a Gaussian blur along z before planes are taken away: thick planes.
    noise
        Standard deviation of white noise on the planes that are kept, as a share of the range of the (blurred) volume.
    device
        Where the networks run.
    """

    data: str
    models: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ("estimate", "sample", "sample-averaged")
    factors: tuple[int, ...] = (2, 4, 8)
    planes: tuple[int, int] | None = None
    size: int = 128
    steps: int = 10
    samples: int = 4
    seed: int = 0
    patch: int = 32
    axial_fwhm: float = 0.0
    noise: float = 0.0
    device: str = "auto"

    def __post_init__(self) -> None:
        for variant in self.variants:
            if variant not in VARIANTS:
                raise DiffuscopeError(f"There is no variant {variant!r}; choose from {', '.join(VARIANTS)}.")
        if not self.factors or not all(2 <= factor <= MOST_ZOOM for factor in self.factors):
            raise DiffuscopeError(f"Factors lie between 2 and {MOST_ZOOM}, not {self.factors}.")
        for name, least in (("size", 16), ("steps", 1), ("samples", 2), ("seed", 0), ("patch", 20)):
            if getattr(self, name) < least:
                raise DiffuscopeError(f"{name} must be at least {least}, not {getattr(self, name)}.")

        for name in ("axial_fwhm", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise DiffuscopeError(f"{name} must be 0 or more, not {getattr(self, name)}.")

    def of_the_rows(self) -> dict[str, Any]:
        """What every row of the table depends on, as JSON knows it."""
        kept = asdict(self)
        for name in ("models", "variants", "factors", "device"):
            del kept[name]
        return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}
