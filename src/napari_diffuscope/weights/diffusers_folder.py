"""Folders that the diffusers library wrote: a ``UNet2DModel``, alone or in a pipeline with its scheduler."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig
from napari_diffuscope.weights.card import NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.checkpoint import read_checkpoint
from napari_diffuscope.weights.diffusers_names import diffusers_config, from_diffusers
from napari_diffuscope.weights.evidence import Evidence, card_of, check_complete
from napari_diffuscope.weights.fingerprints import Facts
from napari_diffuscope.weights.folder import build_network
from napari_diffuscope.weights.published import Opened
from napari_diffuscope.weights.sidecar import Sidecar, read_sidecar
from napari_diffuscope.weights.unpack import leads_out

INDEX = "model_index.json"
CONFIG = "config.json"
_SCHEDULER = "scheduler_config.json"
_STEM = "diffusion_pytorch_model"
_MOST_TEXT = 16 * 1024 * 1024

_SCHEDULES = {"linear": "linear", "scaled_linear": "scaled-linear", "squaredcos_cap_v2": "cosine"}
_PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x0"}
_VARIANCES = {
    "fixed_small": "fixed-small",
    "fixed_small_log": "fixed-small",
    "fixed_large": "fixed-large",
    "fixed_large_log": "fixed-large",
    "learned_range": "learned-range",
}
_FAMILIES = ("DDPM", "DDIM", "DPMSolver", "PNDM", "UniPC", "DEIS", "Euler", "Heun", "LMS", "KDPM2")


def is_diffusers_folder(folder: Path) -> bool:
    """Whether a folder looks like one that diffusers wrote."""
    return (folder / INDEX).is_file() or (folder / CONFIG).is_file()


def open_diffusers(folder: Path) -> Opened:
    """Open a diffusers folder: a pipeline of a ``UNet2DModel`` and a scheduler, or the network alone.

    Parameters
    ----------
    folder
        With ``model_index.json``, or with ``config.json``. The weights are read from safetensors, or from a
        ``.bin`` file without running anything in it.

    Raises
    ------
    DiffuscopeError
        If it is another pipeline or network, points outside of itself, is damaged, or lacks what the network
        alone does not tell; the sentence lists what to write into which file.
    """
    network, scheduler = _components(folder)
    config = _json(network / CONFIG)
    architecture = _architecture(network, config)
    said, sidecar = read_sidecar(folder)
    facts = Facts("openai-unet", architecture.to_dict(), attends=False)
    known = (
        _scheduler_says(scheduler, architecture)
        if scheduler
        else Sidecar(data_range=(-1.0, 1.0), time="index")
    )
    if said.task is None and architecture.in_channels == _state_channels(architecture, known, said):
        known = replace(known, task="generation")
    evidence = Evidence(folder, facts, known.updated(said))
    check_complete(evidence)
    size = config.get("sample_size")
    card = card_of(evidence)
    if card.size is None and isinstance(size, int):
        card = replace(card, size=(size, size))
    card = replace(card, name=folder.name, training={"file": folder.name, "layout": "diffusers folder"})

    def tensors() -> dict[str, Tensor]:
        return from_diffusers(config, _weights(network))[1]

    return Opened(folder, card, tensors, sidecar=sidecar)


def _architecture(network: Path, config: Mapping[str, Any]) -> OpenAIUNetConfig:
    """Architecture by the configuration, checked to be one that can be built."""
    try:
        architecture = diffusers_config(config)
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise DiffuscopeError(f"{network / CONFIG} is damaged: it describes no network ({error}).") from error
    build_network(NetworkSpec("openai-unet", architecture.to_dict()), device="meta")
    return architecture


def _state_channels(architecture: OpenAIUNetConfig, known: Sidecar, said: Sidecar) -> int:
    learned = "learned-range" in (known.variance, said.variance)
    return said.state_channels or architecture.out_channels // (2 if learned else 1)


def _components(folder: Path) -> tuple[Path, Path | None]:
    """Folders of the network and of the scheduler, if there is one."""
    if not (folder / INDEX).is_file():
        beside = folder.parent / "scheduler"
        places = (
            (folder / _SCHEDULER, beside / _SCHEDULER) if folder.name == "unet" else (folder / _SCHEDULER,)
        )
        return folder, next((place for place in places if place.is_file()), None)
    parts = {name: part[1] for name, part in _json(folder / INDEX).items() if _names_a_class(name, part)}
    networks = [name for name, kind in parts.items() if kind == "UNet2DModel"]
    others = [
        f"{name} ({kind})" for name, kind in parts.items() if name not in networks and not _schedules(kind)
    ]
    if len(networks) != 1 or others:
        raise DiffuscopeError(
            f"{folder} is a pipeline of another kind: only a single UNet2DModel with a scheduler is "
            f"supported, not {', '.join(others or networks) or 'one without'}."
        )
    schedulers = [name for name, kind in parts.items() if _schedules(kind)]
    place = _inside(folder, schedulers[0]) / _SCHEDULER if schedulers else None
    return _inside(folder, networks[0]), place


def _names_a_class(name: str, part: Any) -> bool:
    return not name.startswith("_") and isinstance(part, list) and len(part) == 2 and isinstance(part[1], str)


def _schedules(kind: str) -> bool:
    return kind.endswith("Scheduler")


def _inside(folder: Path, name: str) -> Path:
    """A part of a folder by the name that a file in it gives, which may not lead out of it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or leads_out(name):
        raise DiffuscopeError(
            f"{folder} was refused: a file in it points outside of the folder, to {name!r}."
        )
    return folder.joinpath(*parts)


def _scheduler_says(path: Path, architecture: OpenAIUNetConfig) -> Sidecar:
    """The settings of a scheduler as those of a sidecar."""
    config = _json(path)
    kind = str(config.get("_class_name", "DDPMScheduler"))
    wrong = [
        f"{name} = {config[name]!r}"
        for name, wanted in (("trained_betas", None), ("rescale_betas_zero_snr", False))
        if config.get(name, wanted) != wanted
    ]
    if not kind.startswith(_FAMILIES) or wrong:
        raise DiffuscopeError(
            f"{path}: the scheduler {kind} {' '.join(wrong)} is not supported.".replace("  ", " ")
        )
    clip = (
        float(config.get("clip_sample_range", 1.0))
        if config.get("clip_sample", kind[:4] in ("DDPM", "DDIM"))
        else 0
    )
    learned = config.get("variance_type") == "learned_range"
    return Sidecar(
        prediction=_one_of(config, "prediction_type", _PREDICTIONS, "epsilon", path),
        schedule=_schedule(config, path),
        time="index",
        variance=_one_of(config, "variance_type", _VARIANCES, "fixed_small", path),
        clip=(-clip, clip) if clip else None,
        data_range=(-1.0, 1.0),
        state_channels=architecture.out_channels // 2 if learned else architecture.out_channels,
    )


def _one_of(config: Mapping[str, Any], name: str, known: Mapping[str, str], default: str, path: Path) -> Any:
    value = config.get(name) or default
    if value not in known:
        raise DiffuscopeError(f"{path}: {name} must be one of {', '.join(known)}, not {value!r}.")
    return known[value]


def _schedule(config: Mapping[str, Any], path: Path) -> ScheduleSpec:
    kind = _one_of(config, "beta_schedule", _SCHEDULES, "linear", path)
    try:
        count = int(config.get("num_train_timesteps", 1000))
        betas = (float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 0.02)))
    except (TypeError, ValueError) as error:
        raise DiffuscopeError(f"{path} is damaged: its noise schedule is not given in numbers.") from error
    try:
        return ScheduleSpec(kind, count=count, betas=None if kind == "cosine" else betas)
    except DiffuscopeError as error:
        raise DiffuscopeError(f"{path} is damaged: {error}") from error


def _weights(network: Path) -> dict[str, Tensor]:
    """Tensors of a network, from one file or from several that an index lists."""
    for name in (f"{_STEM}.safetensors", f"{_STEM}.safetensors.index.json", f"{_STEM}.bin"):
        if not (network / name).is_file():
            continue
        if not name.endswith(".json"):
            return _tensors(network / name)
        files = set(_json(network / name).get("weight_map", {}).values())
        found: dict[str, Tensor] = {}
        for file in sorted(map(str, files)):
            found.update(_tensors(_inside(network, file)))
        return found
    raise DiffuscopeError(f"{network} has no weights: neither {_STEM}.safetensors nor {_STEM}.bin is there.")


def _tensors(path: Path) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    return {name: checkpoint.open(name) for name in checkpoint.shapes}


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_TEXT:
            raise DiffuscopeError(f"{path} is too long for a configuration.")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DiffuscopeError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise DiffuscopeError(f"{path} is damaged: it is no JSON object.")
    return values
