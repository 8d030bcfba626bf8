"""The record that a result carries: everything needed to make it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.methods.settings import RestoreSettings

if TYPE_CHECKING:
    from napari_diffuscope.weights.model import Model

RECORD_KEY = "napari-diffuscope"
"""Key of the record in a layer's metadata."""


def restoration_record(
    image: Image,
    settings: RestoreSettings,
    model: Model,
    intensities: tuple[ChannelIntensity, ...],
    *,
    device: str,
) -> dict[str, Any]:
    """JSON-able record of a restoration; ``seconds`` and ``planes_done`` are added as it goes."""
    import torch

    from napari_diffuscope import __version__

    return {
        "method": "restoration",
        "plugin": __version__,
        "torch": str(torch.__version__),
        "model": {"name": model.card.name, "title": model.card.title, "sha256": model.sha256},
        "settings": settings.to_dict(),
        "device": device,
        "threads": torch.get_num_threads(),
        "intensity": [
            {"channel": c.channel, "offset": c.map.offset, "scale": c.map.scale, "planes": list(c.planes)}
            for c in intensities
        ],
        "input": {
            "name": image.name,
            "source": image.source,
            "shape": list(image.shape),
            "axes": image.axes,
            "dtype": str(image.dtype),
        },
        "seconds": 0.0,
        "planes_done": [],
        "messages": [],
    }
