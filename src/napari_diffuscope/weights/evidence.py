"""All that is known about a checkpoint, put together into a model card, or what is still to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.fingerprints import Facts, Fingerprint
from napari_diffuscope.weights.sidecar import Sidecar, request

TITLES = {
    "openai-unet": "UNet of OpenAI's family",
    "edm2-unet": "EDM2 UNet",
    "lucidrains-unet": "UNet of denoising-diffusion-pytorch",
}
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
    settings
        Settings of the training that lie in the file, by name: hints, and no more.
    """

    path: Path
    facts: Facts
    said: Sidecar
    fingerprint: Fingerprint | None = None
    base: Fingerprint | None = None
    schedule: ScheduleSpec | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

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
        taken = int(self.facts.arguments["in_channels"])
        if self.facts.undecided_input and self.said.task in (None, "generate", "generation"):
            taken -= self.state_channels  # of its own last estimate
        return taken - self.state_channels

    @property
    def widest(self) -> int:
        """Channels that the heads of attention share."""
        arguments = self.facts.arguments
        if self.facts.kind == "lucidrains-unet":
            return int(arguments["heads"][-1] * arguments["head_channels"][-1])
        return int(arguments["model_channels"] * arguments["channel_multipliers"][-1])

    @property
    def learns_variance(self) -> bool:
        """Whether the network gives twice the channels of an image."""
        arguments = self.facts.arguments
        return bool(arguments["out_channels"] == 2 * arguments["in_channels"])

    def needed(self) -> list[str]:
        """Entries of the sidecar file that the model cannot be used without, and that nothing tells."""
        needed = ["heads"] if self.facts.attends and not self.attention else []
        needed += ["package_version"] if self.facts.eras else []
        needed += self._needed_of_diffusers() if self.facts.without_config else []
        if self.base is not None:
            return needed
        known = {
            "schedule": self.schedule is not None,
            "condition_first": self.condition_channels <= 0,
        }
        names = ("task", "prediction", "schedule", "time", "data_range", "condition_first")
        return needed + [
            name for name in names if getattr(self.said, name) is None and not known.get(name, False)
        ]

    def _needed_of_diffusers(self) -> list[str]:
        unusual = self.facts.arguments["norm_groups"] != 32
        asked = ["diffusers_settings", *(["norm_groups"] if unusual else [])]
        return [name for name in asked if getattr(self.said, name) is None]

    def in_words(self) -> str:
        """What the network is, as far as its file tells."""
        arguments = self.facts.arguments
        title = f"{arguments.get('dims', 2)}D {TITLES[self.facts.kind]}"
        if self.facts.without_config:
            title = "diffusers UNet2DModel without config.json"
        return (
            f"a {title} ({counted(arguments['in_channels'], 'channel')} in, "
            f"{arguments['out_channels']} out, {arguments['model_channels']} wide)"
        )


def counted(number: int, thing: str) -> str:
    """``1 channel``, ``2 channels``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def check_complete(evidence: Evidence) -> None:
    """Ask for what is still unknown.

    Raises
    ------
    DiffuscopeError
        Listing the entries that the sidecar file must have, with the values allowed for each.
    """
    if needed := evidence.needed():
        raise request(evidence.path, evidence.in_words(), needed)
    if evidence.condition_channels < 0:
        raise DiffuscopeError(
            f"{evidence.path} cannot be used: {evidence.in_words()} gives more channels than it takes; "
            "if half of them say how sure it is of a step (learn_sigma), import it with --set variance=learned-range."
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
    if evidence.facts.kind == "lucidrains-unet":
        return NetworkSpec("lucidrains-unet", {**arguments, **_split(evidence)})
    widest = arguments["model_channels"] * arguments["channel_multipliers"][-1]
    channels = evidence.attention.get("head_channels") or widest // evidence.attention["heads"]
    return NetworkSpec("edm2-unet", {**arguments, "head_channels": channels})


def _split(evidence: Evidence) -> dict[str, Any]:
    """How a UNet of denoising-diffusion-pytorch splits its attention, as far as that was said."""
    said = evidence.said
    split: dict[str, Any] = {}
    arguments = evidence.facts.arguments
    shared = [
        heads * each for heads, each in zip(arguments["heads"], arguments["head_channels"], strict=True)
    ]
    if said.heads or said.head_channels:
        each = [said.head_channels or channels // (said.heads or 1) for channels in shared]
        heads = [channels // one if one else 0 for channels, one in zip(shared, each, strict=True)]
        if any(one * count != channels for one, count, channels in zip(each, heads, shared, strict=True)):
            raise DiffuscopeError(
                f"{evidence.path} cannot be used: its attention over {shared[0]} channels cannot be split into "
                f"{said.heads or said.head_channels} {'heads' if said.heads else 'channels each'}; give another number."
            )
        split |= {"heads": heads, "head_channels": each}
    if evidence.facts.undecided_input and evidence.condition_channels == 0:
        split |= {"self_conditioned": True, "in_channels": evidence.state_channels}
    return split


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
