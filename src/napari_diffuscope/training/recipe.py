"""A recipe: everything that decides a training, in one readable TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import Task


@dataclass(frozen=True)
class ImageSource:
    """Real images to learn structures from.

    Parameters
    ----------
    path
        TIFF file, relative to the recipe.
    shrink
        Factor by which the image is averaged down, to lose its own noise; 1 leaves it.
    blur
        Standard deviation in pixels of a Gaussian applied after that, for the same purpose.
    weight
        How often it is drawn, relative to the others.
    """

    path: str
    shrink: int = 1
    blur: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Data:
    """What is learned from.

    Parameters
    ----------
    kind
        ``denoising``: simulated noise on clean images, target at equal blur.
    simulated
        Number of simulated specimens.
    simulated_share
        Share of the patches that come from them; the rest comes from ``images``.
    size, patch
        Edge in pixels of a simulated image, and of a training patch.
    validation
        Number of further simulated specimens, drawn with another seed, kept for validation.
    images
        Real images.
    """

    kind: Literal["denoising"] = "denoising"
    simulated: int = 2000
    simulated_share: float = 0.7
    size: int = 256
    patch: int = 128
    validation: int = 24
    images: tuple[ImageSource, ...] = ()


@dataclass(frozen=True)
class Diffusion:
    """Noise levels of the training.

    Parameters
    ----------
    shift
        Of the cosine schedule.
    highest_share
        Share of each batch at pure noise, where the network becomes the posterior mean.
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
    seed
        Of everything.
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
    seed: int = 0


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
    """A training."""

    name: str
    task: Task
    card: Card
    network: dict[str, Any] = field(default_factory=dict)
    data: Data = field(default_factory=Data)
    diffusion: Diffusion = field(default_factory=Diffusion)
    optimisation: Optimisation = field(default_factory=Optimisation)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe; image paths become absolute.

    Raises
    ------
    DiffuscopeError
        For a file that is absent, no TOML, or has a wrong entry, which the sentence names.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DiffuscopeError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DiffuscopeError(f"{path} is not valid TOML: {error}.") from error
    for source in values.get("data", {}).get("images", []):
        if isinstance(source, dict) and isinstance(source.get("path"), str):
            source["path"] = str((path.parent / source["path"]).resolve())
    return parse(Recipe, values, str(path))
