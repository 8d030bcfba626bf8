"""What decides an evaluation of generators. Free of torch and numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_diffuscope.evaluate import declared as common
from napari_diffuscope.evaluate.declared import Evaluation, EvaluationSettings
from napari_diffuscope.methods.common_settings import device
from napari_diffuscope.methods.declared import declared

Part = Literal["copies", "realism", "usefulness"]
Trained = Literal["real", "drawn", "strong", "generated", "both"]
"""What a tested network is trained on: real fields, the mathematical model, real fields with strong augmentation,
generated images, real fields and generated images."""


@dataclass(frozen=True)
class GenerateEvaluationSettings(EvaluationSettings):
    """What is tested, and how; each is declared here.

    Raises
    ------
    DiffuscopeError
        For values that are none of what is declared.
    """

    LATER = ("models", "device", "parts", "inception", "dinov2", "arms", "real", "repeats")

    data: str = common.data(
        "Folder of real images by class, as generators are trained on, with train and validate."
    )
    models: tuple[str, ...] = common.models()
    parts: tuple[Part, ...] = declared(
        ("copies", "realism", "usefulness"), "Parts", "What is measured; repeat; all by default."
    )
    inception: str | None = declared(
        None,
        "Inception",
        "Weights of Inception v3 as torch-fidelity stores them: realism is measured on its features as well.",
    )
    dinov2: str | None = declared(
        None,
        "DINOv2",
        "Weights of a DINOv2 network, .pth or .safetensors: realism is measured on its features as well.",
    )
    number: int = common.whole(64, "Images", "Images of each class and set.", 8)
    steps: int = common.steps(20)
    structure: str | None = declared(
        None, "Structure", "Class that usefulness is measured on; the real one of most fields by default."
    )
    arms: tuple[Trained, ...] = declared(
        ("real", "drawn", "strong", "generated", "both"),
        "Arms",
        "What networks are trained on: real fields, the mathematical model, real fields with strong augmentation, "
        "generated images, real and generated ones; repeat; all by default.",
    )
    real: tuple[int, ...] = declared(
        (1, 3, 0),
        "Real fields",
        "On how many real fields; repeat; 0 for all. By default 1, 3 and all.",
        low=0,
    )
    generated_share: float = declared(
        0.5, "Generated share", "Share of the patches that is generated, where both are.", low=0.0, high=1.0
    )
    patch: int = common.whole(64, "Patch", "Edge of the patches that the tested networks are trained on.", 32)
    training_steps: int = common.whole(300, "Training steps", "Of each tested network.", 1)
    repeats: int = common.whole(
        3, "Repeats", "Networks that are trained for each arm, each from another seed.", 1
    )
    seed: int = common.seed("Seed of the images and of the networks.")
    device: str = device()


GENERATE = Evaluation(
    "generate",
    "Compare generated images with real ones: are they new, like real ones, and of use to train networks on?",
    GenerateEvaluationSettings,
    findings="napari_diffuscope.evaluate.generate.evaluation:generate_findings",
    report="generate.md",
)
