"""A recipe: everything that decides a training, in one readable TOML file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.documents import read_toml
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import NetworkSpec, Task, task_now

Precision = Literal["auto", "float32", "bfloat16"]
Cut = Literal["xy", "xz", "yz"]
Compiled = Literal["auto", "on", "off"]
TrainedKind = Literal["local-unet", "openai-unet"]
DEFAULT_VALIDATION_SHARE = 0.1
MOST_BESIDE = 8


@dataclass(frozen=True)
class ImageSource:
    """Real images to learn structures from.

    Parameters
    ----------
    path
        TIFF file, relative to the recipe; a folder means all image files in it.
    shrink
        Factor by which the image is averaged down, to lose its own noise; 1 leaves it.
    blur
        Standard deviation in pixels of a Gaussian applied after that, for the same purpose.
    weight
        How often it is drawn, relative to the others.
    validation
        Whether it is kept out of the training, to validate on.
    planes
        First plane and the one after the last that are taken of a stack; ``None`` for all.
    cut
        For ``slices``: which way the stack is cut into images. ``xz`` and ``yz`` are for stacks whose voxels are as
        long along z as across: rows then follow each other along z, as where the model is used, and are never turned.
    """

    path: str
    shrink: int = 1
    blur: float = 0.0
    weight: float = 1.0
    validation: bool = False
    planes: tuple[int, int] | None = None
    cut: Cut = "xy"


@dataclass(frozen=True)
class Data:
    """What is learned from.

    Parameters
    ----------
    kind
        ``denoising``: simulated noise on clean images, target at equal blur. ``pairs``: pairs of a low and a high
        quality image of the same field, from ``folder``. ``slices``: clean images of which some rows are known, to
        fill in the others. ``shapes``: cells whose 3D shape is known, from ``folder``. ``classes``: images of some
        classes, from ``folder``, to make new ones like them.
    simulated
        Number of simulated specimens.
    simulated_share
        Share of the patches that come from them; the rest comes from ``images``.
    textures, texture_share
        Number of images that show shapes and textures of no specimen, and the share of all patches that come from them.
    shrunk_share
        Share of the others that is averaged down to half its size, so that structures may be as small as a pixel.
        Textures are averaged down with them only where ``blur_fwhm`` is given.
    specimen_fwhm
        Narrowest and widest spot of the microscopes that simulated specimens are seen through, in pixels before
        averaging down. Narrow ones for what is to be blurred by ``blur_fwhm``: a specimen that was blurred before
        looks as if its spot were wider, and teaches to sharpen too little.
    noise
        For ``denoising``: where the noise is made. ``workers``: by the processes that prepare batches; ``device``: in
        torch, where the network is trained, with the same statistics; ``auto``: on a GPU, else by the workers.
    blur_fwhm
        For ``denoising``: narrowest and widest point spread function in pixels (full width at half maximum) to blur
        the clean images with. The target is the image through one half as wide: the network learns to deblur as
        well. ``None``: the target is at equal blur. For ``slices``: of a Gaussian across the rows, which the target
        does not have; ``None`` for planes that are thin.
    known_weight
        For ``slices``: weight of the known rows in the loss, beside 1 for the unknown ones. With ``blur_fwhm`` all
        rows are unknown.
    beside
        For ``slices``: number of slices on each side of which the network is shown the interpolation as well; the
        images are then stacks whose voxels are as long along z as across. 0 learns from single images.
    size, patch
        Edge in pixels of a simulated image, and of a training patch; for ``shapes`` the patch is the window of a cell.
    validation
        Number of further simulated specimens, drawn with another seed, kept for validation; of ``pairs``, and of
        each real image that is kept out, the number of patches to validate on.
    images
        Real images.
    folder
        For ``pairs``: folder with ``high`` and ``low``, or with ``train`` and ``validate`` that hold them. For
        ``shapes``: folder with ``image`` and ``mask`` (squares) and ``obj`` (cubes of that edge), under equal names
        that begin with the class of the cell and an underscore. For ``classes``: folder with images, or with a folder
        of them for each class, or with ``train`` and ``validate`` that hold these.
    high_folder
        For ``pairs``: folder of the images of high quality, where those of low quality lie in ``folder`` itself, under
        equal names.
    validation_share
        Share of the files of ``images`` or ``folder`` that is kept out for validation, where none is named; ``None``
        for none of the images, a tenth of a folder of pairs, and a fifth of the cells, or fields, of each class.
    fold
        For ``shapes``, instead of a share: k, from 1, and n; the k-th of n folds of the cells is kept out.
    kept_class
        For ``shapes``: a class of cells that is kept out as a whole, besides those of the share or fold.
    upside_down
        For ``shapes``: whether cells are also turned upside down. Without it a model learns in which direction along z
        its microscope draws cells out, and expects the same of the images it is given.
    match
        For ``pairs``: how the target gets onto the scale of the low image. ``same``: they have the same units, one
        map serves both. ``percentiles``: each by its own. ``fit``: the line that fits low to high best. ``auto``:
        ``same`` or ``fit`` where a fitted line says so, else ``percentiles``.
    unit
        For ``classes``: what the values of the images are, in words.
    """

    kind: Literal["denoising", "pairs", "slices", "shapes", "classes"] = "denoising"
    simulated: int = 2000
    simulated_share: float = 0.7
    textures: int = 3000
    texture_share: float = 0.0
    shrunk_share: float = 0.0
    noise: Literal["auto", "workers", "device"] = "auto"
    blur_fwhm: tuple[float, float] | None = None
    specimen_fwhm: tuple[float, float] = (1.2, 7.0)
    known_weight: float = 0.1
    beside: int = 0
    size: int = 256
    patch: int = 128
    validation: int = 24
    images: tuple[ImageSource, ...] = ()
    folder: str = ""
    high_folder: str = ""
    validation_share: float | None = None
    fold: tuple[int, int] | None = None
    kept_class: str = ""
    upside_down: bool = True
    match: Literal["auto", "same", "percentiles", "fit"] = "auto"
    unit: str = ""


@dataclass(frozen=True)
class Diffusion:
    """Noise levels of the training.

    Parameters
    ----------
    shift
        Of the cosine schedule.
    highest_share
        Share of each batch at pure noise, where the network becomes the posterior mean. At 1 it learns nothing
        else: a plain regression, whose model gives the best estimate alone.
    sampling_steps
        Default number of steps of the finished model.
    """

    shift: float = 0.2
    highest_share: float = 0.25
    sampling_steps: int = 10


@dataclass(frozen=True)
class Optimisation:
    """How it is learned.

    Parameters
    ----------
    steps, batch
        Number of steps, and patches per step.
    learning_rate
        Highest rate; rises over ``warmup`` steps, falls to zero as a cosine from ``decay_from`` (a share of the steps).
    ema
        Decay of the exponential moving average of the weights, which is what is kept.
    clip
        Largest norm of the gradient.
    validate_every, checkpoint_every
        In steps.
    every_minutes
        Validate, and write a checkpoint, after so many minutes of training instead of so many steps.
    seed
        Of everything.
    precision
        ``bfloat16``: networks in mixed precision; ``auto``: where the hardware has units for it.
    compiled
        ``on``: the network is compiled before the first step; ``auto``: in trainings of 10,000 steps or 45 minutes and
        more, on a processor, where there is a C++ compiler. Results differ by rounding.
    patience
        Stop after so many validations without a gain, and keep the best weights; 0 never stops early and keeps the
        last.
    min_gain
        What counts as a gain, in the unit of the validation measure (dB).
    time_budget_minutes
        Train for this time instead of ``steps`` steps; the learning rate then follows the time. Time spent on
        validation and checkpoints does not count. Such a training is not repeatable to the bit.
    """

    steps: int = 10_000
    batch: int = 6
    learning_rate: float = 5e-3
    warmup: int = 200
    decay_from: float = 0.3
    ema: float = 0.999
    clip: float = 1.0
    validate_every: int = 500
    checkpoint_every: int = 500
    every_minutes: float | None = None
    seed: int = 0
    precision: Precision = "auto"
    compiled: Compiled = "auto"
    patience: int = 0
    min_gain: float = 0.0
    time_budget_minutes: float | None = None


@dataclass(frozen=True)
class Card:
    """What the finished model says about itself."""

    title: str
    purpose: str
    licence: str = "unknown"
    pixel_size: tuple[float, float] | None = None
    limits: str = ""
    data: str = ""
    citation: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A training.

    Parameters
    ----------
    name, task, card
        What it makes, and what that says about itself.
    network
        ``kind`` (``local-unet`` by default, or ``openai-unet``) and the arguments of that network.
    data, diffusion, optimisation
        What it learns from, at which noise levels, and how.
    start_from
        Model, by name or path, whose weights the training begins with; its network must be the same.
    """

    name: str
    task: Task
    card: Card
    network: dict[str, Any] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    diffusion: Diffusion = field(default_factory=Diffusion)
    optimisation: Optimisation = field(default_factory=Optimisation)
    start_from: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", task_now(self.task))
        _check(self)

    @property
    def network_spec(self) -> NetworkSpec:
        """The network as model cards describe it."""
        arguments = {name: value for name, value in self.network.items() if name != "kind"}
        return NetworkSpec(self.network.get("kind", "local-unet"), arguments)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def _check(recipe: Recipe) -> None:
    """Refuse numbers that no training can have."""
    data, plan, share = recipe.data, recipe.optimisation, recipe.diffusion.highest_share
    widths = data.blur_fwhm
    if (kind := recipe.network.get("kind", "local-unet")) not in get_args(TrainedKind):
        raise DiffuscopeError(
            f"The network kind must be one of {', '.join(get_args(TrainedKind))}, not {kind!r}."
        )
    if (data.kind in ("pairs", "shapes", "classes")) != bool(data.folder):
        raise DiffuscopeError(
            'Training on pairs, shapes or classes needs both kind = "pairs", "shapes" or "classes" and the folder '
            "under [data]."
        )
    if data.high_folder and data.kind != "pairs":
        raise DiffuscopeError('high_folder is for kind = "pairs"; take it out of [data].')
    if data.kept_class and data.kind != "shapes":
        raise DiffuscopeError('kept_class is for kind = "shapes"; take it out of [data].')
    if data.kind != "slices" and any(source.cut != "xy" for source in data.images):
        raise DiffuscopeError(
            'Stacks are cut along z for kind = "slices" alone; take cut out of [[data.images]].'
        )
    if data.beside and (data.kind != "slices" or data.simulated):
        raise DiffuscopeError(
            'Slices beside a slice (beside) are for kind = "slices" and stacks alone; take beside out of [data], or '
            "set simulated = 0."
        )
    if data.fold is not None and data.kind != "shapes":
        raise DiffuscopeError('Folds are for kind = "shapes" alone; take fold out of [data].')
    budget = plan.time_budget_minutes
    for name, value, fits in (
        ("steps", plan.steps, plan.steps >= 1),
        ("batch", plan.batch, plan.batch >= 1),
        ("validate_every", plan.validate_every, plan.validate_every >= 1),
        ("checkpoint_every", plan.checkpoint_every, plan.checkpoint_every >= 1),
        ("patience", plan.patience, plan.patience >= 0),
        ("seed", plan.seed, plan.seed >= 0),
        ("ema", plan.ema, 0 <= plan.ema < 1),
        ("learning_rate", plan.learning_rate, plan.learning_rate > 0),
        ("every_minutes", plan.every_minutes, plan.every_minutes is None or plan.every_minutes > 0),
        ("time_budget_minutes", budget, budget is None or budget > 0),
        ("patch", data.patch, data.patch >= 1),
        ("highest_share", share, 0 <= share <= 1),
        ("known_weight", data.known_weight, 0 <= data.known_weight <= 1),
        ("beside", data.beside, 0 <= data.beside <= MOST_BESIDE),
        ("blur_fwhm", widths, widths is None or 1 <= widths[0] <= widths[1]),
        ("specimen_fwhm", data.specimen_fwhm, 1 <= data.specimen_fwhm[0] <= data.specimen_fwhm[1]),
        ("fold", data.fold, data.fold is None or 1 <= data.fold[0] <= data.fold[1] >= 2),
        ("validation_share", data.validation_share, 0 <= (data.validation_share or 0) < 1),
    ):
        if not fits:
            raise DiffuscopeError(f"The recipe's {name} cannot be {value}; correct it.")


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe; paths in it become absolute.

    Raises
    ------
    DiffuscopeError
        For a file that is absent, no TOML, or has a wrong entry, which the sentence names.
    """
    values = read_toml(path, "recipe")
    _make_absolute(values, path.parent)
    return parse(Recipe, values, str(path))


def _make_absolute(values: dict[str, Any], folder: Path) -> None:
    """Paths in a recipe are relative to it."""
    data = values.get("data")
    if not isinstance(data, dict):
        return
    sources = data.get("images")
    tables = [(s, "path") for s in sources if isinstance(s, dict)] if isinstance(sources, list) else []
    for table, key in [*tables, (data, "folder"), (data, "high_folder")]:
        if isinstance(table.get(key), str) and table[key]:
            table[key] = str((folder / table[key]).resolve())
    start = values.get("start_from")
    if isinstance(start, str) and (folder / start).exists():
        values["start_from"] = str((folder / start).resolve())
