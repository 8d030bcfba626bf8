"""What is chosen of a model that is to be trained on one's own images. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, declared

FORBIDDEN = set('<>:"/\\|?*')
"""Characters that no name of a folder has on one system or another."""


def model_name(name: object) -> str:
    """A name that a folder can have on every system.

    Raises
    ------
    DiffuscopeError
        If it cannot.
    """
    text = name.strip() if isinstance(name, str) else ""
    if not text:
        raise DiffuscopeError("The new model has no name; give it one.")
    if (
        text.startswith(".")
        or text.endswith(".")
        or FORBIDDEN & set(text)
        or not text.isprintable()
        or len(text) > 80
    ):
        raise DiffuscopeError(
            f"{quoted(name)} cannot be the name of a folder; use letters, numbers and - alone."
        )
    return text


@dataclass(frozen=True)
class NewModel(Settings):
    """How a model is trained on a user's images, and what its card says.

    Raises
    ------
    DiffuscopeError
        For a name that cannot be that of a folder, and numbers outside their limits.
    """

    name: str = declared(
        "my-model", "Name", "Of the new model, and of its folder.", check=lambda name: model_name(name)
    )
    until: Literal["minutes", "steps"] = declared(
        "minutes",
        "Train for",
        "How long. The learning rate falls to zero at the end, wherever that is.",
        words={
            "minutes": ("a time", "Ends earlier where three quarters of it bring no gain."),
            "steps": ("a number of steps", "The same steps and the same seed make the same weights again."),
        },
    )
    minutes: float = declared(
        30.0, "Minutes", "Of training; validation comes on top of it.", low=0.05, high=100_000, step=5,
        modes=("minutes",), unit="min",
    )  # fmt: skip
    steps: int = declared(
        2000, "Steps", "Each learns from a few patches.", low=1, high=10_000_000, modes=("steps",)
    )
    validation_share: float = declared(
        0.1,
        "Keep out",
        "Share of the images, or of the planes of a stack, that is not learned from but measured on: at least one.",
        low=0.01,
        high=0.9,
        step=0.05,
    )
    device: str = common.device()
    shrink: int = declared(
        1,
        "Shrink",
        "Average so many pixels in both directions before anything is learned: clean images lose noise of their own.",
        low=1,
        high=8,
        advanced=True,
    )
    patch: int | None = declared(
        None,
        "Patch",
        "Edge of the pieces that are learned from, in pixels; smaller ones need less memory.",
        low=16,
        high=1024,
        advanced=True,
    )
    batch: int | None = declared(
        None, "Batch", "Patches per step; fewer need less memory.", low=1, high=256, advanced=True
    )
    seed: int = declared(0, "Seed", "Of all that is drawn at random.", low=0, high=2**31 - 2, advanced=True)
    purpose: str | None = declared(
        None, "Purpose", "What the card says that the model is for.", advanced=True, unset="as usual"
    )
    licence: str = declared(
        "unknown",
        "Licence",
        "Under which others may use the model, should you hand it on: CC-BY-4.0, say.",
        advanced=True,
    )


@dataclass(frozen=True)
class Learned:
    """What is learned from, and what is begun with.

    Parameters
    ----------
    places
        Files and folders of images; of pairs a folder that holds low and high, or one of each; of cells their folder.
    start
        Model whose weights are begun with, by name or path; ``None`` for random ones.
    """

    places: tuple[Path, ...]
    start: str | None = None
