"""A model that is ready to denoise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_diffuscope.diffusion.ancestral import Estimate, split_variance
from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.diffusion.schedule import CosineSchedule, DiscreteSchedule, NoiseLevel
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from napari_diffuscope.weights.catalogue import find_model
from napari_diffuscope.weights.diffusers_folder import is_diffusers_folder, open_diffusers
from napari_diffuscope.weights.folder import read_folder, sha256_of
from napari_diffuscope.weights.published import Opened, open_checkpoint
from napari_diffuscope.weights.schedules import LOWEST_ALPHA_BAR, build_schedule
from napari_diffuscope.weights.sidecar import NO_ANSWERS, Sidecar
from napari_diffuscope.weights.ways_on import CHOOSE_WEIGHTS

WEIGHTS_SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin")
"""Endings of files of weights."""


@dataclass(frozen=True)
class Model:
    """A network with what is needed to use it.

    Parameters
    ----------
    card
        What is known about it.
    network
        The bare module, in inference mode; called as ``network(input, t)``.
    source
        The folder or file that it was opened from.
    """

    card: ModelCard
    network: nn.Module
    source: Path | None = None

    @property
    def schedule(self) -> CosineSchedule | DiscreteSchedule:
        """Noise levels to sample with: for ε networks without those where their error explodes."""
        clipped = self.card.diffusion.prediction == "epsilon"
        lowest = LOWEST_ALPHA_BAR if clipped else 0.0
        return build_schedule(self.card.diffusion.schedule, lowest_alpha_bar=lowest)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def time_of(self, level: NoiseLevel) -> float:
        """What the network is told of a level."""
        spec = self.card.diffusion
        match spec.time:
            case "rescaled":
                return level.time * 1000 / spec.schedule.count
            case "alpha-bar":
                return level.alpha**2
            case "continuous" | "index":
                return level.time

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights file; of a checkpoint it is computed when first asked for."""
        if self.card.sha256 or self.source is None or self.source.is_dir():
            return self.card.sha256
        status = self.source.stat()
        return _sha256_of(self.source, status.st_size, status.st_mtime_ns)

    def estimate(self, x: Tensor, level: NoiseLevel, condition: Tensor | None = None) -> Tensor:
        """Estimate of the clean image, E[x₀ | x_t, condition].

        Parameters
        ----------
        x
            State ``(B, C, *space)`` at ``level``. At pure noise it holds no information and is replaced by
            zeros, so that the posterior mean given the condition depends on no random number.
        level
            Noise level.
        condition
            ``(B, Cc, *space)``, concatenated as the network expects it.

        Returns
        -------
        Tensor
            ``(B, C, *space)`` in the network's range.
        """
        return self.full_estimate(x, level, condition).clean

    def full_estimate(self, x: Tensor, level: NoiseLevel, condition: Tensor | None = None) -> Estimate:
        """Like :meth:`estimate`, with the variance of the ancestral step where the network learned one."""
        spec = self.card.diffusion
        if level.alpha == 0:
            x = torch.zeros_like(x)
        time = torch.tensor([self.time_of(level)], dtype=torch.float32, device=x.device)
        output, variance = split_variance(self.prediction(self._inputs(x, condition), time), x.shape[1])
        clean = clean_estimate(spec.prediction, x, output, level)
        return Estimate(clean if spec.clip is None else clean.clamp_(*spec.clip), variance)

    def prediction(self, inputs: Tensor, time: Tensor) -> Tensor:
        """What the network says of its inputs; a model that is told more tells its network."""
        output: Tensor = self.network(inputs, time)
        return output

    def _inputs(self, x: Tensor, condition: Tensor | None) -> Tensor:
        if condition is None:
            return x
        return torch.cat((condition, x) if self.card.condition_first else (x, condition), 1)


def load_model(name_or_path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Model:
    """Open a model by name or path.

    Parameters
    ----------
    name_or_path
        Name in the catalogue, or path: of a model folder, of a checkpoint of one of the published systems
        (``.pt``, ``.pth``, ``.ckpt``, ``.safetensors``; see :mod:`napari_diffuscope.weights.sidecar` for
        others), or of a folder that diffusers wrote. Nothing in a file is run.
    device
        Where to put the weights.

    Raises
    ------
    DiffuscopeError
        If there is no such model, it is damaged or of an unknown kind; the sentence says which tensors are
        wrong, missing or extra, or what must be written beside the file.
    """
    path = model_place(name_or_path)
    with reading(path, "model"):
        if (path / CARD_FILE).is_file():
            card, network = read_folder(path)
        else:
            opened = open_published(path)
            card, network = opened.card, opened.network()
    return Model(card, network.to(device).eval().requires_grad_(False), path)


def model_place(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder or checkpoint that is meant; a file in a model folder means the folder."""
    path = Path(find_model(name_or_path))
    if path.name == CARD_FILE or (path.name == WEIGHTS_FILE and (path.parent / CARD_FILE).is_file()):
        return path.parent
    if (
        path.name.startswith("diffusion_pytorch_model")
        and path.is_file()
        and is_diffusers_folder(path.parent)
    ):
        return path.parent
    return path


def open_published(path: Path, answers: Sidecar = NO_ANSWERS) -> Opened:
    """Open what is no model folder: a diffusers folder or a checkpoint.

    Parameters
    ----------
    path
        The folder or file.
    answers
        What is said about it, which goes before its sidecar file.

    Raises
    ------
    DiffuscopeError
        If it is neither.
    """
    if not path.is_dir():
        return open_checkpoint(path, answers)
    if is_diffusers_folder(path):
        return open_diffusers(path, answers)
    refuse_zoo_package(path, path)
    raise no_model_in(path)


def no_model_in(folder: Path) -> DiffuscopeError:
    """The sentence about a folder that is no model; it names the files of weights that may be opened by themselves."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in WEIGHTS_SUFFIXES)
    sentence = (
        f"{folder} is no model: it has neither {CARD_FILE} nor, as diffusers writes, model_index.json "
        "or config.json"
    )
    if not names:
        return DiffuscopeError(f"{sentence}; {CHOOSE_WEIGHTS}, or the folder above or below it.")
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return DiffuscopeError(f"{sentence}; open a file of weights in it instead ({some}).")


def refuse_zoo_package(folder: Path, source: Path) -> None:
    """Refuse a package of the BioImage Model Zoo that was not exported from here.

    Parameters
    ----------
    folder
        Where it lies, unpacked.
    source
        What to call it.

    Raises
    ------
    DiffuscopeError
        If it is one.
    """
    if (folder / CARD_FILE).is_file() or not any(
        (folder / name).is_file() for name in ("bioimageio.yaml", "rdf.yaml")
    ):
        return
    raise DiffuscopeError(
        f"{source} is a package of the BioImage Model Zoo whose network is no diffusion model of ours: only those that "
        "`diffuscope models export` wrote are imported; run this one in a program of the zoo."
    )


@lru_cache(maxsize=16)
def _sha256_of(path: Path, _size: int, _modified: int) -> str:
    return sha256_of(path)
