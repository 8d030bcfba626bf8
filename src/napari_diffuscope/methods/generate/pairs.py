"""What a user chooses for training pairs: the controls of `simulate.twins.TwinOptics`, declared. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_diffuscope.methods import common_settings as common
from napari_diffuscope.methods.declared import Settings, declared

_MODE_WORDS = {
    "camera": (
        "Microscope and camera",
        "Blurred by the objective, recorded on the pixels of a camera with the noise of light and electronics.",
    ),
    "paper": (
        "As in the paper",
        "As Saguy et al. 2024 made theirs: a smooth background, a Gaussian blur, and noise.",
    ),
}
_CAMERA = ("camera",)


@dataclass(frozen=True)
class PairSettings(Settings):
    """How the low-quality twin of an image is made; each is declared here."""

    mode: Literal["camera", "paper"] = declared(
        "camera", "Twin", "How the low-quality image is made.", words=_MODE_WORDS
    )
    numerical_aperture: float = declared(
        1.4, "Numerical aperture", "Of the objective. Smaller ones blur more.", low=0.05, high=1.7, step=0.05
    )
    wavelength: float = declared(
        600.0,
        "Wavelength",
        "Of the light that is recorded, in nm. Longer ones blur more.",
        low=200.0,
        high=2000.0,
        unit="nm",
    )
    camera_pixel: float | None = declared(
        None,
        "Camera pixel",
        "Edge of a camera pixel as seen in the specimen, in µm. Low-quality images are interpolated back to the "
        "pixels of the others. 0.1 µm, or those of the images where these are coarser.",
        low=0.005,
        high=100.0,
        unit="µm",
        step=0.01,
        unset="0.1 µm",
        modes=_CAMERA,
    )
    photons: float = declared(
        200.0, "Photons", "Per pixel where the image is brightest. Fewer are noisier.", low=0.1, high=1e6, step=10.0,
        modes=_CAMERA,
    )  # fmt: skip
    background: float = declared(
        5.0, "Background", "Photons per pixel everywhere.", low=0.0, high=1e6, step=1.0, modes=_CAMERA
    )
    read_noise: float = declared(
        1.5,
        "Read noise",
        "Of the camera, in electrons; as in the paper, of its normal noise as a share of the range.",
        low=0.0,
        high=1000.0,
    )
    pixel_size: float | None = common.pixel_size()
    seed: int = common.seed(())
