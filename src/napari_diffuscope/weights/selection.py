"""Which of a file's tensors are the network, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.checkpoint import Checkpoint

NetworkKind = Literal["openai-unet", "edm2-unet", "diffusers-unet"]

_MARKERS: dict[str, NetworkKind] = {
    "input_blocks.0.0.weight": "openai-unet",
    "emb_fourier.freqs": "edm2-unet",
    "time_embedding.linear_1.weight": "diffusers-unet",
}
_SCHEDULE_NAMES = """
    betas alphas_cumprod alphas_cumprod_prev sqrt_alphas_cumprod sqrt_one_minus_alphas_cumprod
    log_one_minus_alphas_cumprod sqrt_recip_alphas_cumprod sqrt_recipm1_alphas_cumprod posterior_variance
    posterior_log_variance_clipped posterior_mean_coef1 posterior_mean_coef2 lvlb_weights logvar scale_factor
    gammas sqrt_recip_gammas sqrt_recipm1_gammas
"""
_BUFFERS = frozenset(_SCHEDULE_NAMES.split())
_EMA = "model_ema."


@dataclass(frozen=True)
class NetworkTensors:
    """The network among the tensors of a file.

    Parameters
    ----------
    kind
        Whose names they have.
    prefix
        What comes before the network's own names.
    names
        From the network's own name to the name in the file.
    averaged
        Whether these are the running average over training (EMA) that lies beside the raw weights.
    buffers
        Names of tensors that belong to the noise schedule.
    """

    kind: NetworkKind
    prefix: str
    names: Mapping[str, str]
    averaged: bool
    buffers: tuple[str, ...]

    def shapes(self, checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
        """Shapes by the network's own names."""
        return {own: checkpoint.shapes[name] for own, name in self.names.items()}

    def tensors(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Tensors by the network's own names."""
        return {own: checkpoint.open(name) for own, name in self.names.items()}


def select_network(checkpoint: Checkpoint) -> NetworkTensors:
    """Find the network in a file; where its running average lies beside it, that is taken.

    Raises
    ------
    DiffuscopeError
        If there is none, there are several, or there are tensors that belong to neither it nor its schedule.
    """
    kind, prefix = _find(checkpoint)
    raw = {name.removeprefix(prefix): name for name in checkpoint.shapes if name.startswith(prefix)}
    if not prefix:
        raw = {own: name for own, name in raw.items() if not _beside(name)}
    _check_indices(raw, checkpoint)
    others = [name for name in checkpoint.shapes if name not in raw.values()]
    if strange := [name for name in others if not _beside(name)]:
        raise DiffuscopeError(_sentence_about(strange, checkpoint))
    average = _average(raw, prefix, checkpoint)
    buffers = tuple(name for name in others if name in _BUFFERS)
    return NetworkTensors(kind, prefix, average or raw, bool(average), buffers)


def _beside(name: str) -> bool:
    return name in _BUFFERS or name.startswith(_EMA)


def _find(checkpoint: Checkpoint) -> tuple[NetworkKind, str]:
    candidates = [
        (kind, name.removesuffix(marker))
        for name in checkpoint.shapes
        for marker, kind in _MARKERS.items()
        if name.endswith(marker) and (name == marker or name[-len(marker) - 1] == ".")
    ]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise DiffuscopeError(
            f"{checkpoint.path} holds no network that is known: neither a UNet of OpenAI's family nor an "
            f"EDM2 UNet nor one of diffusers; its first tensors are {', '.join(list(checkpoint.shapes)[:3])}."
        )
    prefixes = ", ".join(repr(prefix) for _, prefix in candidates)
    raise DiffuscopeError(f"{checkpoint.path} holds several networks ({prefixes}); save one of them alone.")


def _check_indices(raw: Mapping[str, str], checkpoint: Checkpoint) -> None:
    """Refuse names that are no text or count absurdly far: such a depth would fill the memory."""
    for name in raw:
        if not name.isprintable() or any(
            len(number) > 6 or int(number) > 8192 for number in re.findall(r"\d+", name)
        ):
            raise DiffuscopeError(
                f"{checkpoint.path} was refused: it has a tensor of the impossible name {name!r}."
            )


def _average(raw: Mapping[str, str], prefix: str, checkpoint: Checkpoint) -> dict[str, str]:
    """Names of the running average as latent-diffusion keeps it, its dots removed; empty if there is none."""
    if not any(name.startswith(_EMA) for name in checkpoint.shapes):
        return {}
    inner = prefix.removeprefix("model.")
    average = {own: _EMA + f"{inner}{own}".replace(".", "") for own in raw}
    if missing := [own for own, name in average.items() if name not in checkpoint.shapes]:
        raise DiffuscopeError(
            f"{checkpoint.path} is incomplete: its average lacks {len(missing)} tensors ({missing[0]})."
        )
    return average


def _sentence_about(strange: list[str], checkpoint: Checkpoint) -> str:
    if any(name.startswith(("first_stage_model.", "cond_stage_model.")) for name in strange):
        return (
            f"{checkpoint.path} holds a network that works in the latent space of another ({strange[0]}), "
            "which is not supported: only networks that work on images themselves are."
        )
    return (
        f"{checkpoint.path} holds {len(strange)} tensors that belong neither to its network nor to its noise "
        f"schedule ({', '.join(strange[:3])}); it is no model that is known."
    )
