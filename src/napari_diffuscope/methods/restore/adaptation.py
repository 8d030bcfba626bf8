"""What a restoration takes over from the image itself: a filter for noise along lines, and scales in the network."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.imaging.line_filter import LineFilter
from napari_diffuscope.imaging.tiles import Region
from napari_diffuscope.measure.noise_model import NoiseModel
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.model import Model


@dataclass(frozen=True)
class Adaptation:
    """What was learned from one channel.

    Parameters
    ----------
    channel
        Index along C, 0 without that axis.
    planes
        Flat indices of the planes that it was learned from.
    noise
        Its white noise, after the filter; ``None`` where none was measured.
    correlation
        Of the noise of neighbouring pixels along Y and X.
    filter
        What makes the noise white; ``None`` where it is white, where that gains nothing, or nothing can be done.
    scales
        For each residual block of the network what is added to the scales of its channels; ``None`` for nothing.
    losses
        Blind-spot loss of the network as it is, and with the scales, whether they are used or not; in variances of
        the noise.
    filter_gains
        By how much the loss falls by a filter, used or not: at hidden pixels, and on added noise; ``None`` where
        there is none to be tried.
    refused
        Why nothing could be learned, as the end of a sentence; empty where something could.
    """

    channel: int
    planes: tuple[int, ...]
    noise: NoiseModel | None
    correlation: tuple[float, float]
    filter: LineFilter | None = None
    scales: tuple[np.ndarray, ...] | None = None
    losses: tuple[float, float] | None = None
    filter_gains: tuple[float, float] | None = None
    refused: str = ""

    def model(self, model: Model) -> Model:
        """The model as it works on this channel."""
        if self.scales is None:
            return model
        assert isinstance(model.network, LocalUNet)
        return replace(model, network=model.network.scaled(tensors(self.scales, model.device)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, for the record, exact."""
        return {
            "channel": self.channel,
            "planes": list(self.planes),
            "noise": self.noise and self.noise.to_dict(),
            "correlation": list(self.correlation),
            "filter": self.filter and self.filter.to_dict(),
            "scales": None if self.scales is None else [_text(each) for each in self.scales],
            "losses": None if self.losses is None else list(self.losses),
            "filter_gains": None if self.filter_gains is None else list(self.filter_gains),
            "refused": self.refused,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Adaptation:
        """The adaptation of a record."""
        noise, line, scales, losses = (values[name] for name in ("noise", "filter", "scales", "losses"))
        return cls(
            int(values["channel"]),
            tuple(map(int, values["planes"])),
            noise and NoiseModel(noise["gain"], noise["dark"], noise["deviation"], noise["least_variance"]),
            (float(values["correlation"][0]), float(values["correlation"][1])),
            line and LineFilter.from_dict(line),
            None if scales is None else tuple(map(_array, scales)),
            _pair(losses),
            _pair(values.get("filter_gains")),  # earlier versions used every filter that made noise white
            str(values.get("refused", "")),
        )


def tensors(scales: Iterable[np.ndarray], device: torch.device) -> list[Tensor]:
    """Scales as tensors on a device."""
    return [torch.from_numpy(np.array(each)).to(device) for each in scales]


def region_around(adaptations: Iterable[Adaptation], region: Region, shape: Sequence[int]) -> Region:
    """What the network has to work on, so that all filters can be undone in a region."""
    wider = region
    for each in adaptations:
        if each.filter is not None:
            (y0, y1), (x0, x1) = each.filter.around(region, shape)
            wider = (
                (min(wider[0][0], y0), max(wider[0][1], y1)),
                (min(wider[1][0], x0), max(wider[1][1], x1)),
            )
    return wider


def inside(region: Region, wider: Region) -> tuple[slice, slice]:
    """Where a region lies in a wider one."""
    rows, columns = (slice(a - first, b - first) for (a, b), (first, _) in zip(region, wider, strict=True))
    return rows, columns


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]))


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _array(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
