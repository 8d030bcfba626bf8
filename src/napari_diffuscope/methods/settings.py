"""What a user chooses for a restoration: one set of defaults for the window, the command line and Python.

Free of torch, so that a dock can be drawn before torch is loaded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from napari_diffuscope.methods.plain_checks import (
    MOST_BATCH,
    MOST_SAMPLES,
    MOST_STEPS,
    MOST_TILE,
    check_samples,
    checked_choice,
    checked_crop,
    checked_name,
    checked_planes,
    checked_real,
    checked_seed,
    checked_whole,
    keep,
    recorded_settings,
)

Mode = Literal["estimate", "sample", "mean", "deviation", "samples", "sharpened", "as-published"]
MODES: tuple[Mode, ...] = get_args(Mode)
RGB = Literal["luminance", "channels"]
Defects = Literal["keep", "bridge", "ignore"]

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
        Which planes, as flat indices into the leading axes (one number for one plane); ``None`` for all.
    crop
        ``(y0, y1, x0, x1)`` in pixels; ``None`` for the whole plane.
    rgb
        How a colour image is taken: its ``luminance``, or its three ``channels`` one by one.
    defects
        What becomes of isolated pixels that are no image: hot and dead ones, outliers. ``keep``: they are bridged
        before the network, so that they do not spoil what is around them, and have their measured value in the
        result. ``bridge``: the result has what their neighbours say. Both also leave out of the intensity range,
        and put back as measured, what is small and far brighter than all the rest. ``ignore``: nothing is looked
        for, and the network is shown all pixels as they are.
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
    defects: Defects = "keep"
    tile: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        keep(
            self,
            model=checked_name("model", self.model),
            mode=checked_choice("mode", self.mode, MODES),
            samples=checked_whole("samples", self.samples, most=MOST_SAMPLES),
            steps=checked_whole("steps", self.steps, most=MOST_STEPS, optional=True),
            seed=checked_seed(self.seed),
            strength=checked_real("strength", self.strength, 0, 1),
            device=checked_name("device", self.device),
            planes=checked_planes(self.planes),
            crop=checked_crop(self.crop),
            rgb=checked_choice("rgb", self.rgb, get_args(RGB)),
            defects=checked_choice("defects", self.defects, get_args(Defects)),
            tile=checked_whole("tile", self.tile, most=MOST_TILE, optional=True),
            batch=checked_whole("batch", self.batch, most=MOST_BATCH, optional=True),
        )
        check_samples(self.mode, self.samples, 2 if self.mode in ("mean", "deviation") else 1)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as stored in records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RestoreSettings:
        """Settings from a record; unknown keys are refused by name."""
        return cls(**recorded_settings(values, [field.name for field in fields(cls)]))
