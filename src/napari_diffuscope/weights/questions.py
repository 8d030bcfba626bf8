"""What the names and shapes in a checkpoint cannot tell: the questions, each declared once. Free of torch.

The command line lists them, the dialog of the window shows them, and both take their likely answers from here. The name
of a question is the entry of the sidecar file (:class:`~napari_diffuscope.weights.sidecar.Sidecar`) that answers it.
"""

from __future__ import annotations

from dataclasses import replace

from napari_diffuscope.weights.evidence import Evidence
from napari_diffuscope.weights.likely import (
    allowed_eras,
    allowed_groups,
    attends,
    is_openai_unet,
    likely_groups,
    likely_heads,
    likely_order,
    likely_prediction,
    likely_range,
    likely_schedule,
    likely_task,
    likely_time,
    likely_variance,
    likely_version,
    unsaid,
)
from napari_diffuscope.weights.question import Asked, Choice, Likely, Question


def questions_about(evidence: Evidence) -> list[Asked]:
    """All that a checkpoint leaves open, those that must be answered first."""
    needed = set(evidence.needed())
    asked = [
        Asked(_about(question, evidence), question.likely(evidence), question.name in needed)
        for question in QUESTIONS
        if question.name in needed or question.asked(evidence)
    ]
    return sorted(asked, key=lambda one: not one.needed)


def _about(question: Question, evidence: Evidence) -> Question:
    """A question with the answers that one file allows."""
    return question if question.offered is None else replace(question, choices=question.offered(evidence))


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
        unsaid("task"),
        likely_task,
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
        likely_heads,
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
        unsaid("prediction"),
        likely_prediction,
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
        likely_schedule,
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
        unsaid("time"),
        likely_time,
    ),
    Question(
        "data_range",
        "Which values did its training images have?",
        "Images are stretched to the range that the network was trained on. With the wrong one results are "
        "too dark, too bright or flat.",
        (Choice((-1.0, 1.0), "-1 to 1"), Choice((0.0, 1.0), "0 to 1")),
        unsaid("data_range"),
        likely_range,
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
        lambda evidence: evidence.condition_channels > 0 and unsaid("condition_first")(evidence),
        likely_order,
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
        lambda evidence: unsaid("variance")(evidence) and evidence.learns_variance,
        likely_variance,
        tried=False,
    ),
    Question(
        "qkv_order",
        "In which order are the parts of attention stored?",
        "Two orders exist, with weights of the same shape; codes call the second one use_new_attention_order. "
        "The wrong one gives blotchy images.",
        (Choice("heads-first", "the usual order"), Choice("qkv-first", "use_new_attention_order")),
        lambda evidence: (
            is_openai_unet(evidence) and evidence.facts.attends and unsaid("qkv_order")(evidence)
        ),
        lambda evidence: Likely("heads-first", "the codes' default"),
    ),
    Question(
        "package_version",
        "Which version of denoising-diffusion-pytorch wrote it?",
        "Versions of the package before 1.8 compute differently with weights of the same names and shapes. With a "
        "wrong one images get stains or stay noisy. The requirements of the training code tell it.",
        (),
        lambda evidence: bool(evidence.facts.eras),
        likely_version,
        form="a version, as 0.27.5",
        offered=allowed_eras,
    ),
    Question(
        "diffusers_settings",
        "Which settings had its config.json?",
        "Weights of diffusers do not tell some settings that lie in a config.json beside them, and with other ones "
        "images stay noisy. If you have that file, cancel, put both into one folder and import the folder: then "
        "nothing is guessed.",
        (
            Choice("defaults", "the library's own (freq_shift 0, heads of 8)"),
            Choice("ddpm", "of google/ddpm-… (freq_shift 1, one head)"),
        ),
        lambda evidence: False,
        lambda evidence: Likely("defaults", "most trainings leave them as they are"),
    ),
    Question(
        "norm_groups",
        "How many groups have its norms?",
        "Each norm treats its channels in so many groups, called norm_num_groups; with a wrong number images get "
        "stains.",
        (),
        lambda evidence: evidence.facts.without_config and evidence.said.norm_groups is None,
        likely_groups,
        form="a whole number that divides all widths",
        offered=allowed_groups,
    ),
    Question(
        "head_channels",
        "How many channels has each attention head?",
        "Weights have the same shape whatever their number, called attention_head_dim; with a wrong one images turn "
        "blotchy. Leave it as it is where the settings above are right.",
        tuple(Choice(count, f"{count} channels") for count in (8, 16, 32, 64)),
        lambda evidence: evidence.facts.without_config and attends(evidence) and not evidence.attention,
        lambda evidence: Likely(None, "as the settings have it"),
        form="a whole number",
    ),
    Question(
        "z_preserving",
        "Does it keep all planes of a volume?",
        "A 3D network halves the resolution from level to level: along y and x alone, or along z as well. "
        "With the wrong answer the shapes are meaningless.",
        (Choice(True, "it halves y and x alone"), Choice(False, "it halves z as well")),
        lambda evidence: (
            is_openai_unet(evidence)
            and evidence.facts.arguments.get("dims") == 3
            and unsaid("z_preserving")(evidence)
        ),
        lambda evidence: Likely(True, "networks of cell shapes keep the planes"),
    ),
    Question(
        "size",
        "How large were its training images?",
        "Edges in pixels. A network with attention works best on windows as large as those of its training.",
        (),
        unsaid("size"),
        lambda evidence: Likely(None, "not known"),
        form="edges in pixels along the axes, as 128,128",
        tried=False,
    ),
    Question(
        "pixel_size",
        "Which pixel size did its training images have?",
        "In micrometres. With it you are warned where an image does not fit.",
        (),
        unsaid("pixel_size"),
        lambda evidence: Likely(None, "not known"),
        form="smallest,largest in µm, as 0.05,0.1",
        tried=False,
    ),
)
