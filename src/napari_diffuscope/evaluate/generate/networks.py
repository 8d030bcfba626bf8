"""Networks that have seen many photographs, where the user has their weights: further features to compare by."""

from __future__ import annotations

from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.generate.settings import GenerateEvaluationSettings
from napari_diffuscope.measure.dino import DinoFeatures
from napari_diffuscope.measure.features import Features
from napari_diffuscope.measure.inception import InceptionFeatures
from napari_diffuscope.weights.checkpoint import read_checkpoint


def networks_of(settings: GenerateEvaluationSettings, highest: float) -> list[Features]:
    """Features whose weights the settings name.

    Parameters
    ----------
    settings
        Of the evaluation.
    highest
        Brightest value of the real images, which is white; 0 is black.

    Raises
    ------
    DiffuscopeError
        If there is no such file, or it holds something else.
    """
    networks: list[Features] = []
    if settings.inception is not None:
        networks.append(InceptionFeatures(_file(settings.inception, "Inception"), 0.0, highest))
    if settings.dinov2 is not None:
        path = _file(settings.dinov2, "DINOv2")
        checkpoint = read_checkpoint(path)
        tensors = {name: checkpoint.open(name) for name in checkpoint.shapes}
        networks.append(DinoFeatures(tensors, 0.0, highest, path.name))
    return networks


def _file(place: str, what: str) -> Path:
    path = Path(place).expanduser()
    if not path.is_file():
        raise DiffuscopeError(
            f"There is no file {path}; give the weights of {what} as they are published, or leave --{what.lower()} out."
        )
    return path
