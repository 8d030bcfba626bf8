"""Folders that the diffusers library wrote: a ``UNet2DModel``, alone or in a pipeline with its scheduler."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.documents import read_json
from napari_diffuscope.imaging.failures import name_of
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig
from napari_diffuscope.weights.card import NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.checkpoint import read_checkpoint
from napari_diffuscope.weights.diffusers_keys import as_diffusers_does, makes_images_alone
from napari_diffuscope.weights.diffusers_names import diffusers_config, from_diffusers
from napari_diffuscope.weights.evidence import Evidence, card_of, check_complete
from napari_diffuscope.weights.fingerprints import Facts
from napari_diffuscope.weights.folder import build_network
from napari_diffuscope.weights.published import Opened
from napari_diffuscope.weights.sidecar import NO_ANSWERS, Sidecar, read_sidecar
from napari_diffuscope.weights.unpack import leads_out
from napari_diffuscope.weights.ways_on import GET_AGAIN, ITS_OWN_CODE, refused

INDEX = "model_index.json"
CONFIG = "config.json"
_SCHEDULER = "scheduler_config.json"
_STEM = "diffusion_pytorch_model"
_STORED = re.compile(
    rf"{_STEM}(\.(?P<variant>[\w-]*?))?(-(?P<part>\d+)-of-(?P<count>\d{{1,5}}))?\.(?P<kind>safetensors|bin)"
)

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


def open_diffusers(folder: Path, answers: Sidecar = NO_ANSWERS) -> Opened:
    """Open a diffusers folder: a pipeline of a ``UNet2DModel`` and a scheduler, or the network alone.

    Parameters
    ----------
    folder
        With ``model_index.json``, or with ``config.json``. The weights are read from safetensors, or from a
        ``.bin`` file without running anything in it.
    answers
        What is said about it, which goes before its sidecar file.

    Raises
    ------
    DiffuscopeError
        If it is another pipeline or network, points outside of itself, is damaged, or lacks what the network
        alone does not tell; the sentence lists what to write into which file.
    """
    said = gather_diffusers(folder, answers)
    evidence, config, network = said.evidence, said.config, said.network
    check_complete(evidence)
    size = config.get("sample_size")
    card = card_of(evidence)
    if card.size is None and isinstance(size, int):
        card = replace(card, size=(size, size))
    card = replace(card, name=folder.name, training={"file": folder.name, "layout": "diffusers folder"})

    def tensors() -> dict[str, Tensor]:
        return from_diffusers(config, _weights(network))[1]

    return Opened(folder, card, tensors, sidecar=said.sidecar)


@dataclass(frozen=True)
class DiffusersGathered:
    """A diffusers folder that was looked at, understood or not.

    Parameters
    ----------
    evidence
        All that is known about it.
    config, network
        The configuration of its network, and the folder that it lies in.
    sidecar
        The sidecar file that was used, if any.
    """

    evidence: Evidence
    config: Mapping[str, Any]
    network: Path
    sidecar: Path | None


def gather_diffusers(folder: Path, answers: Sidecar = NO_ANSWERS) -> DiffusersGathered:
    """Gather what a diffusers folder, its sidecar file and answers tell, complete or not.

    Raises
    ------
    DiffuscopeError
        As :func:`open_diffusers`, but not for what is still open.
    """
    network, scheduler = _components(folder)
    config = _json(network / CONFIG)
    architecture = _architecture(network, config)
    written, sidecar = read_sidecar(folder)
    said = written.updated(answers)
    facts = Facts("openai-unet", architecture.to_dict(), attends=False)
    known = _scheduler_says(scheduler, architecture) if scheduler else as_diffusers_does(architecture, said)
    if makes_images_alone(architecture, known, said):
        known = replace(known, task="generate")
    evidence = Evidence(folder, facts, known.updated(said))
    return DiffusersGathered(evidence, config, network, sidecar)


def _architecture(network: Path, config: Mapping[str, Any]) -> OpenAIUNetConfig:
    """Architecture by the configuration, checked to be one that can be built."""
    try:
        architecture = diffusers_config(config)
    except DiffuscopeError as error:
        raise DiffuscopeError(refused(network / CONFIG, error, ITS_OWN_CODE)) from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise DiffuscopeError(
            f"{network / CONFIG} is damaged: it describes no network ({error}); {GET_AGAIN}."
        ) from error
    build_network(NetworkSpec("openai-unet", architecture.to_dict()), device="meta")
    return architecture


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
    _refuse_latent(folder, parts)
    others = [
        f"{name} ({kind})" for name, kind in parts.items() if name not in networks and not _schedules(kind)
    ]
    if len(networks) != 1 or others:
        raise DiffuscopeError(
            f"{folder} is a pipeline of another kind: only a single UNet2DModel with a scheduler is "
            f"supported, not {', '.join(others or networks) or 'one without'}; {ITS_OWN_CODE}."
        )
    schedulers = [name for name, kind in parts.items() if _schedules(kind)]
    place = _inside(folder, schedulers[0]) / _SCHEDULER if schedulers else None
    return _inside(folder, networks[0]), place


def _refuse_latent(folder: Path, parts: Mapping[str, str]) -> None:
    """Refuse a pipeline whose network does not work on images themselves.

    Raises
    ------
    DiffuscopeError
        Saying what it is.
    """
    decoders = [
        f"{name} ({kind})" for name, kind in parts.items() if kind.startswith(("Autoencoder", "VQModel"))
    ]
    if decoders:
        raise DiffuscopeError(
            f"{name_of(folder)} is a latent diffusion model: its network works on a compressed code, of which "
            f"{decoders[0]} makes images. Only networks that work on images themselves are supported; {ITS_OWN_CODE}."
        )


def _names_a_class(name: str, part: Any) -> bool:
    return not name.startswith("_") and isinstance(part, list) and len(part) == 2 and isinstance(part[1], str)


def _schedules(kind: str) -> bool:
    return kind.endswith("Scheduler")


def _inside(folder: Path, name: str) -> Path:
    """A part of a folder by the name that a file in it gives, which may not lead out of it."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or leads_out(name):
        raise DiffuscopeError(
            f"{folder} was refused: a file in it points outside of the folder, to {name!r}; "
            "get the folder again from its authors."
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
            f"{name_of(path)}: the scheduler (the rule by which noise is taken away) {kind} {' '.join(wrong)} is not "
            f"supported; {ITS_OWN_CODE}.".replace("  ", " ")
        )
    clips = config.get("clip_sample", kind[:4] in ("DDPM", "DDIM"))
    clip = _number(config, "clip_sample_range", 1.0, path) if clips else 0.0
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


def _one_of(
    config: Mapping[str, Any], name: str, supported: Mapping[str, str], default: str, path: Path
) -> Any:
    value = config.get(name) or default
    if not isinstance(value, str) or value not in supported:
        raise DiffuscopeError(
            f"{name_of(path)}: {name} must be one of {', '.join(supported)}, not {quoted(value)}; {ITS_OWN_CODE}."
        )
    return supported[value]


def _number(config: Mapping[str, Any], name: str, default: float, path: Path) -> float:
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -(2**60) <= value <= 2**60:
        raise DiffuscopeError(
            f"{name_of(path)} is damaged: its noise schedule is not given in numbers: {name} is "
            f"{quoted(value)}; {GET_AGAIN}."
        )
    return float(value)


def _schedule(config: Mapping[str, Any], path: Path) -> ScheduleSpec:
    kind = _one_of(config, "beta_schedule", _SCHEDULES, "linear", path)
    count = _number(config, "num_train_timesteps", 1000, path)
    if count != int(count):
        raise DiffuscopeError(
            f"{name_of(path)} is damaged: num_train_timesteps must be a whole number, not {quoted(count)}; {GET_AGAIN}."
        )
    betas = (_number(config, "beta_start", 1e-4, path), _number(config, "beta_end", 0.02, path))
    try:
        return ScheduleSpec(kind, count=int(count), betas=None if kind == "cosine" else betas)
    except DiffuscopeError as error:
        raise DiffuscopeError(refused(path, error, GET_AGAIN)) from error


def _weights(network: Path) -> dict[str, Tensor]:
    """Tensors of a network, from one file or from several that belong together."""
    tensors: dict[str, Tensor] = {}
    for path in weight_files(network):
        tensors.update(_tensors(path))
    return tensors


def weight_files(network: Path) -> list[Path]:
    """Files that hold the weights of a network: full precision before variants, safetensors before pickles.

    Raises
    ------
    DiffuscopeError
        If there are none, or some of several are missing.
    """
    names = sorted(path.name for path in network.iterdir() if path.is_file())
    stored = [match for name in names if (match := _STORED.fullmatch(name))]
    if whole := [match for match in stored if not match["part"] and not match["variant"]]:
        return [network / max(whole, key=lambda match: match["kind"] == "safetensors")[0]]
    listed = [_listed(network, name) for name in names if name.startswith(_STEM) and ".index" in name]
    for files in sorted(listed, key=lambda files: len(str(files[:1]))):  # names of variants are longer
        if not stored or all(file.is_file() for file in files):
            return files
    if not stored:
        raise DiffuscopeError(
            f"{name_of(network)} has no weights: neither {_STEM}.safetensors nor {_STEM}.bin is "
            "there; get the whole folder again."
        )
    best = min(stored, key=lambda match: (_order(match["variant"]), match["kind"] != "safetensors"))
    return _together(network, best, stored) if best["part"] else [network / best[0]]


def _listed(network: Path, index: str) -> list[Path]:
    """Files that the list of a model in several files names."""
    table = _json(network / index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise DiffuscopeError(f"{name_of(network / index)} is damaged: it lists no weights; {GET_AGAIN}.")
    return [_inside(network, name) for name in sorted(set(map(str, table.values())))]


def _together(network: Path, one: re.Match[str], stored: Sequence[re.Match[str]]) -> list[Path]:
    """All parts of weights in several files, of which one is known."""
    same = ("variant", "kind", "count")
    parts = [match for match in stored if match["part"] and all(match[key] == one[key] for key in same)]
    if len(parts) != int(one["count"]):
        raise DiffuscopeError(
            f"{name_of(network)} is incomplete: of {int(one['count'])} files of weights {len(parts)} are there; "
            "get the folder again."
        )
    return [network / match[0] for match in parts]


def _order(variant: str | None) -> tuple[int, str]:
    """Full precision first, then half, then others."""
    return (
        ("", "fp16", "bf16").index(variant or "") if variant in (None, "", "fp16", "bf16") else 3,
        variant or "",
    )


def _tensors(path: Path) -> dict[str, Tensor]:
    checkpoint = read_checkpoint(path)
    return {name: checkpoint.open(name) for name in checkpoint.shapes}


def _json(path: Path) -> dict[str, Any]:
    values = read_json(path)
    if not isinstance(values, dict):
        raise DiffuscopeError(f"{name_of(path)} is damaged: it is no JSON object; {GET_AGAIN}.")
    return values
