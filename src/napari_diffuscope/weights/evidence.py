"""All that is known about a checkpoint, put together into a model card, or what is still to be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.fingerprints import Facts, Fingerprint
from napari_diffuscope.weights.sidecar import Sidecar, request

_TITLES = {"openai-unet": "UNet of OpenAI's family", "edm2-unet": "EDM2 UNet"}
_OF_THE_CARD = (
    "title",
    "purpose",
    "licence",
    "citation",
    "size",
    "pixel_size",
    "data_range",
    "condition_first",
    "classes",
)


@dataclass(frozen=True)
class Evidence:
    """What a checkpoint, the published models and the user say.

    Parameters
    ----------
    path
        The checkpoint.
    facts
        What its tensors tell.
    said
        What a sidecar file says, which goes before all else.
    fingerprint
        The published model that it is.
    base
        The published system whose settings hold where nothing else is said.
    schedule
        The noise schedule that lies in the file.
    """

    path: Path
    facts: Facts
    said: Sidecar
    fingerprint: Fingerprint | None = None
    base: Fingerprint | None = None
    schedule: ScheduleSpec | None = None

    @property
    def attention(self) -> dict[str, Any]:
        """Number of heads or channels of each; empty if unknown."""
        said = self.said.given("heads", "head_channels")
        if said or self.fingerprint is None:
            return said
        return dict(self.fingerprint.attention)

    @property
    def state_channels(self) -> int:
        """Channels of the image that the network makes."""
        if self.said.state_channels:
            return self.said.state_channels
        variance = self.said.variance or (self.base.diffusion.variance if self.base else None)
        out = int(self.facts.arguments["out_channels"])
        return out // 2 if variance == "learned-range" else out

    @property
    def condition_channels(self) -> int:
        """Channels of the measurement that the network is given."""
        return int(self.facts.arguments["in_channels"]) - self.state_channels

    def in_words(self) -> str:
        """What the network is, as far as its file tells."""
        arguments = self.facts.arguments
        return (
            f"a {arguments.get('dims', 2)}D {_TITLES[self.facts.kind]} ({arguments['in_channels']} channels "
            f"in, {arguments['out_channels']} out, {arguments['model_channels']} wide)"
        )


def check_complete(evidence: Evidence) -> None:
    """Ask for what is still unknown.

    Raises
    ------
    DiffuscopeError
        Listing the entries that the sidecar file must have, with the values allowed for each.
    """
    needed = ["heads"] if evidence.facts.attends and not evidence.attention else []
    if evidence.base is None:
        known = {
            "schedule": evidence.schedule is not None,
            "condition_first": evidence.condition_channels <= 0,
        }
        for name in ("task", "prediction", "schedule", "time", "data_range", "condition_first"):
            if getattr(evidence.said, name) is None and not known.get(name, False):
                needed.append(name)
    if needed:
        raise request(evidence.path, evidence.in_words(), needed)
    if evidence.condition_channels < 0:
        raise DiffuscopeError(
            f"{evidence.path} cannot be used: {evidence.in_words()} gives more channels than it takes; "
            'if half of them are a learned variance, write "variance": "learned-range" into its sidecar file.'
        )


def card_of(evidence: Evidence) -> ModelCard:
    """Model card of a checkpoint whose evidence is complete."""
    base, said = evidence.base, evidence.said
    name = evidence.path.stem
    title = f"{base.title}, {evidence.fingerprint.variant}" if base and evidence.fingerprint else name
    task = said.task or (base.task if base else "generate")
    card = ModelCard(
        name=name,
        title=title,
        purpose=base.purpose if base else "",
        task=task,
        network=_network(evidence),
        diffusion=_diffusion(evidence),
        axes="ZYX" if evidence.facts.arguments.get("dims") == 3 else "YX",
        size=evidence.fingerprint.size if evidence.fingerprint else None,
        state_channels=evidence.state_channels,
        condition_channels=evidence.condition_channels,
        condition_first=bool(base and base.condition_first),
        data_range=base.data_range if base else (-1.0, 1.0),
        citation=base.citation if base else (),
    )
    return replace(card, **said.given(*_OF_THE_CARD))


def _network(evidence: Evidence) -> NetworkSpec:
    arguments = dict(evidence.facts.arguments)
    if evidence.facts.kind == "openai-unet":
        said = evidence.said.given("qkv_order", "z_preserving")
        return NetworkSpec("openai-unet", {**arguments, **evidence.attention, **said})
    widest = arguments["model_channels"] * arguments["channel_multipliers"][-1]
    channels = evidence.attention.get("head_channels") or widest // evidence.attention["heads"]
    return NetworkSpec("edm2-unet", {**arguments, "head_channels": channels})


def _diffusion(evidence: Evidence) -> DiffusionSpec:
    schedule = evidence.said.schedule or evidence.schedule
    said = evidence.said.given("prediction", "time", "variance", "clip")
    if evidence.base is None:
        assert schedule is not None
        whole = None if schedule.kind == "continuous-cosine" else schedule.count
        return DiffusionSpec(**{"steps": 20, "published_steps": whole, **said, "schedule": schedule})
    spec = replace(evidence.base.diffusion, **said)
    if schedule is None or schedule == spec.schedule:
        return spec
    # The ancestral chain passes through the whole table.
    steps = schedule.count if spec.published_eta is None else spec.published_steps
    return replace(spec, schedule=schedule, published_steps=steps)
