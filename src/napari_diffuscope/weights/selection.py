"""Which of a file's tensors are the network, and what the others are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.weights.checkpoint import Checkpoint
from napari_diffuscope.weights.infer_lucidrains import is_too_old, name_of_today
from napari_diffuscope.weights.lucidrains_versions import BEFORE
from napari_diffuscope.weights.sidecar import SeveralNetworksError
from napari_diffuscope.weights.ways_on import GET_AGAIN, ITS_OWN_CODE

NetworkKind = Literal["openai-unet", "edm2-unet", "lucidrains-unet", "diffusers-unet"]

_MARKERS: dict[str, NetworkKind] = {
    "input_blocks.0.0.weight": "openai-unet",
    "emb_fourier.freqs": "edm2-unet",
    "init_conv.weight": "lucidrains-unet",
    "time_embedding.linear_1.weight": "diffusers-unet",
}
_SCHEDULE_NAMES = """
    betas alphas_cumprod alphas_cumprod_prev sqrt_alphas_cumprod sqrt_one_minus_alphas_cumprod
    log_one_minus_alphas_cumprod sqrt_recip_alphas_cumprod sqrt_recipm1_alphas_cumprod posterior_variance
    posterior_log_variance_clipped posterior_mean_coef1 posterior_mean_coef2 lvlb_weights logvar scale_factor
    gammas sqrt_recip_gammas sqrt_recipm1_gammas loss_weight p2_loss_weight alphas sqrt_alphas
"""
_BUFFERS = frozenset(_SCHEDULE_NAMES.split())
_EMA = "model_ema."
_COUNTERS = frozenset(
    ("initted", "step", "n_averaged", "num_updates", "decay", "num_batches_tracked", "_extra_state")
)
_AVERAGES = re.compile(r"(^|_)(ema|averaged?|avg|swa|shadow)(_|$)", re.IGNORECASE)
_FOR_TRAINING = re.compile(
    r"(^|_)(metrics?|lpips|fid|psnr|ssim|inception|loss|losses|criterion|perceptual|vgg)(_|$|\d)",
    re.IGNORECASE,
)
"""Parts of the names of what measures a training and takes no part in making images."""


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
        From the name of a tensor that belongs to the noise schedule to its name in the file.
    beside
        Names of tensors that are left out, since they only measured the training.
    """

    kind: NetworkKind
    prefix: str
    names: Mapping[str, str]
    averaged: bool
    buffers: Mapping[str, str]
    beside: tuple[str, ...] = ()

    def shapes(self, checkpoint: Checkpoint) -> dict[str, tuple[int, ...]]:
        """Shapes by the network's own names."""
        return {own: checkpoint.shapes[name] for own, name in self.names.items()}

    def tensors(self, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Tensors by the network's own names."""
        return {own: checkpoint.open(name) for own, name in self.names.items()}


@dataclass(frozen=True)
class _Candidate:
    """A network in a file: whose names it has and what comes before them."""

    kind: NetworkKind
    prefix: str

    @property
    def table(self) -> str:
        """Place of the table that it lies in, with the colon; empty for a bare state dict."""
        return self.prefix[: self.prefix.find(":") + 1]

    @property
    def is_average(self) -> bool:
        """Whether its prefix says that it is a running average over training."""
        parts = re.split(r"[.:]", self.prefix)
        return any(map(_AVERAGES.search, parts)) and "online_model" not in parts

    @property
    def is_copy(self) -> bool:
        """Whether it is the raw network that a running average keeps a copy of."""
        return "online_model" in re.split(r"[.:]", self.prefix)

    @property
    def name(self) -> str:
        """How to call it, as an answer to which one is meant."""
        return self.prefix.rstrip(".:")


def select_network(checkpoint: Checkpoint, wanted: str | None = None) -> NetworkTensors:
    """Find the network in a file; where its running average lies beside it, that is taken.

    Parameters
    ----------
    checkpoint
        The file.
    wanted
        What comes before the names of its tensors, where there are several networks.

    Raises
    ------
    DiffuscopeError
        If there is none, there are several, or there are tensors that belong to neither it nor its schedule.
    """
    candidates = list(_candidates(checkpoint))
    chosen = _chosen(candidates, checkpoint, wanted)
    if reason := checkpoint.strange.get(chosen.table.rstrip(":"), ""):
        raise DiffuscopeError(reason)
    raw = {
        name.removeprefix(chosen.prefix): name for name in checkpoint.shapes if name.startswith(chosen.prefix)
    }
    if not chosen.prefix:
        raw = {own: name for own, name in raw.items() if ":" not in own and not _beside(own)}
    _check_indices(raw, checkpoint)
    others = [name for name in _in_table(chosen, checkpoint) if name not in raw.values()]
    copies = tuple(one.prefix for one in candidates if one != chosen and one.prefix)
    others = [name for name in others if not (copies and name.startswith(copies))]
    left = [name for name in others if not _beside(name.removeprefix(chosen.table))]
    measuring = tuple(name for name in left if any(map(_FOR_TRAINING.search, re.split(r"[.:]", name))))
    if strange := [name for name in left if name not in measuring]:
        raise DiffuscopeError(_sentence_about(strange, checkpoint))
    average = {} if chosen.is_average or wanted else _average(raw, chosen, checkpoint)
    if chosen.kind == "lucidrains-unet":
        raw = {name_of_today(own): name for own, name in raw.items()}
        average = {name_of_today(own): name for own, name in average.items()}
    averaged = bool(average) or chosen.is_average
    return NetworkTensors(
        chosen.kind, chosen.prefix, average or raw, averaged, _buffers(others, chosen), measuring
    )


def _candidates(checkpoint: Checkpoint) -> Iterator[_Candidate]:
    for name in checkpoint.shapes:
        for marker, kind in _MARKERS.items():
            if name.endswith(marker) and (name == marker or name[-len(marker) - 1] in ".:"):
                yield _Candidate(kind, name.removesuffix(marker))


def _chosen(candidates: list[_Candidate], checkpoint: Checkpoint, wanted: str | None) -> _Candidate:
    """The one network that is meant: the one that was asked for, the running average, or the only one."""
    if not checkpoint.shapes:
        raise DiffuscopeError(f"{checkpoint.path} holds no weights; get the file again.")
    if not candidates and is_too_old(checkpoint.shapes):
        raise DiffuscopeError(f"{checkpoint.path} cannot be used: {BEFORE.format(name='an early version')}")
    if not candidates:
        some = quoted(", ".join(list(checkpoint.shapes)[:3]), 90)
        raise DiffuscopeError(
            f"{checkpoint.path} holds no diffusion network that is known (of guided-diffusion and its family, "
            f"denoising-diffusion-pytorch, diffusers or EDM2): its first tensors are {some}; {ITS_OWN_CODE}."
        )
    if wanted is not None:
        fitting = [one for one in candidates if one.name == wanted.rstrip(".:")]
    else:
        fitting = [one for one in candidates if one.is_average] or [
            one for one in candidates if not one.is_copy
        ]
    if len(fitting) == 1:
        return fitting[0]
    names = quoted(", ".join(repr(one.name) for one in candidates), 120)[1:-1]
    raise SeveralNetworksError(
        f"{checkpoint.path} holds several networks ({names}); say which: import it in the dock "
        "Models, which asks, or with `diffuscope models import FILE --set weights=NAME`.",
        tuple(one.name for one in candidates),
    )


def _in_table(chosen: _Candidate, checkpoint: Checkpoint) -> list[str]:
    """Names of all tensors in the table of a network."""
    if chosen.table:
        return [name for name in checkpoint.shapes if name.startswith(chosen.table)]
    return [name for name in checkpoint.shapes if ":" not in name]


def _beside(name: str) -> bool:
    """Whether a tensor is known to be no part of a network: of its schedule, its average, or a counter."""
    last = name.rpartition(".")[2]
    return last in _BUFFERS or last in _COUNTERS or name.startswith(_EMA)


def _buffers(others: list[str], chosen: _Candidate) -> dict[str, str]:
    """Tensors of the noise schedule that is around a network, the innermost where there are several."""
    buffers: dict[str, str] = {}
    for name in sorted(others, key=len):
        place = name[: len(name) - len(re.split(r"[.:]", name)[-1])]
        last = name.removeprefix(place)
        if last in _BUFFERS and chosen.prefix.startswith(place):
            buffers[last] = name
    return buffers


def _check_indices(raw: Mapping[str, str], checkpoint: Checkpoint) -> None:
    """Refuse names that are no text or count absurdly far: such a depth would fill the memory."""
    for name in raw:
        if not name.isprintable() or any(
            len(number) > 6 or int(number) > 8192 for number in re.findall(r"\d+", name)
        ):
            raise DiffuscopeError(
                f"{checkpoint.path} was refused: it has a tensor of the impossible name {name!r}; {GET_AGAIN}."
            )


def _average(raw: Mapping[str, str], chosen: _Candidate, checkpoint: Checkpoint) -> dict[str, str]:
    """Names of a running average that goes by other names than the network; empty if there is none."""
    dotless = chosen.table + _EMA
    if not any(name.startswith(dotless) for name in checkpoint.shapes):
        return _listed_average(raw, checkpoint)
    missing: list[str] = []
    for inner in _endings(chosen.prefix.removeprefix(chosen.table)):
        average = {own: dotless + f"{inner}{own}".replace(".", "") for own in raw}
        absent = [own for own, name in average.items() if name not in checkpoint.shapes]
        if not absent:
            return average
        missing = absent if not missing or len(absent) < len(missing) else missing
    raise DiffuscopeError(
        f"{checkpoint.path} is incomplete: its average lacks {len(missing)} tensors ({missing[0]}); {GET_AGAIN}."
    )


def _endings(prefix: str) -> Iterator[str]:
    """``model.diffusion_model.``, ``diffusion_model.`` and nothing."""
    parts = prefix.split(".")
    yield from (".".join(parts[start:]) for start in range(len(parts)))


def _listed_average(raw: Mapping[str, str], checkpoint: Checkpoint) -> dict[str, str]:
    """The average as a list in the order of the weights, as torch_ema keeps it."""
    places = {name[: -len("0")] for name in checkpoint.shapes if name.endswith("shadow_params:0")}
    if len(places) != 1:
        return {}
    [place] = places
    listed = {own: f"{place}{position}" for position, own in enumerate(raw)}
    fits = all(checkpoint.shapes.get(listed[own]) == checkpoint.shapes[name] for own, name in raw.items())
    return listed if fits and f"{place}{len(raw)}" not in checkpoint.shapes else {}


def _sentence_about(strange: list[str], checkpoint: Checkpoint) -> str:
    if any("first_stage_model." in name or "cond_stage_model." in name for name in strange):
        return (
            f"{checkpoint.path} is a latent diffusion model: its network works on a code of an image that another "
            f"network makes ({strange[0]}). Only networks that work on images themselves are supported; {ITS_OWN_CODE}."
        )
    return (
        f"{checkpoint.path} holds {len(strange)} tensors that belong neither to its network nor to its noise "
        f"schedule ({', '.join(strange[:3])}); it is no model that is known: {ITS_OWN_CODE}."
    )
