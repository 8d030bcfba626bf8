"""The record that a result carries: everything needed to make it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.methods.restore.settings import RestoreSettings

if TYPE_CHECKING:
    from napari_diffuscope.weights.model import Model

RECORD_KEY = "napari-diffuscope"
"""Key of the record in a layer's metadata."""


def begun_record(
    method: str,
    image: Image,
    settings: dict[str, Any],
    model: Model,
    intensities: tuple[ChannelIntensity, ...],
    *,
    device: str,
) -> dict[str, Any]:
    """What the records of all methods say: versions, model, settings, device, intensities and input."""
    import torch

    from napari_diffuscope import __version__

    return {
        "method": method,
        "plugin": __version__,
        "torch": str(torch.__version__),
        "model": {"name": model.card.name, "title": model.card.title, "sha256": model.sha256},
        "settings": settings,
        "device": device,
        "threads": torch.get_num_threads(),
        "intensity": [
            {"channel": c.channel, "offset": c.map.offset, "scale": c.map.scale, "planes": list(c.planes)}
            for c in intensities
        ],
        "input": {
            "name": image.name,
            "source": image.source,
            "series": image.series,
            "shape": list(image.shape),
            "axes": image.axes,
            "dtype": str(image.dtype),
        },
        **({"axes": image.typed_axes} if image.typed_axes else {}),
        "seconds": 0.0,
        "messages": list(image.notes),
    }


def restoration_record(
    image: Image,
    settings: RestoreSettings,
    model: Model,
    intensities: tuple[ChannelIntensity, ...],
    *,
    device: str,
) -> dict[str, Any]:
    """JSON-able record of a restoration; ``seconds`` and ``planes_done`` are added as it goes."""
    begun = begun_record("restoration", image, settings.to_dict(), model, intensities, device=device)
    return {**begun, "planes_done": []}
