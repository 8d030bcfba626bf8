"""How versions of the package denoising-diffusion-pytorch differ where their files look alike. Free of torch.

Read off the package's own releases: between those that are named here the network stays the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted


@dataclass(frozen=True)
class Era:
    """Versions whose networks compute alike.

    Parameters
    ----------
    first
        The first of these versions.
    words
        Which versions these are.
    arguments
        What sets their networks apart, as arguments of
        :class:`~napari_diffuscope.networks.lucidrains_config.LucidrainsUNetConfig`.
    """

    first: str
    words: str
    arguments: dict[str, Any]

    @property
    def has_offsets(self) -> bool:
        """Whether its norms have offsets, which files show."""
        return bool(self.arguments["norm_offset"])


def _era(first: str, words: str, **arguments: Any) -> Era:
    common = {
        "norm_offset": False,
        "product_scale": None,
        "standardised": True,
        "averaged_values": True,
        "attention_norm": "layer",
    }
    return Era(first, words, {**common, **arguments})


ERAS = (
    _era("0.22", "0.22 to 0.25", norm_offset=True, standardised=False, averaged_values=False),
    _era(
        "0.26.0", "0.26.0 to 0.26.3", norm_offset=True, standardised=False, averaged_values=False, product_scale=16.0
    ),
    _era("0.26.4", "0.26.4", norm_offset=True, standardised=False, product_scale=16.0),
    _era("0.26.5", "0.26.5 to 0.27.2", standardised=False, product_scale=16.0),
    _era("0.27.3", "0.27.3 to 0.27.12", product_scale=10.0),
    _era("0.28", "0.28 to 1.6"),
    _era("1.7", "1.7", attention_norm="rms"),
)  # fmt: skip
"""Of all versions that call tensors by the names of before 1.8."""

_LAST_STRIDED = "0.28"
"""Era in which resolution came to be halved by joining squares of pixels."""


def fitting_eras(*, offsets: bool, strided: bool | None) -> tuple[Era, ...]:
    """The versions that a file with names of before 1.8 may come from.

    Parameters
    ----------
    offsets
        Whether its norms have offsets.
    strided
        Whether resolution is halved by strided filters; ``None`` where it is not halved at all.
    """
    last = next(place for place, era in enumerate(ERAS) if era.first == _LAST_STRIDED)
    return tuple(
        era
        for place, era in enumerate(ERAS)
        if era.has_offsets == offsets and (strided is None or (place <= last if strided else place >= last))
    )


def era_of(version: str) -> Era | None:
    """The versions that one belongs to; ``None`` for one from 1.8 on.

    Raises
    ------
    DiffuscopeError
        If it is no version, or one before 0.22, whose networks are built otherwise.
    """
    number = _number(version)
    if number is None:
        raise DiffuscopeError(
            f"{quoted(version)} is no version of denoising-diffusion-pytorch; write it as 0.27.5."
        )
    if number >= (1, 8):
        return None
    before = [era for era in ERAS if (_number(era.first) or ()) <= number]
    if not before:
        raise DiffuscopeError(BEFORE.format(name=f"The version {version}"))
    return before[-1]


BEFORE = (
    "{name} of denoising-diffusion-pytorch is not supported: before version 0.22 its networks were built otherwise; "
    "only files of 0.22 to 2.3 are read."
)
"""The sentence about files that are too old."""


def _number(version: str) -> tuple[int, ...] | None:
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?![\d])", version.strip())
    return tuple(int(part or 0) for part in match.groups()) if match else None
