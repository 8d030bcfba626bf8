"""What a user says about a checkpoint in a small JSON file beside it. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.documents import read_json
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import CARD_FILE, ScheduleSpec, Task
from napari_diffuscope.weights.fingerprints import System


@dataclass(frozen=True)
class Sidecar:
    """Entries of ``CHECKPOINT.json`` or ``model.json`` beside a checkpoint; all are optional.

    Parameters
    ----------
    system
        The published system whose code trained it: everything not said here is as published there.
    task, title, purpose, licence, citation, size, pixel_size, data_range, state_channels, condition_first, classes
        As on a model card.
    heads, head_channels
        Number of attention heads, or channels of each: one of them.
    qkv_order
        ``heads-first`` (the codes' default) or ``qkv-first`` (``use_new_attention_order``).
    z_preserving
        Of 3D networks: whether only y and x are halved.
    prediction, schedule, time, variance, clip
        As on a model card.
    weights
        Which of several networks in the file: what comes before the names of its tensors.
    package_version
        Of networks of denoising-diffusion-pytorch before 1.8: which version wrote it, as ``0.27.5``.
    diffusers_settings
        Of a network of diffusers without its ``config.json``: ``defaults``, or ``ddpm`` for those of the first models.
    norm_groups
        Of such a network: groups of its norms.
    """

    system: System | None = None
    task: Task | None = None
    title: str | None = None
    purpose: str | None = None
    licence: str | None = None
    citation: tuple[str, ...] | None = None
    size: tuple[int, ...] | None = None
    pixel_size: tuple[float, float] | None = None
    data_range: tuple[float, float] | None = None
    state_channels: int | None = None
    condition_first: bool | None = None
    classes: tuple[str, ...] | None = None
    heads: int | None = None
    head_channels: int | None = None
    qkv_order: Literal["heads-first", "qkv-first"] | None = None
    z_preserving: bool | None = None
    prediction: Literal["epsilon", "v", "x0"] | None = None
    schedule: ScheduleSpec | None = None
    time: Literal["continuous", "index", "rescaled", "alpha-bar"] | None = None
    variance: Literal["fixed-small", "fixed-large", "learned-range"] | None = None
    clip: tuple[float, float] | None = None
    weights: str | None = None
    package_version: str | None = None
    diffusers_settings: Literal["defaults", "ddpm"] | None = None
    norm_groups: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.given("heads", "head_channels", "state_channels", "norm_groups").items():
            if value < 1:
                raise DiffuscopeError(f"The sidecar entry {name} must be at least 1, not {value}.")

    def updated(self, other: Sidecar) -> Sidecar:
        """These entries, replaced by those that the other gives."""
        return replace(self, **other.given(*(field.name for field in fields(other))))

    def given(self, *names: str) -> dict[str, Any]:
        """The entries among ``names`` that were given."""
        return {name: value for name in names if (value := getattr(self, name)) is not None}


NO_ANSWERS = Sidecar()


def read_sidecar(path: Path) -> tuple[Sidecar, Path | None]:
    """Read what lies beside a checkpoint.

    Parameters
    ----------
    path
        The checkpoint: a file, or the folder of a diffusers model.

    Returns
    -------
    Sidecar, Path or None
        Empty and ``None`` if nothing lies there.

    Raises
    ------
    DiffuscopeError
        If it is no JSON, or has an unknown entry or a wrong value.
    """
    for candidate in _places(path):
        if not candidate.is_file():
            continue
        values = read_json(candidate, "JSON")
        if candidate.name == CARD_FILE and isinstance(values, dict) and "network" in values:
            continue  # the card of a model folder in which the checkpoint happens to lie
        return parse(Sidecar, values, str(candidate)), candidate
    return Sidecar(), None


class UnansweredError(DiffuscopeError):
    """A checkpoint leaves something open that must be answered before it can be used."""


class SeveralNetworksError(UnansweredError):
    """A checkpoint holds several networks, and nothing says which one is meant.

    Parameters
    ----------
    sentence
        What is wrong.
    names
        What comes before the tensors of each.
    """

    def __init__(self, sentence: str, names: tuple[str, ...]) -> None:
        super().__init__(sentence)
        self.names = names


def request(path: Path, what: str, needed: list[str]) -> UnansweredError:
    """The error that lists what to write beside a checkpoint."""
    entries = ", ".join("heads (or head_channels)" if name == "heads" else name for name in needed)
    return UnansweredError(
        f"{quoted(path.name, 40)} is {what}, no published model, and needs {entries}; import it in the dock Models, "
        "which asks, or with `diffuscope models import FILE --set …`."
    )


def sidecar_place(path: Path) -> Path:
    """Where the answers about a checkpoint are kept: beside it, named like it."""
    return _places(path)[0]


def _places(path: Path) -> list[Path]:
    beside = [path.with_name(path.name + ".json")]
    if path.is_file():
        beside += [path.with_suffix(".json"), path.with_name(CARD_FILE)]
    return [place for place in beside if place != path]
