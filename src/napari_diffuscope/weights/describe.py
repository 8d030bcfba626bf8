"""What a model or checkpoint is, in words; and making a model folder of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.outputs import check_outputs
from napari_diffuscope.weights.answers import answers_table, keep_answers, parsed_answers
from napari_diffuscope.weights.archives import said_about, unpacked
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, DiffusionSpec, ModelCard
from napari_diffuscope.weights.catalogue import user_folder
from napari_diffuscope.weights.evidence import TITLES, counted
from napari_diffuscope.weights.fingerprints import Fingerprint
from napari_diffuscope.weights.folder import (
    build_network,
    filled_network,
    read_tensors,
    sha256_of,
    write_folder,
)
from napari_diffuscope.weights.model import WEIGHTS_SUFFIXES, model_place, open_published
from napari_diffuscope.weights.place import MODEL_FOLDER_FILES, ORIGIN_FILE, TRIAL_FILE, check_model_place
from napari_diffuscope.weights.sidecar import NO_ANSWERS, Sidecar
from napari_diffuscope.weights.trial_run import trial_of

ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_PREDICTIONS = {"epsilon": "the noise (ε)", "v": "the velocity (v)", "x0": "the clean image (x₀)"}
_VARIANCES = {
    "fixed-small": "",
    "fixed-large": "",
    "learned-range": ", and the variance of a step",
}


@dataclass(frozen=True)
class Inspected:
    """A model whose every tensor was looked at.

    Parameters
    ----------
    place
        The folder or file.
    card
        What is known about it, with the SHA-256 of its weights.
    tensors
        Its weights, as they are stored.
    fingerprint
        The published model that it is, if any.
    sidecar
        The sidecar file that describes it, if any.
    """

    place: Path
    card: ModelCard
    tensors: dict[str, Tensor]
    fingerprint: Fingerprint | None = None
    sidecar: Path | None = None


def inspect(name_or_path: str | os.PathLike[str], answers: Sidecar = NO_ANSWERS) -> Inspected:
    """Open a model or checkpoint and check that all its weights are there, fit, and are finite.

    Parameters
    ----------
    name_or_path
        As for :func:`~napari_diffuscope.weights.model.load_model`.
    answers
        What is said about a checkpoint, which goes before its sidecar file.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.weights.model.load_model` does.
    """
    place = model_place(name_or_path)
    with reading(place, "model"):
        if (place / CARD_FILE).is_file():
            card, tensors = read_tensors(place)
            inspected = Inspected(place, card, tensors)
        else:
            opened = open_published(place, answers)
            card = replace(opened.card, sha256=sha256_of(place) if place.is_file() else "")
            inspected = Inspected(place, card, opened.tensors(), opened.fingerprint, opened.sidecar)
        filled_network(inspected.card.network, inspected.tensors, str(place))
    return inspected


def describe(name_or_path: str | os.PathLike[str]) -> str:
    """Say what a model or checkpoint is, one fact a line.

    Raises
    ------
    DiffuscopeError
        If it cannot be opened or is damaged.
    """
    return described(inspect(name_or_path))


def described(inspected: Inspected) -> str:
    """The same of a model that was looked at."""
    return "\n".join(f"{title + ':':<18}{text}" for title, text in _facts(inspected) if text)


def import_model(
    path: str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    answers: Mapping[str, Any] | Sidecar | None = None,
    overwrite: bool = False,
) -> ModelCard:
    """Make a model folder of a checkpoint, a diffusers folder, or an archive with one of these in it.

    The weights are stored bit by bit as they are. A model that has none gets a small example by which it is tested on
    other computers, unless it is so large that this would take long.

    Parameters
    ----------
    path
        The checkpoint, folder, or zip or tar archive.
    folder
        The model folder to make; it appears whole or not at all. By default one named like the file among the user's
        own models.
    answers
        What the file does not tell, by the names of :class:`~napari_diffuscope.weights.sidecar.Sidecar`, as
        ``{"heads": 4, "schedule": "cosine"}``. They are kept beside the file where that may be written to, and in the
        card.
    overwrite
        Whether a model folder of that name is replaced.

    Returns
    -------
    ModelCard
        The card as written.

    Raises
    ------
    DiffuscopeError
        If there is something at ``folder`` already, or what is to be imported cannot be opened;
        :class:`~napari_diffuscope.weights.sidecar.UnansweredError` if answers are missing.
    """
    source = Path(path).expanduser()
    target = Path(folder).expanduser() if folder is not None else user_folder() / model_name(source)
    said = parsed_answers(answers)
    if not source.exists():
        raise DiffuscopeError(f"There is no file or folder {source}; check the path.")
    check_outputs([], [source], wholes=[target])
    check_model_place(target.resolve(), overwrite=overwrite)
    with unpacked(source) as place:
        has_card = (model_place(place) / CARD_FILE).is_file()
        if has_card and said != NO_ANSWERS:
            raise DiffuscopeError(
                f"{source} is a model with a card, which says everything; leave the answers away."
            )
        described = said if has_card else said_about(model_place(source), said)
        inspected = inspect(place, described)
        training = dict(inspected.card.training)
        if inspected.card.sha256 and not has_card:
            training["file_sha256"] = inspected.card.sha256
        if said != NO_ANSWERS:
            training["answers"] = answers_table(said)
        untitled = inspected.card.title == inspected.card.name and not has_card
        title = target.name if untitled else inspected.card.title
        card = write_folder(
            target,
            replace(inspected.card, title=title, training=training),
            inspected.tensors,
            overwrite=overwrite,
            files=_with_trial(_files_beside(model_place(place)) if has_card else {}, inspected),
        )
        if said != NO_ANSWERS:
            keep_answers(model_place(source), described)
        return card


def _with_trial(files: dict[str, bytes], inspected: Inspected) -> dict[str, bytes]:
    """The files of a model, with the small example that it is tested by."""
    if TRIAL_FILE not in files and (trial := trial_of(inspected.card, inspected.tensors)) is not None:
        files[TRIAL_FILE] = trial
    return files


def model_name(source: Path) -> str:
    """What a model is called that is made of a file: the file's name without endings, as a folder may be called."""
    name = source.name
    for ending in (*WEIGHTS_SUFFIXES, *ARCHIVES):
        if name.lower().endswith(ending) and len(name) > len(ending):
            name = name[: -len(ending)]
    plain = re.sub(r"[^\w.+=-]+", "-", name).strip("-. ")
    return plain or "model"


def _files_beside(folder: Path) -> dict[str, bytes]:
    """What a model folder holds beside its card and weights."""
    names = [name for name in MODEL_FOLDER_FILES if name not in (CARD_FILE, WEIGHTS_FILE, ORIGIN_FILE)]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _facts(inspected: Inspected) -> list[tuple[str, str]]:
    card, diffusion = inspected.card, inspected.card.diffusion
    return [
        ("Name", card.name),
        ("System", _system(inspected)),
        ("Purpose", card.purpose),
        ("Limits", card.limits),
        ("Task", card.task),
        ("Network", _network(inspected)),
        ("Input", _input(card)),
        ("Needs", inspected.fingerprint.needs if inspected.fingerprint else ""),
        ("Values", f"{card.data_range[0]:g} to {card.data_range[1]:g}"),
        ("Trained on", f"{_times(card.size)} pixels ({card.axes})" if card.size else ""),
        ("Schedule", _schedule(diffusion)),
        ("Predicts", _PREDICTIONS[diffusion.prediction] + _VARIANCES[diffusion.variance]),
        ("Published", _sampler(diffusion)),
        ("Weights", _weights(card)),
        ("Licence", card.licence),
        ("Cite", "\n".ljust(19).join(card.citation)),
        ("SHA-256", card.sha256),
    ]


def _system(inspected: Inspected) -> str:
    if inspected.fingerprint is not None:
        return inspected.card.title
    if inspected.sidecar is not None:
        return f"none of the published ones; described by {inspected.sidecar.name}"
    return inspected.card.title


def _network(inspected: Inspected) -> str:
    spec = inspected.card.network
    kinds = {**TITLES, "local-unet": "local UNet"}
    count = sum(p.numel() for p in build_network(spec, device="meta").parameters())
    dims = len(inspected.card.axes)
    return f"{dims}D {kinds[spec.kind]}, {count / 1e6:.2f} M parameters{_layers(spec.kind, spec.arguments)}"


def _layers(kind: str, arguments: dict[str, Any]) -> str:
    if kind == "local-unet":
        return ""
    multipliers = ", ".join(f"{m:g}" for m in arguments["channel_multipliers"])
    blocks = counted(arguments.get("res_blocks", 2), "block")
    text = f", {arguments['model_channels']}·({multipliers}) channels, {blocks} a level"
    if isinstance(heads := arguments.get("heads"), list | tuple):
        return text + f", {counted(heads[-1], 'attention head')}"
    if arguments.get("head_channels"):
        return text + f", attention heads of {arguments['head_channels']} channels"
    return text + f", {counted(arguments.get('heads') or 1, 'attention head')}"


def _input(card: ModelCard) -> str:
    state = f"{card.state_channels} of the noisy state"
    if not card.condition_channels:
        return f"{counted(card.state_channels, 'channel')}, all of the noisy state"
    parts = [state, f"{card.condition_channels} of the measurement"]
    if card.condition_first:
        parts.reverse()
    return f"{counted(card.state_channels + card.condition_channels, 'channel')}: {', then '.join(parts)}"


def _schedule(diffusion: DiffusionSpec) -> str:
    schedule = diffusion.schedule
    if schedule.kind == "continuous-cosine":
        return f"cosine, continuous, shifted by {schedule.shift:g}"
    betas = f", β from {schedule.betas[0]:g} to {schedule.betas[1]:g}" if schedule.betas else ""
    return f"{schedule.kind}, {schedule.count} levels{betas}"


def _sampler(diffusion: DiffusionSpec) -> str:
    if diffusion.published_steps is None:
        return ""
    eta = diffusion.published_eta
    name = f"{diffusion.variance} ancestral sampling" if eta is None else f"DDIM with η = {eta:g}"
    many = f", {diffusion.published_samples} samples" if diffusion.published_samples > 1 else ""
    return f"{name}, {diffusion.published_steps} steps{many}"


def _weights(card: ModelCard) -> str:
    parts = [str(card.training[name]) for name in ("weights", "layout") if name in card.training]
    counts = [f"{name} {card.training[name]}" for name in ("epoch", "global_step") if name in card.training]
    return ", ".join(parts + counts)


def _times(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))
