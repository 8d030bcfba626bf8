"""Features of the Inception network, for those who have its weights: the usual FID."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.features import patch_array


@dataclass(frozen=True)
class InceptionFeatures:
    """The last pooled layer of Inception v3, 2048 numbers, as torch-fidelity computes them.

    The network has seen photographs, not micrographs, at 299 x 299 pixels in colour: patches are clipped to 8 bits,
    repeated in three channels and enlarged. Torch and torch-fidelity are loaded by the first use.

    Parameters
    ----------
    weights
        The file ``weights-inception-2015-12-05-6726825d.pth`` of torch-fidelity or pytorch-fid. Nothing is downloaded.
    low, high
        Intensities that become 0 and 255; the same for both sets.
    batch
        Patches at a time.
    """

    weights: Path
    low: float
    high: float
    batch: int = 16
    name: str = "inception"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise DiffuscopeError(f"low must be smaller than high, not {self.low} and {self.high}.")

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, 2048)``."""
        network = self._network
        import torch

        array = (patch_array(patches) - self.low) / (self.high - self.low)
        grey = torch.from_numpy(np.rint(255 * np.clip(array, 0, 1)).astype(np.uint8))
        with torch.inference_mode():
            parts = [grey[start : start + self.batch] for start in range(0, len(grey), self.batch)]
            features = [network(part[:, None].expand(-1, 3, -1, -1))[0] for part in parts]
        return np.asarray(torch.cat(features).double().numpy())

    @cached_property
    def _network(self) -> Any:
        path = Path(self.weights)
        if not path.is_file():
            raise DiffuscopeError(f"There is no file of Inception weights at {path}.")
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (  # type: ignore[import-not-found, unused-ignore]
                FeatureExtractorInceptionV3,
            )
        except ImportError as error:
            raise DiffuscopeError(
                "Inception features need torch-fidelity: pip install 'napari-diffuscope[fid]'."
            ) from error
        except RuntimeError as error:  # torchvision made for another torch fails when it is loaded
            raise DiffuscopeError(
                f"torch-fidelity does not load, perhaps for a torchvision that does not fit torch: {error}."
            ) from error
        _must_be_plain(path)
        try:
            return FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=str(path)
            )
        except RuntimeError as error:
            raise DiffuscopeError(f"{path} does not hold the Inception weights of torch-fidelity.") from error


def _must_be_plain(path: Path) -> None:
    """Refuse a file that would run code when torch-fidelity, which does not check, reads it."""
    import torch

    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise DiffuscopeError(f"{path} is not a file of plain weights, so it is not read.") from error
