"""What is known about a model: the content of ``model.json``. Free of torch."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.documents import read_json
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card_checks import (
    MOST_CHANNELS,
    MOST_LEVELS,
    MOST_PIXELS,
    check_falling,
    check_gains,
    check_number,
    check_range,
    check_table,
    check_whole,
    refuse,
)
from napari_diffuscope.weights.card_parts import CellFeatures, Density, DeviationFit, ValueScale
from napari_diffuscope.weights.ways_on import GET_MODEL_AGAIN, with_way_on

FORMAT = 1
FORMER = ("normalisation",)
"""Entries of earlier versions, which say nothing any more."""

CARD_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"

ScheduleKind = Literal["continuous-cosine", "linear", "cosine", "scaled-linear", "sigmoid", "table"]
Task = Literal["restore", "superres", "shape", "generate", "restoration", "superresolution", "generation"]
"""What a model is for, by the name of the method; the last three are names of earlier versions, which are read."""

_FORMER: dict[str, Task] = {"restoration": "restore", "superresolution": "superres", "generation": "generate"}
"""``generation`` is what cards and sidecar files of earlier versions call ``generate``."""


def task_now(task: Task) -> Task:
    """The name of a task, whatever earlier versions called it."""
    return _FORMER.get(task, task)


@dataclass(frozen=True)
class NetworkSpec:
    """Which network, and its arguments.

    Parameters
    ----------
    kind
        ``local-unet`` (ours), ``openai-unet``, ``edm2-unet``, ``lucidrains-unet``.
    arguments
        Fields of that network's configuration.
    """

    kind: Literal["local-unet", "openai-unet", "edm2-unet", "lucidrains-unet"]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class ScheduleSpec:
    """Noise schedule of a model.

    Parameters
    ----------
    kind
        ``continuous-cosine`` (with ``shift``), or tables of ``count`` levels: ``linear``, ``cosine``,
        ``scaled-linear`` (linear in √β), ``sigmoid``, or ``table``: any other, number by number.
    shift
        For ``continuous-cosine``: see :class:`napari_diffuscope.diffusion.schedule.CosineSchedule`.
    count
        For the tables: number of levels T.
    betas
        For the linear tables: first and last β; ``None`` for 1e-4 and 0.02, scaled by 1000 / T.
    alpha_bar
        For ``table``: ᾱ of each level, from the least noise to the most.
    """

    kind: ScheduleKind
    shift: float = 1.0
    count: int = 1000
    betas: tuple[float, float] | None = None
    alpha_bar: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_number("schedule.shift", self.shift, 0, 1e6, above=True)
        if self.kind == "continuous-cosine":
            return
        if (self.kind == "table") != (self.alpha_bar is not None):
            raise refuse(
                "schedule.alpha_bar", self.alpha_bar, "a list of numbers for the kind table, and for no other"
            )
        if self.alpha_bar is not None:
            check_table(self.alpha_bar, self.count)
        check_falling(self.kind, self.count, self.betas)


@dataclass(frozen=True)
class DiffusionSpec:
    """How the network was trained to denoise, and how it is sampled by default.

    Parameters
    ----------
    prediction
        What the network predicts.
    schedule
        Its noise levels.
    time
        What it is told of the level: ``continuous`` t in [0, 1]; ``index`` into the table; ``rescaled`` index
        · 1000 / T; ``alpha-bar`` (γ).
    variance
        Of the ancestral step: ``fixed-small`` (β̃), ``fixed-large`` (β) or ``learned-range``.
    clip
        Range to which estimates of x₀ are clamped, or ``None``.
    solver, steps
        Default sampler; ``ancestral`` for shapes alone.
    published_steps, published_samples
        Steps and number of averaged samples in the model's paper, for the mode ``as-published``.
    published_eta
        For papers that sample with DDIM: its η; ``None`` for the ancestral chain.
    estimate_only
        Whether it was trained at pure noise alone: it gives the best estimate and no samples.
    """

    prediction: Literal["epsilon", "v", "x0"]
    schedule: ScheduleSpec
    time: Literal["continuous", "index", "rescaled", "alpha-bar"] = "continuous"
    variance: Literal["fixed-small", "fixed-large", "learned-range"] = "fixed-small"
    clip: tuple[float, float] | None = None
    solver: Literal["ddim", "dpm-solver++", "ancestral"] = "dpm-solver++"
    steps: int = 10
    published_steps: int | None = None
    published_samples: int = 1
    published_eta: float | None = None
    estimate_only: bool = False

    def __post_init__(self) -> None:
        check_range("diffusion.clip", self.clip)
        check_whole("diffusion.steps", self.steps, 1, MOST_LEVELS)
        check_whole("diffusion.published_steps", self.published_steps, 1, MOST_LEVELS)
        check_whole("diffusion.published_samples", self.published_samples, 1, MOST_LEVELS)
        check_number("diffusion.published_eta", self.published_eta, 0, 1)


@dataclass(frozen=True)
class ModelCard:
    """Everything that is said about a model.

    Parameters
    ----------
    name
        Identifier: the name of its folder.
    title, purpose
        For people: what to call it, and what it does to which images.
    task
        Which method uses it.
    network, diffusion
        What it is.
    axes
        Spatial axes of the network, ``YX`` or ``ZYX``.
    size
        Size of its training images in pixels along ``axes``, where known.
    state_channels, condition_channels
        Channels of the image that it makes, and of the measurement that it is given with it (0 for none).
    condition_first
        Whether the measurement comes before the state among the channels of its input.
    data_range
        Values that the network works on.
    pixel_size
        Smallest and largest pixel size of its training images in µm, where known.
    deviation_scale
        Factor by which the deviation of samples is multiplied to match the errors on kept-out data; 1 where
        it was not calibrated.
    deviation_fit
        For restoration and super-resolution: what takes the place of that factor where it was measured how large errors
        are at small and at large deviations, and how wide intervals must be. Runs of earlier versions are repeated with
        the factor.
    axial_fwhm
        For models of slices that also sharpen along z: the range of blur that they were trained on, full width at
        half maximum in output pixels. ``None`` where measured planes are taken as they are, and are put back.
    cell_extent
        For models of shapes: the larger extent of a training cell's mask over the edge of the window, median; cells
        are resampled to fill as much of it. ``None`` where unknown.
    occupancy_threshold
        For models of shapes: the probability from which on the voxels of an average overlap best with the cells of its
        training. ``None`` for 0.5.
    cell_features
        For models of shapes: what the training cells look like in their plane, where it was measured.
    classes
        For generators: names of the classes that it was trained on, in the order of its network's labels; empty for
        a network without classes. Where it is empty and the network has classes, they are called by their numbers.
    class_optional
        Whether it was also trained without its class, now and then: images of no class, and guidance, need that.
    density
        For generators: what they know of the density of an image.
    values
        For generators: units of what they make; the network's own values where it is ``None``.
    spectrum_gains
        For generators: by how many dB details of each class are too faint in what it draws, beside its training
        images, at frequencies evenly spaced from 0 to half a cycle per pixel; a row for each class, from -8 to 8. Empty
        where it was not measured.
    training, metrics
        Data, steps, hardware, time; numbers on kept-out data.
    limits
        When not to trust it.
    licence, citation
        Of the weights, and of what to cite.
    sha256
        Of the weights file.
    """

    name: str
    title: str
    purpose: str
    task: Task
    network: NetworkSpec
    diffusion: DiffusionSpec
    axes: str = "YX"
    size: tuple[int, ...] | None = None
    state_channels: int = 1
    condition_channels: int = 1
    condition_first: bool = False
    data_range: tuple[float, float] = (-1.0, 1.0)
    pixel_size: tuple[float, float] | None = None
    deviation_scale: float = 1.0
    deviation_fit: DeviationFit | None = None
    axial_fwhm: tuple[float, float] | None = None
    cell_extent: float | None = None
    occupancy_threshold: float | None = None
    cell_features: CellFeatures | None = None
    classes: tuple[str, ...] = ()
    class_optional: bool = False
    density: Density | None = None
    values: ValueScale | None = None
    spectrum_gains: tuple[tuple[float, ...], ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    limits: str = ""
    licence: str = "unknown"
    citation: tuple[str, ...] = ()
    sha256: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", task_now(self.task))
        self._name_classes()
        if self.axes not in ("YX", "ZYX"):
            raise refuse("axes", self.axes, "YX or ZYX")
        if self.size is not None and len(self.size) != len(self.axes):
            raise refuse("size", self.size, f"one whole number for each of the axes {self.axes}")
        for edge in self.size or ():
            check_whole("size", edge, 1, MOST_PIXELS)
        check_whole("state_channels", self.state_channels, 1, MOST_CHANNELS)
        check_whole("condition_channels", self.condition_channels, 0, MOST_CHANNELS)
        check_range("data_range", self.data_range)
        check_range("pixel_size", self.pixel_size, least=1e-9, may_be_equal=True)
        check_range("axial_fwhm", self.axial_fwhm, least=0, may_be_equal=True)
        check_number("deviation_scale", self.deviation_scale, 0, 1e6, above=True)
        check_number("cell_extent", self.cell_extent, 0, 1, above=True)
        check_number("occupancy_threshold", self.occupancy_threshold, 0, 1, above=True)
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise refuse("sha256", self.sha256, "64 hexadecimal digits")
        check_gains(self.spectrum_gains, len(self.classes))
        if self.deviation_fit is not None and self.task not in ("restore", "superres"):
            raise DiffuscopeError(
                f"The card of {self.name} has a deviation_fit, which models for restoration and super-resolution alone "
                "may have."
            )
        if self.diffusion.solver == "ancestral" and self.task != "shape":
            raise DiffuscopeError(
                f"The card of {self.name} asks for the solver 'ancestral', which models of shapes alone may have."
            )

    def _name_classes(self) -> None:
        """Name the classes of the network, one for each."""
        count = self.network.arguments.get("classes") or 0
        if not isinstance(count, int) or isinstance(count, bool):
            return  # said where the network is built
        names = self.classes or tuple(map(str, range(min(count, MOST_CHANNELS))))
        if len(names) != count or len(set(names)) != count or not all(names):
            raise refuse("classes", names, f"a name for each of the {count} classes of the network")
        object.__setattr__(self, "classes", tuple(names))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def read_card(folder: Path) -> ModelCard:
    """Read and check ``model.json`` of a model folder.

    Raises
    ------
    DiffuscopeError
        If the file is absent, no JSON, of a newer format, or has a wrong, missing or unknown entry.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise DiffuscopeError(
            f"{folder} is not a model folder: it has no {CARD_FILE}; choose another folder."
        )
    with reading(path, "model card"):
        try:
            return _parsed_card(path)
        except DiffuscopeError as error:
            raise DiffuscopeError(with_way_on(error, f"correct it, or {GET_MODEL_AGAIN}")) from error


def _parsed_card(path: Path) -> ModelCard:
    values = read_json(path)
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise DiffuscopeError(
            f"{path} has format {quoted(values['format'])}; this version reads format {FORMAT}; "
            "get the model in that format, or a newer napari-diffuscope."
        )
    if isinstance(values, dict):
        values = {name: value for name, value in values.items() if name not in FORMER}
    return parse(ModelCard, values, str(path))
