"""Opening a checkpoint of a published kind: what it is, and its network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import ModelCard, ScheduleSpec
from napari_diffuscope.weights.checkpoint import Checkpoint, read_checkpoint
from napari_diffuscope.weights.diffusers_keys import as_diffusers_does, config_of_keys
from napari_diffuscope.weights.diffusers_names import diffusers_config, from_diffusers
from napari_diffuscope.weights.evidence import Evidence, card_of, check_complete
from napari_diffuscope.weights.fingerprints import SYSTEMS, Facts, Fingerprint, recognise
from napari_diffuscope.weights.folder import filled_network
from napari_diffuscope.weights.infer import Shapes, has_attention, infer_edm2, infer_openai
from napari_diffuscope.weights.infer_lucidrains import infer_lucidrains
from napari_diffuscope.weights.schedules import prediction_by_weights, schedule_of_table
from napari_diffuscope.weights.selection import NetworkTensors, select_network
from napari_diffuscope.weights.sidecar import NO_ANSWERS, Sidecar, read_sidecar
from napari_diffuscope.weights.ways_on import GET_AGAIN, ITS_OWN_CODE, refused


@dataclass(frozen=True)
class Opened:
    """A checkpoint that was understood.

    Parameters
    ----------
    path
        The file or folder.
    card
        What is known about it.
    tensors
        Gives its tensors by the network's own names: views of the mapped file.
    fingerprint
        The published model that it is, ``None`` where something else says what it is.
    sidecar
        The sidecar file that was used, if any.
    """

    path: Path
    card: ModelCard
    tensors: Callable[[], dict[str, Tensor]]
    fingerprint: Fingerprint | None = None
    sidecar: Path | None = None

    def network(self) -> nn.Module:
        """The network with these weights.

        Raises
        ------
        DiffuscopeError
            If tensors are missing, extra, of the wrong shape, damaged or not finite.
        """
        return filled_network(self.card.network, self.tensors(), str(self.path))


def open_checkpoint(path: Path, answers: Sidecar = NO_ANSWERS) -> Opened:
    """Find out what a checkpoint is: from its tensors, the published models, a sidecar file, and answers.

    Parameters
    ----------
    path
        The checkpoint.
    answers
        What is said about it, which goes before its sidecar file.

    Raises
    ------
    DiffuscopeError
        If it is no checkpoint, or must be described; the sentence lists what to write into which file.
    """
    gathered = gather(path, answers)
    evidence, checkpoint, selection = gathered.evidence, gathered.checkpoint, gathered.selection
    check_complete(evidence)
    card = replace(card_of(evidence), training=_provenance(checkpoint, selection))
    return Opened(path, card, gathered.tensors, evidence.fingerprint, gathered.sidecar)


@dataclass(frozen=True)
class Gathered:
    """A checkpoint that was looked at, understood or not.

    Parameters
    ----------
    evidence
        All that is known about it.
    checkpoint, selection
        The file, and which of its tensors are the network.
    sidecar
        The sidecar file that was used, if any.
    config
        The configuration of a network of diffusers, whose tensors have other names than ours.
    """

    evidence: Evidence
    checkpoint: Checkpoint
    selection: NetworkTensors
    sidecar: Path | None
    config: Mapping[str, Any] | None = None

    def tensors(self) -> dict[str, Tensor]:
        """Tensors by the network's own names."""
        stored = self.selection.tensors(self.checkpoint)
        return stored if self.config is None else from_diffusers(self.config, stored)[1]


def gather(path: Path, answers: Sidecar = NO_ANSWERS) -> Gathered:
    """Gather what a checkpoint, its sidecar file and answers tell, complete or not.

    Raises
    ------
    DiffuscopeError
        If it is no checkpoint of a network that is known.
    """
    checkpoint = read_checkpoint(path)
    written, sidecar = read_sidecar(path)
    said = written.updated(answers)
    selection = select_network(checkpoint, said.weights)
    if selection.kind == "diffusers-unet":
        return _gathered_of_diffusers(path, checkpoint, selection, said, sidecar)
    facts = _facts(selection, checkpoint, said)
    schedule = _schedule_in(selection, checkpoint)
    if facts.kind == "lucidrains-unet":
        said = _as_the_package_does(facts, selection, checkpoint).updated(said)
    fingerprint = recognise(facts)
    base = SYSTEMS[said.system] if said.system else fingerprint
    evidence = Evidence(path, facts, said, fingerprint, base, schedule, checkpoint.settings)
    return Gathered(evidence, checkpoint, selection, sidecar)


def _gathered_of_diffusers(
    path: Path, checkpoint: Checkpoint, selection: NetworkTensors, said: Sidecar, sidecar: Path | None
) -> Gathered:
    """A network of diffusers without the files that lie beside it."""
    try:
        config = config_of_keys(selection.shapes(checkpoint), said)
        architecture = diffusers_config(config)
    except DiffuscopeError as error:
        raise DiffuscopeError(refused(path, error, ITS_OWN_CODE)) from error
    facts = Facts("openai-unet", architecture.to_dict(), selection.prefix, attends=False, without_config=True)
    said = as_diffusers_does(architecture, said).updated(said)
    schedule = _schedule_in(selection, checkpoint)
    evidence = Evidence(path, facts, said, schedule=schedule, settings=checkpoint.settings)
    return Gathered(evidence, checkpoint, selection, sidecar, config)


def _facts(selection: NetworkTensors, checkpoint: Checkpoint, said: Sidecar) -> Facts:
    shapes = selection.shapes(checkpoint)
    try:
        match selection.kind:
            case "openai-unet":
                arguments = infer_openai(shapes).to_dict()
                return Facts("openai-unet", arguments, selection.prefix, attends=has_attention(shapes))
            case "lucidrains-unet":
                return _lucidrains_facts(shapes, selection, checkpoint, said)
            case _:
                return Facts("edm2-unet", infer_edm2(shapes).to_dict(), selection.prefix)
    except DiffuscopeError as error:
        way_on = f"{GET_AGAIN}, or {ITS_OWN_CODE}" if "missing" in str(error) else ITS_OWN_CODE
        raise DiffuscopeError(refused(checkpoint.path, error, way_on)) from error


def _lucidrains_facts(
    shapes: Shapes, selection: NetworkTensors, checkpoint: Checkpoint, said: Sidecar
) -> Facts:
    old_names = any(".fn.fn." in name for name in selection.names.values())
    version = said.package_version or str(checkpoint.notes.get("version", ""))
    inferred = infer_lucidrains(shapes, old_names=old_names, version=version)
    config = inferred.config
    return Facts(
        "lucidrains-unet",
        config.to_dict(),
        selection.prefix,
        attends=not inferred.heads_known,
        undecided_input=config.in_channels == 2 * config.out_channels,
        eras=inferred.eras,
    )


def _as_the_package_does(facts: Facts, selection: NetworkTensors, checkpoint: Checkpoint) -> Sidecar:
    """What a file of denoising-diffusion-pytorch tells, and what the package does with every network."""
    known = Sidecar(time="index", data_range=(-1.0, 1.0), clip=(-1.0, 1.0), variance="fixed-small")
    channels = int(facts.arguments["in_channels"]), int(facts.arguments["out_channels"])
    if channels[1] == 2 * channels[0]:
        known = replace(known, variance="learned-range")
    if channels[0] == channels[1] or known.variance == "learned-range":
        known = replace(known, task="generate")
    names = [selection.buffers.get(name) for name in ("alphas_cumprod", "loss_weight")]
    if names[0] is not None and names[1] is not None:
        table, weight = (checkpoint.open(name) for name in names if name is not None)
        known = replace(known, prediction=prediction_by_weights(table, weight))
    return known


def _schedule_in(selection: NetworkTensors, checkpoint: Checkpoint) -> ScheduleSpec | None:
    """The schedule whose table lies in the file, ``None`` if none does."""
    table = next((name for name in ("alphas_cumprod", "gammas") if name in selection.buffers), None)
    if table is None:
        return None
    schedule = schedule_of_table(checkpoint.open(selection.buffers[table]))
    if schedule is None:
        raise DiffuscopeError(
            f"{checkpoint.path} cannot be used: its noise schedule ({table}) does not fall from "
            f"level to level; {GET_AGAIN}."
        )
    return schedule


def _provenance(checkpoint: Checkpoint, selection: NetworkTensors) -> dict[str, Any]:
    """What is said about the training of a checkpoint."""
    raw = "as trained"
    if selection.kind == "openai-unet" and not selection.prefix:
        raw += "; their running average, which gives better images, is in a file whose name begins with ema"
    averaged = selection.averaged or checkpoint.path.name.startswith("ema")
    counts = {
        name: checkpoint.notes[name]
        for name in ("epoch", "global_step", "step", "version")
        if name in checkpoint.notes
    }
    left_out = {"left_out": _some(selection.beside)} if selection.beside else {}
    return {
        "file": checkpoint.path.name,
        "layout": checkpoint.layout,
        "weights": "running average (EMA)" if averaged else raw,
        **counts,
        **left_out,
    }


def _some(names: tuple[str, ...]) -> str:
    return f"{len(names)} tensors that only measured the training ({', '.join(names[:3])})"
