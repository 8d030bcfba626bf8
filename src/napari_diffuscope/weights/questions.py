"""What the names and shapes in a checkpoint cannot tell: the questions, each declared once. Free of torch.

The command line lists them, the dialog of the window shows them, and both take their likely answers from here. The name
of a question is the entry of the sidecar file (:class:`~napari_diffuscope.weights.sidecar.Sidecar`) that answers it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.weights.evidence import Evidence
from napari_diffuscope.weights.hints import hinted_heads, hinted_prediction, hinted_schedule


@dataclass(frozen=True)
class Likely:
    """A likely answer, and why it is likely."""

    value: Any
    why: str


@dataclass(frozen=True)
class Choice:
    """An answer that may be given, and what it means."""

    value: Any
    words: str


@dataclass(frozen=True)
class Question:
    """Something that a file of weights does not tell.

    Parameters
    ----------
    name
        Entry of the sidecar file.
    title
        The question, in a few words.
    explanation
        What it means, and how a wrong answer shows, for a microscopist.
    choices
        Answers that may be given; others of the kind ``form`` says may be, too, where it is not empty.
    form
        How other answers are written; empty where only ``choices`` are allowed.
    asked
        Whether a file leaves it open.
    likely
        The likely answer; its value is ``None`` where none is.
    tried
        Answers that are worth a comparison on an image.
    """

    name: str
    title: str
    explanation: str
    choices: tuple[Choice, ...]
    asked: Callable[[Evidence], bool]
    likely: Callable[[Evidence], Likely]
    form: str = ""
    tried: bool = True


@dataclass(frozen=True)
class Asked:
    """A question about one file.

    Parameters
    ----------
    question
        The question.
    likely
        The likely answer.
    needed
        Whether the file cannot be opened without an answer; otherwise the likely one is taken.
    """

    question: Question
    likely: Likely
    needed: bool


def questions_about(evidence: Evidence) -> list[Asked]:
    """All that a checkpoint leaves open, those that must be answered first."""
    needed = set(evidence.needed())
    asked = [
        Asked(question, question.likely(evidence), question.name in needed)
        for question in QUESTIONS
        if question.name in needed or question.asked(evidence)
    ]
    return sorted(asked, key=lambda one: not one.needed)


def _likely_task(evidence: Evidence) -> Likely:
    if evidence.facts.arguments.get("dims") == 3:
        return Likely("shape", "the network works on volumes, as those that predict the shapes of cells do")
    if evidence.condition_channels > 0 or evidence.facts.undecided_input:
        return Likely("restore", "the network is given an image beside the noise")
    return Likely("generate", "the network is given nothing but noise")


def _likely_heads(evidence: Evidence) -> Likely:
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


def _likely_prediction(evidence: Evidence) -> Likely:
    if hint := hinted_prediction(evidence.settings):
        return Likely(hint[0], f"the settings in the file say so ({hint[1]})")
    if evidence.facts.kind == "lucidrains-unet":
        return Likely("epsilon", "versions of the package that do not store it took the noise")
    return Likely("epsilon", "most published networks are trained to predict the noise")


def _likely_schedule(evidence: Evidence) -> Likely:
    default: dict[str, Any] = {"kind": "linear", "count": 1000}
    why = "1000 levels, linear, is what most codes take where nothing else is said"
    if evidence.facts.kind == "lucidrains-unet":
        default, why = {"kind": "sigmoid", "count": 1000}, "the package takes 1000 levels of this kind"
    hint = hinted_schedule(evidence.settings)
    if hint is None:
        return Likely(default, why)
    kind = hint[0].get("kind", default["kind"])
    return Likely({**default, "kind": kind, **hint[0]}, f"the settings in the file say so ({hint[1]})")


def _likely_time(evidence: Evidence) -> Likely:
    if evidence.facts.kind == "edm2-unet":
        return Likely("alpha-bar", "the restoration code that uses this network tells it γ")
    return Likely("index", "most codes tell the network the number of the level")


def _likely_range(evidence: Evidence) -> Likely:
    return Likely((-1.0, 1.0), "nearly all codes stretch their images to -1 … 1")


def _likely_order(evidence: Evidence) -> Likely:
    if evidence.facts.kind == "edm2-unet":
        return Likely(True, "Palette and the codes after it put the measurement first")
    return Likely(False, "guided-diffusion puts the measurement behind the noisy image; Palette does not")


def _likely_variance(evidence: Evidence) -> Likely:
    arguments = evidence.facts.arguments
    if evidence.learns_variance:
        return Likely("learned-range", f"it gives {arguments['out_channels']} channels, twice an image's")
    return Likely("fixed-small", "it gives no channels for a variance of its own")


def _is_openai(evidence: Evidence) -> bool:
    return evidence.facts.kind == "openai-unet" and evidence.base is None


def _unsaid(name: str) -> Callable[[Evidence], bool]:
    return lambda evidence: evidence.base is None and getattr(evidence.said, name) is None


QUESTIONS: tuple[Question, ...] = (
    Question(
        "weights",
        "Which of the networks in the file?",
        "The file holds several networks, and only one makes the images. A running average over the training "
        "(EMA) gives better images than the raw weights beside it.",
        (),
        lambda evidence: False,
        lambda evidence: Likely(None, ""),
        form="what comes before the names of its tensors",
    ),
    Question(
        "task",
        "What is the model for?",
        "Which dock uses it: Restore (an image in, a better one out), Super-resolve volume, Predict 3D shape, "
        "or Generate (images out of noise alone). The paper or its README says it.",
        (
            Choice("restore", "restores an image that it is given"),
            Choice("superres", "fills in the planes of a coarse volume"),
            Choice("shape", "predicts the 3D shape of a cell from one plane"),
            Choice("generate", "makes images out of noise alone"),
        ),
        _unsaid("task"),
        _likely_task,
        tried=False,
    ),
    Question(
        "heads",
        "How many attention heads?",
        "Attention lets distant places of an image look at each other, in several groups called heads. The "
        "weights have the same shape whatever their number, but with a wrong number images turn blotchy or "
        "stay noisy. In the training code it is called num_heads, or follows from num_head_channels.",
        tuple(Choice(count, f"{count} head{'s' if count > 1 else ''}") for count in (1, 2, 4, 8, 16)),
        lambda evidence: evidence.facts.attends and not evidence.attention,
        _likely_heads,
        form="a whole number",
    ),
    Question(
        "prediction",
        "What does the network predict?",
        "At each step the network looks at a noisy image and predicts one of three things, from which the "
        "clean image is computed. With the wrong one the result is noise, or far too bright and dark. Codes "
        "call it objective, parameterization or prediction_type.",
        (
            Choice("epsilon", "the noise (ε)"),
            Choice("v", "the velocity (v), a mixture of both"),
            Choice("x0", "the clean image (x₀)"),
        ),
        _unsaid("prediction"),
        _likely_prediction,
    ),
    Question(
        "schedule",
        "How is noise added from level to level?",
        "Training mixes images with noise in many levels, by a rule called noise schedule, and sampling has "
        "to go back by the same rule. With a wrong one, images stay grainy or lose contrast. Codes call it "
        "beta_schedule or noise_schedule, and the number of levels timesteps or diffusion_steps.",
        (
            Choice({"kind": "linear", "count": 1000}, "linear, 1000 levels"),
            Choice({"kind": "cosine", "count": 1000}, "cosine, 1000 levels"),
            Choice({"kind": "sigmoid", "count": 1000}, "sigmoid, 1000 levels"),
            Choice({"kind": "linear", "count": 2000}, "linear, 2000 levels"),
            Choice({"kind": "cosine", "count": 2000}, "cosine, 2000 levels"),
            Choice(
                {"kind": "scaled-linear", "count": 1000, "betas": [0.00085, 0.012]},
                "linear in √β, 1000 levels",
            ),
        ),
        lambda evidence: (
            evidence.base is None and evidence.said.schedule is None and evidence.schedule is None
        ),
        _likely_schedule,
        form="a kind and its number of levels, as cosine 500",
    ),
    Question(
        "time",
        "How is the network told how noisy its input is?",
        "A network is told the noise level as a number. With the wrong kind of number it takes too much or "
        "too little noise away.",
        (
            Choice("index", "the number of the level, 0 to count - 1"),
            Choice("rescaled", "the number of the level, stretched to 0 … 1000 (rescale_timesteps)"),
            Choice("alpha-bar", "the share of the image in it, γ or ᾱ"),
            Choice("continuous", "a time from 0 to 1"),
        ),
        _unsaid("time"),
        _likely_time,
    ),
    Question(
        "data_range",
        "Which values did its training images have?",
        "Images are stretched to the range that the network was trained on. With the wrong one results are "
        "too dark, too bright or flat.",
        (Choice((-1.0, 1.0), "-1 to 1"), Choice((0.0, 1.0), "0 to 1")),
        _unsaid("data_range"),
        _likely_range,
        form="lowest,highest",
    ),
    Question(
        "condition_first",
        "Does your image come before the noisy one?",
        "A network that restores is given two images at once, yours and the noisy one that it works on. Which "
        "comes first is not in the file; the wrong way round the result is noise or a copy of your image.",
        (
            Choice(True, "yes: the measured image, then the noisy one"),
            Choice(False, "no: the noisy image, then the measured one"),
        ),
        lambda evidence: evidence.condition_channels > 0 and _unsaid("condition_first")(evidence),
        _likely_order,
    ),
    Question(
        "variance",
        "Does it predict how sure it is of a step?",
        "Some networks give twice as many channels as the image has: the second half is the variance of a "
        "step. Codes call it learn_sigma.",
        (
            Choice("learned-range", "yes, in the second half of its channels"),
            Choice("fixed-small", "no"),
            Choice("fixed-large", "no, and the published sampler takes the larger variance"),
        ),
        lambda evidence: _unsaid("variance")(evidence) and evidence.learns_variance,
        _likely_variance,
        tried=False,
    ),
    Question(
        "qkv_order",
        "In which order are the parts of attention stored?",
        "Two orders exist, with weights of the same shape; codes call the second one use_new_attention_order. "
        "The wrong one gives blotchy images.",
        (Choice("heads-first", "the usual order"), Choice("qkv-first", "use_new_attention_order")),
        lambda evidence: _is_openai(evidence) and evidence.facts.attends and _unsaid("qkv_order")(evidence),
        lambda evidence: Likely("heads-first", "the codes' default"),
    ),
    Question(
        "attention_norm",
        "Which version of the package wrote it?",
        "Versions 1.7 of denoising-diffusion-pytorch differ from those before in a way that the weights do "
        "not show. The wrong one gives faint stains.",
        (Choice("layer", "up to 1.6"), Choice("rms", "1.7")),
        lambda evidence: evidence.facts.norm_open and _unsaid("attention_norm")(evidence),
        lambda evidence: Likely("layer", "far more versions have it"),
    ),
    Question(
        "z_preserving",
        "Does it keep all planes of a volume?",
        "A 3D network halves the resolution from level to level: along y and x alone, or along z as well. "
        "With the wrong answer the shapes are meaningless.",
        (Choice(True, "it halves y and x alone"), Choice(False, "it halves z as well")),
        lambda evidence: (
            _is_openai(evidence)
            and evidence.facts.arguments.get("dims") == 3
            and _unsaid("z_preserving")(evidence)
        ),
        lambda evidence: Likely(True, "networks of cell shapes keep the planes"),
    ),
    Question(
        "size",
        "How large were its training images?",
        "Edges in pixels. A network with attention works best on windows as large as those of its training.",
        (),
        lambda evidence: _unsaid("size")(evidence),
        lambda evidence: Likely(None, "not known"),
        form="edges in pixels along the axes, as 128,128",
        tried=False,
    ),
    Question(
        "pixel_size",
        "Which pixel size did its training images have?",
        "In micrometres. With it you are warned where an image does not fit.",
        (),
        lambda evidence: _unsaid("pixel_size")(evidence),
        lambda evidence: Likely(None, "not known"),
        form="smallest,largest in µm, as 0.05,0.1",
        tried=False,
    ),
)
