"""What a user chooses for the prediction of shapes: one set of defaults for all. Free of torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.plain_checks import (
    MOST_BATCH,
    MOST_SAMPLES,
    MOST_STEPS,
    check_samples,
    checked_choice,
    checked_flag,
    checked_length,
    checked_name,
    checked_seed,
    checked_whole,
    keep,
    recorded_settings,
)

ShapeMode = Literal["estimate", "sample", "ensemble", "as-published"]
SHAPE_MODES: tuple[ShapeMode, ...] = get_args(ShapeMode)
ShapeSolver = Literal["ancestral", "dpm-solver++", "ddim", "ancestral-mean"]
Threshold = Literal["model", "half", "otsu"]
WindowKind = Literal["cell", "plane"]
ShapeDefects = Literal["bridge", "ignore"]

DEFAULT_SHAPE_MODEL = "shape-red-blood-cells"

_COMPUTING = ("device", "batch")


@dataclass(frozen=True)
class ShapeSettings:
    """Everything that decides the numbers of a prediction of shapes, and how it is computed.

    Parameters
    ----------
    model
        Name of a model in the catalogue, or the path of a model folder or checkpoint.
    mode
        ``estimate``: at every voxel the probability that the cell is there, in one network evaluation (networks
        that predict the noise: a short chain). ``sample``: one plausible shape. ``ensemble``: ``samples`` of them,
        their mean as the probability, and their deviation. ``as-published``: the same with the sampler of the
        model's paper.
    samples
        Number of samples for ``ensemble`` and ``as-published``.
    steps
        Network evaluations per sample; ``None`` takes the model's own default. For ``estimate`` it counts where
        a chain is used.
    solver
        ``ancestral`` (fresh noise at every step), ``dpm-solver++`` or ``ddim`` for samples; ``ancestral-mean`` (the
        ancestral chain without its noise) or ``ddim`` (started from zero) for ``estimate``. ``None`` takes the model's
        own for samples, and for ``estimate`` one evaluation where the network allows it, else ``ancestral-mean``.
    seed
        Seed of the noise; equal seeds give equal results, whichever other cells are worked on.
    threshold
        From which probability on a voxel belongs to the cell. ``model``: for averages the one that overlapped best with
        the cells of the model's training, where it was determined; else, and for single samples, 0.5. ``half``: 0.5.
        ``otsu``: by Otsu's method for every cell.
    largest
        Whether only the largest connected piece is kept (with ``match_mask``: the pieces that the outline meets).
    match_mask
        Whether plane 32 is made equal to the mask.
    anyway
        Whether cells are tried that are refused otherwise: at the border, tiny, huge, hollow, in several pieces.
    window
        ``cell``: every cell is resampled so that it fills as much of the model's window as the cells of its
        training. ``plane``: the plane is a window of the model already and is taken as it is.
    plane
        Which plane of the image, as flat index into its leading axes; ``None`` where there is only one.
    pixel_size
        Of the image in µm, where the file is silent or wrong; ``None`` takes what the image says.
    defects
        Whether isolated hot and dead pixels and outliers are bridged from their neighbours before the network
        (``bridge``), or shown as they are (``ignore``).
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    batch
        Samples per network call, ``None`` to decide. Never changes the result on a CPU.

    References
    ----------
    Waibel et al., ISBI 2023 (arXiv 2208.14125).
    """

    model: str = DEFAULT_SHAPE_MODEL
    mode: ShapeMode = "estimate"
    samples: int = 5
    steps: int | None = None
    solver: ShapeSolver | None = None
    seed: int = 0
    threshold: Threshold = "model"
    largest: bool = True
    match_mask: bool = False
    anyway: bool = False
    window: WindowKind = "cell"
    plane: int | None = None
    pixel_size: float | None = None
    defects: ShapeDefects = "bridge"
    device: str = "auto"
    batch: int | None = None

    def __post_init__(self) -> None:
        keep(
            self,
            model=checked_name("model", self.model),
            mode=checked_choice("mode", self.mode, SHAPE_MODES),
            samples=checked_whole("samples", self.samples, most=MOST_SAMPLES),
            steps=checked_whole("steps", self.steps, most=MOST_STEPS, optional=True),
            solver=checked_choice("solver", self.solver, get_args(ShapeSolver), optional=True),
            seed=checked_seed(self.seed),
            threshold=checked_choice("threshold", self.threshold, get_args(Threshold)),
            largest=checked_flag("largest", self.largest),
            match_mask=checked_flag("match_mask", self.match_mask),
            anyway=checked_flag("anyway", self.anyway),
            window=checked_choice("window", self.window, get_args(WindowKind)),
            plane=checked_whole("plane", self.plane, least=0, most=2**62, optional=True),
            pixel_size=checked_length("pixel_size", self.pixel_size),
            defects=checked_choice("defects", self.defects, get_args(ShapeDefects)),
            device=checked_name("device", self.device),
            batch=checked_whole("batch", self.batch, most=MOST_BATCH, optional=True),
        )
        self._check_solver()
        check_samples(self.mode, self.samples, 2 if self.mode == "ensemble" else 1)

    def _check_solver(self) -> None:
        if self.solver == "ancestral-mean" and self.mode in ("sample", "ensemble"):
            raise DiffuscopeError(
                "The solver 'ancestral-mean' stays at the estimate and draws no samples; choose the mode "
                "'estimate' or another solver."
            )
        if self.solver in ("ancestral", "dpm-solver++") and self.mode == "estimate":
            raise DiffuscopeError(
                f"The solver {self.solver!r} draws samples and gives no estimate; choose another mode or solver."
            )
        if self.solver is not None and self.mode == "as-published":
            raise DiffuscopeError("The mode 'as-published' has its own solver; leave the solver out.")

    @property
    def draws(self) -> int:
        """How many results are computed for every cell."""
        return self.samples if self.mode in ("ensemble", "as-published") else 1

    def deciding(self) -> dict[str, Any]:
        """What decides the numbers, JSON-able: without device and batch."""
        return {name: value for name, value in self.to_dict().items() if name not in _COMPUTING}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as stored in records."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ShapeSettings:
        """Settings from a record; unknown keys are refused by name."""
        return cls(**recorded_settings(values, [field.name for field in fields(cls)]))
