"""The record that a super-resolved volume carries: everything needed to make it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.intensity import ChannelIntensity
from napari_diffuscope.methods.record import begun_record
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
    begun = begun_record("superresolution", image, settings.to_dict(), model, intensities, device=device)
    return {
        **begun,
        "input": {**begun["input"], "scale": list(image.scale), "units": list(image.units)},
        "factor": scale.factor,
        "plane_spacing": scale.stride,
        "measured_planes": measured,
        "disagreement": [],
    }
