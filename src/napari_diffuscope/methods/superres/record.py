"""The record that a super-resolved volume carries: everything needed to make it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.methods.superres.scale import ZScale
from napari_diffuscope.methods.superres.settings import SuperresSettings

if TYPE_CHECKING:
    from napari_diffuscope.weights.model import Model


def superres_record(
    image: Image,
    settings: SuperresSettings,
    model: Model,
    scale: ZScale,
    intensities: tuple[ChannelIntensity, ...],
    *,
    device: str,
    measured: str,
) -> dict[str, Any]:
    """JSON-able record; ``seconds``, ``disagreement`` and ``messages`` are filled as it goes.

    ``measured_planes`` says what became of them: ``bit-exact``, ``estimated`` (the network's value), or
    ``interpolated`` (the factor is no whole number, so they lie between planes of the output).
    ``disagreement`` is the root mean square difference, in the units of the image, between what the slices along
    x and those along y say before they are brought together for the last time, per volume.
    """
    import torch

    from napari_diffuscope import __version__

    return {
        "method": "superresolution",
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
            "scale": list(image.scale),
            "units": list(image.units),
        },
        "factor": scale.factor,
        "plane_spacing": scale.stride,
        "measured_planes": measured,
        "disagreement": [],
        "seconds": 0.0,
        "messages": [],
    }
