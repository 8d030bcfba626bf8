"""What the published models are: everything that their files of weights do not tell. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from napari_diffuscope.weights.card import DiffusionSpec, ScheduleSpec, Task
from napari_diffuscope.weights.lucidrains_versions import Era

System = Literal["dispr", "smlm", "restoration", "msdsr"]


@dataclass(frozen=True)
class Facts:
    """What a file tells about its network.

    Parameters
    ----------
    kind
        ``openai-unet`` or ``edm2-unet``.
    arguments
        Arguments of the network as far as inferred, by the names of its configuration class.
    prefix
        What comes before the names of its tensors.
    attends
        Whether it has attention, whose heads its file does not tell.
    undecided_input
        Whether it takes twice the channels of an image, for its own last estimate or for a measurement.
    eras
        Versions of denoising-diffusion-pytorch that it may come from, and that compute differently.
    without_config
        Whether it is a network of diffusers whose configuration is missing.
    """

    kind: str
    arguments: dict[str, Any]
    prefix: str = ""
    attends: bool = True
    undecided_input: bool = False
    eras: tuple[Era, ...] = ()
    without_config: bool = False

    def are(self, kind: str, **wanted: Any) -> bool:
        """Whether the network is of this kind and has these arguments."""
        if self.kind != kind:
            return False
        return all(_plain(self.arguments[name]) == _plain(value) for name, value in wanted.items())


@dataclass(frozen=True)
class Fingerprint:
    """A published model.

    Parameters
    ----------
    system
        Which of the four systems.
    variant
        Which of its models, in words.
    title, purpose, task, citation
        As on a model card.
    attention
        Arguments of the network that its file does not tell.
    diffusion
        How it was trained and is sampled.
    axes, size, state_channels, condition_channels, condition_first, data_range
        As on a model card.
    needs
        What it must be given, in words.
    """

    system: System
    variant: str
    title: str
    purpose: str
    task: Task
    citation: tuple[str, ...]
    attention: dict[str, int]
    diffusion: DiffusionSpec
    size: tuple[int, ...]
    axes: str = "YX"
    state_channels: int = 1
    condition_channels: int = 0
    condition_first: bool = False
    data_range: tuple[float, float] = (-1.0, 1.0)
    needs: str = ""


DISPR = Fingerprint(
    system="dispr",
    variant="flags of its README",
    title="DISPR",
    purpose="Predicts the 3D shape of a cell from a 2D image of it and its mask.",
    task="shape",
    citation=("Waibel et al., A diffusion model predicts 3D shapes from 2D microscopy images, ISBI 2023",),
    attention={"heads": 1},
    diffusion=DiffusionSpec(
        "epsilon",
        ScheduleSpec("linear", count=1000),
        time="index",
        variance="learned-range",
        clip=(-1.0, 1.0),
        steps=20,
        published_steps=1000,
        published_samples=5,
    ),
    axes="ZYX",
    size=(64, 64, 64),
    condition_channels=2,
    condition_first=True,
    data_range=(0.0, 1.0),
    needs="a 2D image of one cell of 64 × 64 pixels in [0, 1], and its mask",
)

SMLM = Fingerprint(
    system="smlm",
    variant="128 × 128",
    title="SMLM generator",
    purpose="Generates super-resolution images of the structure that it was trained on.",
    task="generate",
    citation=("Saguy et al., Small Methods 2024, doi:10.1002/smtd.202400672",),
    attention={"heads": 4},
    diffusion=DiffusionSpec(
        "epsilon",
        # Trained with T = 2000 and sampled with 1000: the network sees t · 1000 / T.
        ScheduleSpec("cosine", count=1000),
        time="rescaled",
        variance="fixed-large",
        clip=(-1.0, 1.0),
        steps=25,
        published_steps=1000,
    ),
    size=(128, 128),
    state_channels=3,
    needs="nothing: it makes images from noise",
)

RESTORATION = Fingerprint(
    system="restoration",
    variant="256 × 256",
    title="Restoration (WACV 2025)",
    purpose="Restores images of the structure and microscope that it was trained on.",
    task="restore",
    citation=(
        "Osuna-Vargas et al., Denoising diffusion models for high-resolution microscopy image restoration, "
        "WACV 2025, arXiv:2409.12078",
    ),
    attention={"head_channels": 32},
    diffusion=DiffusionSpec(
        "epsilon",
        ScheduleSpec("cosine", count=200),
        time="alpha-bar",
        variance="fixed-small",
        clip=(-1.0, 1.0),
        published_steps=200,
        published_samples=15,
    ),
    size=(256, 256),
    condition_channels=1,
    condition_first=True,
    needs="the image to restore, in [-1, 1]",
)

MSDSR = Fingerprint(
    system="msdsr",
    variant="48 × 48",
    title="MSDSR",
    purpose="Makes a volume isotropic that is coarse along z, by filling in the rows between known ones.",
    task="superres",
    citation=(
        "Jiang et al., Super-resolution of biomedical volumes with 2D supervision, CVPRW 2024, "
        "arXiv:2404.09425",
    ),
    attention={"head_channels": 32},
    diffusion=DiffusionSpec(
        "epsilon",
        ScheduleSpec("cosine", count=1000),
        time="index",
        steps=20,
        published_steps=200,
        published_eta=1.0,
    ),
    size=(48, 48),
    state_channels=3,
    data_range=(0.0, 1.0),
    needs="the known rows of an image of 48 × 48 pixels in [0, 1], grey copied to three channels",
)

SYSTEMS: dict[System, Fingerprint] = {
    "dispr": DISPR,
    "smlm": SMLM,
    "restoration": RESTORATION,
    "msdsr": MSDSR,
}


def recognise(facts: Facts) -> Fingerprint | None:
    """The published model that a network is, or ``None``."""
    for try_one in (_dispr, _smlm, _restoration, _msdsr):
        if fingerprint := try_one(facts):
            return fingerprint
    return None


def _dispr(facts: Facts) -> Fingerprint | None:
    common: dict[str, Any] = {
        "dims": 3,
        "in_channels": 3,
        "out_channels": 2,
        "model_channels": 32,
        "channel_multipliers": (1, 2, 3, 4),
    }
    if facts.are("openai-unet", **common, res_blocks=1, scale_shift_norm=False, attention_downsampling=(4,)):
        return DISPR
    if facts.are("openai-unet", **common, res_blocks=2, scale_shift_norm=True, attention_downsampling=(4, 8)):
        return replace(DISPR, variant="defaults of its scripts", attention={"heads": 4})
    return None


# Image size by multipliers and by where the attention at 16 and 8 pixels then is.
_SMLM_SIZES: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {
    ((1, 1, 2, 2, 2, 2), (16, 32)): 256,
    ((1, 1, 2, 2, 2), (8, 16)): 128,
    ((1, 2, 2, 2), (4, 8)): 64,
    ((1, 2, 3, 4), (4, 8)): 64,  # the conditional network of 64 pixels
    ((1, 2, 2, 2), (2, 4)): 32,
}


def _smlm(facts: Facts) -> Fingerprint | None:
    if facts.arguments.get("classes") or not facts.are(
        "openai-unet", dims=2, out_channels=3, model_channels=64, res_blocks=1, scale_shift_norm=True
    ):
        return None
    conditional = {3: False, 6: True}.get(facts.arguments["in_channels"])
    layout = (
        _plain(facts.arguments["channel_multipliers"]),
        _plain(facts.arguments["attention_downsampling"]),
    )
    size = _SMLM_SIZES.get(layout)
    if size is None or conditional is None or (layout[0] == (1, 2, 3, 4) and not conditional):
        return None
    variant = f"{size} × {size}" + (", conditional" if conditional else "")
    if not conditional:
        return replace(SMLM, variant=variant, size=(size, size))
    needs = "a low-resolution image, enlarged linearly, in [-1, 1], grey copied to three channels"
    return replace(SMLM, variant=variant, size=(size, size), condition_channels=3, needs=needs)


def _restoration(facts: Facts) -> Fingerprint | None:
    if not facts.are(
        "edm2-unet",
        in_channels=2,
        out_channels=1,
        model_channels=64,
        channel_multipliers=(1, 2, 4, 8),
        res_blocks=2,
        attention_resolutions=(),
    ):
        return None
    size = int(facts.arguments["image_size"])
    return replace(RESTORATION, variant=f"{size} × {size}", size=(size, size))


def _msdsr(facts: Facts) -> Fingerprint | None:
    if not facts.are(
        "openai-unet",
        dims=2,
        in_channels=3,
        out_channels=3,
        channel_multipliers=(1, 2, 3, 4),
        res_blocks=2,
        attention_downsampling=(2, 4, 8),
        scale_shift_norm=False,
        classes=None,
    ):
        return None
    # Other networks have these layers too; the published width or the names of its training code tell it.
    width = facts.arguments["model_channels"]
    if width != 224 and facts.prefix != "model.diffusion_model.":
        return None
    return MSDSR if width == 224 else replace(MSDSR, variant=f"48 × 48, {width} channels")


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
