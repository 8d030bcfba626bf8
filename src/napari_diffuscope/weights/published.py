"""Opening a checkpoint of a published kind: what it is, and its network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import ModelCard, ScheduleSpec
from napari_diffuscope.weights.checkpoint import Checkpoint, read_checkpoint
from napari_diffuscope.weights.evidence import Evidence, card_of, check_complete
from napari_diffuscope.weights.fingerprints import SYSTEMS, Facts, Fingerprint, recognise
from napari_diffuscope.weights.folder import filled_network
from napari_diffuscope.weights.infer import has_attention, infer_edm2, infer_openai
from napari_diffuscope.weights.schedules import schedule_of_table
from napari_diffuscope.weights.selection import NetworkTensors, select_network
from napari_diffuscope.weights.sidecar import read_sidecar


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


def open_checkpoint(path: Path) -> Opened:
    """Find out what a checkpoint is: from its tensors, the published models, and a sidecar file.

    Raises
    ------
    DiffuscopeError
        If it is no checkpoint, or must be described; the sentence lists what to write into which file.
    """
    checkpoint = read_checkpoint(path)
    selection = select_network(checkpoint)
    if selection.kind == "diffusers-unet":
        raise DiffuscopeError(
            f"{path} is a network of diffusers, whose settings are in files beside it: open its folder."
        )
    said, sidecar = read_sidecar(path)
    facts = _facts(selection, checkpoint)
    fingerprint = recognise(facts)
    evidence = Evidence(
        path,
        facts,
        said,
        fingerprint,
        SYSTEMS[said.system] if said.system else fingerprint,
        _schedule_in(selection, checkpoint),
    )
    check_complete(evidence)
    card = replace(card_of(evidence), training=_provenance(checkpoint, selection))
    return Opened(path, card, lambda: selection.tensors(checkpoint), fingerprint, sidecar)


def _facts(selection: NetworkTensors, checkpoint: Checkpoint) -> Facts:
    shapes = selection.shapes(checkpoint)
    try:
        if selection.kind == "openai-unet":
            return Facts(
                "openai-unet", infer_openai(shapes).to_dict(), selection.prefix, attends=has_attention(shapes)
            )
        return Facts("edm2-unet", infer_edm2(shapes).to_dict(), selection.prefix)
    except DiffuscopeError as error:
        raise DiffuscopeError(f"{checkpoint.path} cannot be opened: {error}") from error


def _schedule_in(selection: NetworkTensors, checkpoint: Checkpoint) -> ScheduleSpec | None:
    """The schedule whose table lies in the file, ``None`` if none does."""
    table = next((name for name in ("alphas_cumprod", "gammas") if name in selection.buffers), None)
    if table is None:
        return None
    schedule = schedule_of_table(checkpoint.open(table))
    if schedule is None:
        raise DiffuscopeError(
            f"{checkpoint.path} cannot be used: its noise schedule ({table}) is neither linear nor cosine."
        )
    return schedule


def _provenance(checkpoint: Checkpoint, selection: NetworkTensors) -> dict[str, Any]:
    """What is said about the training of a checkpoint."""
    raw = "as trained"
    if selection.kind == "openai-unet" and not selection.prefix:
        raw += "; their running average, which gives better images, is in a file whose name begins with ema"
    averaged = selection.averaged or checkpoint.path.name.startswith("ema")
    counts = {name: checkpoint.notes[name] for name in ("epoch", "global_step") if name in checkpoint.notes}
    return {
        "file": checkpoint.path.name,
        "layout": checkpoint.layout,
        "weights": "running average (EMA)" if averaged else raw,
        **counts,
    }
