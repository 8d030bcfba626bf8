"""Whether generated images help: one super-resolution network, trained equally on different images.

The protocol of Saguy et al. (Small Methods 2024) in small: low-quality twins by their degradation, and whole real
fields that were kept out as the test, here seen through optics that no training saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from napari_diffuscope.evaluate.generate.settings import GenerateEvaluationSettings
from napari_diffuscope.evaluate.tables import Value
from napari_diffuscope.measure.correlation import fourier_ring_correlation
from napari_diffuscope.measure.quality import psnr
from napari_diffuscope.measure.similarity import ms_ssim
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.simulate.twins import TwinOptics, low_quality
from napari_diffuscope.training.generate.fields import Field
from napari_diffuscope.training.generate.patches import PatchPieces, Range

COLUMNS = ("arm", "seed", "field", "optics", "psnr", "ms_ssim", "resolution")
APERTURES, WAVELENGTHS = (1.2, 1.45), (560.0, 670.0)
"""Optics of the training are drawn from these."""

UNSEEN = {"NA 1.0, 700 nm": (1.0, 700.0), "NA 1.49, 500 nm": (1.49, 500.0)}
HIGHEST, LOW_GAIN = 1.5, 4.0
BATCH, RATE = 8, 5e-3
CONFIG = LocalUNetConfig(
    widths=(32, 64, 96), encoder_blocks=(1, 1, 1), decoder_blocks=(1, 1), wavelets=3, embedding=64
)


@dataclass(frozen=True)
class Arm:
    """What a network is trained on.

    Parameters
    ----------
    name
        For the tables.
    images
        Images to cut patches from, all alike.
    strong
        Whether patches are also turned by any angle, resized, bent and changed in contrast.
    other
        Further images that a share of the patches comes from.
    share
        How much of them.
    """

    name: str
    images: Sequence[np.ndarray]
    strong: bool = False
    other: Sequence[np.ndarray] = ()
    share: float = 0.5


def twin(
    image: np.ndarray, aperture: float, wavelength: float, rng: np.random.Generator, pixel_um: float
) -> np.ndarray:
    """The low-quality twin, float32 shares of the range."""
    optics = TwinOptics("paper", numerical_aperture=aperture, wavelength=wavelength, read_noise=1 / 20)
    return low_quality(image, optics, rng, pixel_um=pixel_um, limits=(0.0, 1.0))


class Pairs:
    """Pairs of patches of an arm by number: the low-quality twin and the image, float32."""

    def __init__(self, arm: Arm, *, patch: int, seed: int, pixel_um: float) -> None:
        self.arm, self.patch, self.seed, self.pixel_um = arm, patch, seed, pixel_um
        fields = [Field(0, str(n), np.asarray(image, np.float32)) for n, image in enumerate(arm.images)]
        self.strong = (
            PatchPieces(fields, classes=0, patch=patch, values=Range(2.0), densities=None, seed=seed)
            if arm.strong
            else None
        )

    def __call__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Both patches ``(P, P)`` of a number."""
        rng = np.random.default_rng([self.seed, number])
        if self.strong is not None:
            high = self.strong.drawn(rng, 0)[0] ** rng.uniform(0.7, 1.4)
        else:
            images = self.arm.other if self.is_other(number) else self.arm.images
            high = _cropped(rng, images[int(rng.integers(len(images)))], self.patch)
        return twin(high, rng.uniform(*APERTURES), rng.uniform(*WAVELENGTHS), rng, self.pixel_um), high

    def is_other(self, number: int) -> bool:
        """Whether a patch is one of the others: their share of the numbers, evenly spread."""
        share = self.arm.share
        return bool(self.arm.other) and int((number + 1) * share + 1e-9) > int(number * share + 1e-9)


def _cropped(rng: np.random.Generator, image: np.ndarray, patch: int) -> np.ndarray:
    y, x = (int(rng.integers(edge - patch + 1)) for edge in image.shape)
    piece = np.rot90(image[y : y + patch, x : x + patch], int(rng.integers(4)))
    return np.ascontiguousarray(piece[:, ::-1] if rng.uniform() < 0.5 else piece)


def trained(arm: Arm, *, patch: int, steps: int, seed: int, pixel_um: float) -> nn.Module:
    """The network after training on an arm; all arms take equal steps from equal weights."""
    torch.manual_seed(seed)
    network = LocalUNet(CONFIG).train()
    optimiser = torch.optim.Adam(network.parameters(), RATE, betas=(0.9, 0.99))
    pairs = Pairs(arm, patch=patch, seed=seed, pixel_um=pixel_um)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * step / steps))
        low, high = (
            np.stack(one) for one in zip(*(pairs(BATCH * step + n) for n in range(BATCH)), strict=True)
        )
        loss = (_estimate(network, low) - torch.as_tensor(_target(high))).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
    return network.eval()


def _target(high: np.ndarray) -> np.ndarray:
    return np.asarray(2 * np.clip(high, 0, HIGHEST)[:, None] / HIGHEST - 1, np.float32)


def _estimate(network: nn.Module, low: np.ndarray) -> torch.Tensor:
    """The network as its own regressor: what it says at pure noise is minus the image."""
    measured = torch.as_tensor(np.asarray(LOW_GAIN * low[:, None] - 1, np.float32))
    output: torch.Tensor = -network(
        torch.cat((torch.zeros_like(measured), measured), 1), torch.ones(len(low))
    )
    return output


def measured(network: nn.Module, fields: Sequence[Field], *, pixel_um: float) -> list[dict[str, Value]]:
    """Measures on whole fields, each seen through every optics that no training saw."""
    rows: list[dict[str, Value]] = []
    for field in fields:
        high = np.clip(_whole(field.pixels), 0, HIGHEST)
        for number, (name, (aperture, wavelength)) in enumerate(UNSEEN.items()):
            low = twin(high, aperture, wavelength, np.random.default_rng([9, number]), pixel_um)
            with torch.inference_mode():
                found = (_estimate(network, low[None])[0, 0].numpy() + 1) * HIGHEST / 2
            curve = fourier_ring_correlation(high, found, pixel_size=1000 * pixel_um)
            resolution = 2000 * pixel_um if curve.resolution is None else curve.resolution
            rows.append(
                {
                    "field": field.name,
                    "optics": name,
                    "psnr": psnr(high, found, data_range=1.0),
                    "ms_ssim": ms_ssim(high, found, data_range=1.0),
                    "resolution": min(resolution, 1000 * pixel_um * max(high.shape)),
                }
            )
    return rows


def _whole(pixels: np.ndarray) -> np.ndarray:
    """A field cut to a multiple of what networks take."""
    rows, columns = (edge // 16 * 16 for edge in pixels.shape)
    return np.asarray(pixels[:rows, :columns], np.float32)


def arms_of(
    fields: Sequence[Field],
    drawn: np.ndarray,
    generated: Mapping[str, np.ndarray],
    settings: GenerateEvaluationSettings,
    repeat: int = 0,
) -> list[Arm]:
    """What networks are trained on: real fields, the mathematical model, generated images, and what goes together.

    Parameters
    ----------
    fields
        Real fields of the class that may be learned from. Which of them are the few is drawn for every repeat, so that
        what is measured does not hang on one of them.
    drawn
        Images of the mathematical model.
    generated
        Images of each model, by its name.
    settings
        Of the evaluation: which arms, and on how many real fields.
    repeat
        Number of the repeat.
    """
    wanted, share = set(settings.arms), settings.generated_share
    order = np.random.default_rng([settings.seed + repeat, 3]).permutation(len(fields))
    counts = sorted({min(count or len(fields), len(fields)) for count in settings.real})
    real = {count: [fields[place].pixels for place in order[:count]] for count in counts}
    arms: list[Arm] = []
    if "real" in wanted:
        arms += [Arm(f"{count} real", images) for count, images in real.items()]
    if "drawn" in wanted:
        arms.append(Arm("mathematical model", list(drawn)))
    if "strong" in wanted:
        arms += [Arm(f"{count} real, strong augmentation", one, strong=True) for count, one in real.items()]
    for model, images in generated.items():
        if "generated" in wanted:
            arms.append(Arm(model, list(images)))
        if "both" in wanted:
            arms += [
                Arm(f"{count} real + {model}", one, other=list(images), share=share)
                for count, one in real.items()
            ]
    return arms
