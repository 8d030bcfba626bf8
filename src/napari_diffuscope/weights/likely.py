"""Likely answers to what a file of weights does not tell, and when it is asked. Free of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_diffuscope.weights.evidence import Evidence
from napari_diffuscope.weights.hints import hinted_heads, hinted_prediction, hinted_schedule
from napari_diffuscope.weights.question import Choice, Likely


def likely_task(evidence: Evidence) -> Likely:
    """What the model is for."""
    if evidence.facts.arguments.get("dims") == 3:
        return Likely("shape", "the network works on volumes, as those that predict the shapes of cells do")
    if evidence.condition_channels > 0 or evidence.facts.undecided_input:
        return Likely("restore", "the network is given an image beside the noise")
    return Likely("generate", "the network is given nothing but noise")


def likely_heads(evidence: Evidence) -> Likely:
    """Heads of attention."""
    hint = hinted_heads(evidence.settings)
    widest = evidence.widest
    if hint is not None and hint[0] == "heads" and widest % hint[1] == 0:
        return Likely(hint[1], f"the settings in the file say {hint[2]} = {hint[1]}")
    if hint is not None and widest % hint[1] == 0:
        return Likely(
            widest // hint[1], f"the settings in the file say {hint[2]} = {hint[1]} of {widest} channels"
        )
    if evidence.facts.kind == "lucidrains-unet":
        return Likely(4, "4 is what the package takes where nothing else is said")
    if evidence.facts.kind == "edm2-unet":
        return Likely(widest // 64 or 1, "EDM2 networks have heads of 64 channels where nothing else is said")
    if evidence.facts.prefix.endswith("diffusion_model.") and widest % 32 == 0:
        return Likely(
            widest // 32, "codes that descend from latent-diffusion mostly have heads of 32 channels"
        )
    return Likely(4, "improved-diffusion and guided-diffusion take 4 where nothing else is said")


def likely_prediction(evidence: Evidence) -> Likely:
    """What the network predicts."""
    if hint := hinted_prediction(evidence.settings):
        return Likely(hint[0], f"the settings in the file say so ({hint[1]})")
    if evidence.facts.kind == "lucidrains-unet":
        return Likely("epsilon", "versions of the package that do not store it took the noise")
    return Likely("epsilon", "most published networks are trained to predict the noise")


def likely_schedule(evidence: Evidence) -> Likely:
    """The noise schedule."""
    default: dict[str, Any] = {"kind": "linear", "count": 1000}
    why = "1000 levels, linear, is what most codes take where nothing else is said"
    if evidence.facts.kind == "lucidrains-unet":
        default, why = {"kind": "sigmoid", "count": 1000}, "the package takes 1000 levels of this kind"
    hint = hinted_schedule(evidence.settings)
    if hint is None:
        return Likely(default, why)
    kind = hint[0].get("kind", default["kind"])
    return Likely({**default, "kind": kind, **hint[0]}, f"the settings in the file say so ({hint[1]})")


def likely_time(evidence: Evidence) -> Likely:
    """What the network is told of the level."""
    if evidence.facts.kind == "edm2-unet":
        return Likely("alpha-bar", "the restoration code that uses this network tells it γ")
    return Likely("index", "most codes tell the network the number of the level")


def likely_range(evidence: Evidence) -> Likely:
    """Values of the training images."""
    return Likely((-1.0, 1.0), "nearly all codes stretch their images to -1 … 1")


def likely_order(evidence: Evidence) -> Likely:
    """Whether the measurement comes first."""
    if evidence.facts.kind == "edm2-unet":
        return Likely(True, "Palette and the codes after it put the measurement first")
    return Likely(False, "guided-diffusion puts the measurement behind the noisy image; Palette does not")


def likely_variance(evidence: Evidence) -> Likely:
    """Whether a variance is learned."""
    arguments = evidence.facts.arguments
    if evidence.learns_variance:
        return Likely("learned-range", f"it gives {arguments['out_channels']} channels, twice an image's")
    return Likely("fixed-small", "it gives no channels for a variance of its own")


def is_openai_unet(evidence: Evidence) -> bool:
    """Whether it is a UNet of OpenAI's family that is none of the published ones."""
    return evidence.facts.kind == "openai-unet" and evidence.base is None


def unsaid(name: str) -> Callable[[Evidence], bool]:
    """Whether an entry is said by nobody, of a network that is none of the published ones."""
    return lambda evidence: evidence.base is None and getattr(evidence.said, name) is None


def likely_version(evidence: Evidence) -> Likely:
    """Version of denoising-diffusion-pytorch."""
    eras = [era.first for era in evidence.facts.eras]
    first = next((one for one in ("0.28", *eras) if one in eras), None)
    return Likely(first, "most files of this kind are of these versions")


def allowed_eras(evidence: Evidence) -> tuple[Choice, ...]:
    """The versions that the tensors of a file allow."""
    return tuple(Choice(era.first, era.words) for era in evidence.facts.eras)


def attends(evidence: Evidence) -> bool:
    """Whether a UNet of OpenAI's family has attention."""
    arguments = evidence.facts.arguments
    return bool(arguments["attention_downsampling"] or arguments["middle_attention"])


def allowed_groups(evidence: Evidence) -> tuple[Choice, ...]:
    """Numbers of groups that the widths allow."""
    most = int(evidence.facts.arguments["norm_groups"])
    return tuple(Choice(count, f"{count} groups") for count in (32, 16, 8, 4) if most % count == 0)


def likely_groups(evidence: Evidence) -> Likely:
    """Groups of norms."""
    most = int(evidence.facts.arguments["norm_groups"])
    if most == 32:
        return Likely(None, "the library's own 32")
    return Likely(most, "the library's own 32 do not divide its widths, and this is the most that does")
