"""What a user chooses for a super-resolution: one set of defaults for all. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.plain_checks import (
    MOST_BATCH,
    MOST_SAMPLES,
    MOST_STEPS,
    check_samples,
    checked_block,
    checked_choice,
    checked_flag,
    checked_length,
    checked_name,
    checked_real,
    checked_seed,
    checked_whole,
    keep,
    recorded_settings,
)
from napari_diffuscope.methods.settings import RGB, Defects

SuperresMode = Literal["estimate", "sample", "mean", "deviation", "as-published"]
SUPERRES_MODES: tuple[SuperresMode, ...] = get_args(SuperresMode)
SuperresSolver = Literal["dpm-solver++", "ddim"]
Pixels = Literal["float32", "input"]

DEFAULT_SUPERRES_MODEL = "superres-fluorescence"
MOST_ZOOM = 10
MOST_BLUR = 5.0

_COMPUTING = ("device", "block", "batch")


@dataclass(frozen=True)
class SuperresSettings:
    """Everything that decides the numbers of a super-resolution, and how it is computed.

    Parameters
    ----------
    model
        Name of a model in the catalogue, or the path of a model folder or checkpoint.
    mode
        ``estimate``: the average of all plausible volumes, in one network evaluation per slice. ``sample``: one
        plausible volume. ``mean``: the average of ``samples`` of them, and their deviation at each voxel.
        ``deviation``: that deviation alone. ``as-published``: the sampler of the model's paper.
    zoom
        How many times finer along z, 2 to 10; ``None`` takes it from ``target_step``.
    target_step
        Wanted z-step in µm; ``None`` for the pixel size, which makes the voxels cubes.
    z_step, pixel_size
        Of the input in µm, where the file is silent or wrong; ``None`` takes what the image says.
    samples
        Number of samples for ``mean`` and ``deviation``.
    steps
        Network evaluations per sample; ``None`` takes the model's own default.
    solver
        ``None`` takes the model's own.
    seed
        Seed of the noise; equal seeds give equal results.
    consensus
        Whether the slices along x and along y are brought together after every step, before the volume moves
        on. Otherwise two volumes are made independently and averaged at the end, as in the paper.
    reimpose
        Whether measured planes are put back, bit for bit. ``None``: they are, unless the model also sharpens
        along z (putting them back would bring the blur back), the mode is ``as-published``, or the factor is no
        whole number.
    blur
        Standard deviation in voxels of a Gaussian over 3 × 3 × 3 voxels at the end, 0 for none; the paper
        offers 0.5.
    rgb
        How a colour stack is taken: its ``luminance``, or its three ``channels`` one by one.
    defects
        As for a restoration: what becomes of hot and dead pixels, outliers, and planes far from their neighbours,
        which are bridged before the network. ``keep``: measured planes that are put back have them.
    pixels
        Pixel type of the result: ``float32``, or that of the ``input`` (rounded).
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    block
        Least lengths ``(z, y, x)`` of the pieces of the output that are worked on one after the other; ``None``
        to decide. Never changes the result on a CPU with one of our own networks.
    batch
        Slices per network call, ``None`` to decide. Like ``block``.

    References
    ----------
    Jiang et al., CVPRW 2024 (arXiv 2404.09425).
    """

    model: str = DEFAULT_SUPERRES_MODEL
    mode: SuperresMode = "estimate"
    zoom: float | None = None
    target_step: float | None = None
    z_step: float | None = None
    pixel_size: float | None = None
    samples: int = 8
    steps: int | None = None
    solver: SuperresSolver | None = None
    seed: int = 0
    consensus: bool = True
    reimpose: bool | None = None
    blur: float = 0.0
    rgb: RGB = "luminance"
    defects: Defects = "keep"
    pixels: Pixels = "float32"
    device: str = "auto"
    block: tuple[int, int, int] | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        keep(
            self,
            model=checked_name("model", self.model),
            mode=checked_choice("mode", self.mode, SUPERRES_MODES),
            zoom=checked_length("zoom", self.zoom),
            target_step=checked_length("target_step", self.target_step),
            z_step=checked_length("z_step", self.z_step),
            pixel_size=checked_length("pixel_size", self.pixel_size),
            samples=checked_whole("samples", self.samples, most=MOST_SAMPLES),
            steps=checked_whole("steps", self.steps, most=MOST_STEPS, optional=True),
            solver=checked_choice("solver", self.solver, get_args(SuperresSolver), optional=True),
            seed=checked_seed(self.seed),
            consensus=checked_flag("consensus", self.consensus),
            reimpose=checked_flag("reimpose", self.reimpose, optional=True),
            blur=checked_real("blur", self.blur, 0, MOST_BLUR),
            rgb=checked_choice("rgb", self.rgb, get_args(RGB)),
            defects=checked_choice("defects", self.defects, get_args(Defects)),
            pixels=checked_choice("pixels", self.pixels, get_args(Pixels)),
            device=checked_name("device", self.device),
            block=checked_block(self.block),
            batch=checked_whole("batch", self.batch, most=MOST_BATCH, optional=True),
        )
        if self.zoom is not None and self.target_step is not None:
            raise DiffuscopeError("Both a zoom and a target step are given; give one of them.")
        if self.zoom is not None and not 1 < self.zoom <= MOST_ZOOM:
            raise DiffuscopeError(
                f"The zoom must be more than 1 and at most {MOST_ZOOM}, not {self.zoom:g}; "
                "between planes further apart nothing can be said."
            )
        check_samples(self.mode, self.samples, 2 if self.mode in ("mean", "deviation") else 1)

    @property
    def volumes(self) -> int:
        """How many samples are drawn of each volume."""
        return self.samples if self.mode in ("mean", "deviation") else 1

    @property
    def together(self) -> bool:
        """Whether the two directions share one state."""
        return self.consensus and self.mode != "as-published"

    def deciding(self) -> dict[str, Any]:
        """What decides the numbers, JSON-able: without device and sizes of the pieces."""
        return {name: value for name, value in self.to_dict().items() if name not in _COMPUTING}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as stored in records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SuperresSettings:
        """Settings from a record; unknown keys are refused by name."""
        return cls(**recorded_settings(values, [field.name for field in fields(cls)]))
