"""What a user chooses for a super-resolution: one set of defaults for all. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.settings import (
    RGB,
    check_choice,
    check_counts,
    check_lengths,
    check_samples,
    check_seed,
    recorded_settings,
)

SuperresMode = Literal["estimate", "sample", "mean", "deviation", "as-published"]
SUPERRES_MODES: tuple[SuperresMode, ...] = get_args(SuperresMode)
SuperresSolver = Literal["dpm-solver++", "ddim"]
Pixels = Literal["float32", "input"]

DEFAULT_SUPERRES_MODEL = "superres-fluorescence"
MOST_ZOOM = 10

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
    pixels: Pixels = "float32"
    device: str = "auto"
    block: tuple[int, int, int] | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        check_choice("mode", self.mode, SUPERRES_MODES)
        check_choice("pixels", self.pixels, get_args(Pixels))
        check_choice("rgb", self.rgb, get_args(RGB))
        if self.solver is not None:
            check_choice("solver", self.solver, get_args(SuperresSolver))
        check_lengths(
            zoom=self.zoom, target_step=self.target_step, z_step=self.z_step, pixel_size=self.pixel_size
        )
        if self.zoom is not None and self.target_step is not None:
            raise DiffuscopeError("Both a zoom and a target step are given; give one of them.")
        if self.zoom is not None and not 1 < self.zoom <= MOST_ZOOM:
            raise DiffuscopeError(
                f"The zoom must be more than 1 and at most {MOST_ZOOM}, not {self.zoom:g}; "
                "between planes further apart nothing can be said."
            )
        if self.mode in ("mean", "deviation"):
            check_samples(self.mode, self.samples, 2)
        check_counts(steps=self.steps, batch=self.batch)
        check_seed(self.seed)
        if not 0 <= self.blur <= 5:
            raise DiffuscopeError(f"The blur must lie between 0 and 5 voxels, not {self.blur}.")
        if self.block is not None and (len(self.block) != 3 or min(self.block) < 1):
            raise DiffuscopeError(f"The block needs three lengths (z, y, x) of at least 1, not {self.block}.")

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
