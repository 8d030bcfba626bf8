"""The architecture of our local UNet, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_diffuscope.networks.config import NetworkConfig


@dataclass(frozen=True)
class LocalUNetConfig(NetworkConfig):
    """Architecture of a :class:`LocalUNet`.

    Parameters
    ----------
    dims
        Number of spatial axes, 2 or 3.
    channels
        Channels of the noisy state and of the output.
    condition_channels
        Channels of the image that the network is conditioned on; 0 for none.
    widths
        Channels per resolution level, finest first; the last is the middle.
    encoder_blocks, decoder_blocks
        Residual blocks per level; one entry less for the decoder, which has no middle.
    stem
        Space-to-depth factor per spatial axis.
    pool
        Factor between levels per spatial axis; the default is 2 along each.
    kernel
        Width of the convolutions per spatial axis, 1 or 3; the default is 3 along each. A stem as long as an axis puts
        that axis into the channels, and needs no more than 1 along it.
    classes
        Number of classes to condition on; 0 for none.
    numbers
        Count of numbers to condition on, such as a density or what was done to a training image; 0 for none. All
        zeros stand for nothing known and nothing done.
    embedding
        Features of the noise-level embedding.
    smoothed
        Number of copies of the state, smoothed ever more, among the inputs; 0 for none.
    wavelets
        Starlet bands of details of each input channel that reach the output directly; 0 for no such path.
    wavelet_inputs
        Number of input channels, counted from the first, that have bands; 0 for all.
    wavelet_start
        What the untrained wavelet path makes of the condition: ``smooth`` smooths it mildly, ``identity`` leaves it.
    """

    dims: int = 2
    channels: int = 1
    condition_channels: int = 1
    widths: tuple[int, ...] = (48, 96, 192)
    encoder_blocks: tuple[int, ...] = (1, 1, 2)
    decoder_blocks: tuple[int, ...] = (1, 1)
    stem: tuple[int, ...] = (2, 2)
    pool: tuple[int, ...] = ()
    kernel: tuple[int, ...] = ()
    classes: int = 0
    numbers: int = 0
    embedding: int = 128
    smoothed: int = 0
    wavelets: int = 0
    wavelet_inputs: int = 0
    wavelet_start: Literal["smooth", "identity"] = "smooth"

    def __post_init__(self) -> None:
        for name in ("widths", "encoder_blocks", "decoder_blocks", "stem", "pool", "kernel"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.pool:
            object.__setattr__(self, "pool", (2,) * self.dims)
        if not self.kernel:
            object.__setattr__(self, "kernel", (3,) * self.dims)
        if self.dims not in (2, 3) or len(self.stem) != self.dims or len(self.pool) != self.dims:
            raise ValueError(f"a network has 2 or 3 axes, each with a stem and a pool factor, not {self}")
        if len(self.kernel) != self.dims or not set(self.kernel) <= {1, 3}:
            raise ValueError(f"a convolution is 1 or 3 wide along each of its axes, not {self.kernel}")
        if not 0 <= self.wavelet_inputs <= self.channels + self.condition_channels:
            raise ValueError(f"there are no {self.wavelet_inputs} input channels to take bands of in {self}")
        if self.wavelet_start not in ("smooth", "identity"):
            raise ValueError(f"wavelet_start must be smooth or identity, not {self.wavelet_start!r}")
        if len(self.encoder_blocks) != len(self.widths) or len(self.decoder_blocks) != len(self.widths) - 1:
            raise ValueError(f"{len(self.widths)} widths do not fit the numbers of blocks in {self}")

    @property
    def bands(self) -> int:
        """Number of starlet bands of all input channels that have some."""
        return (self.wavelets + 1) * self.banded if self.wavelets else 0

    @property
    def banded(self) -> int:
        """Number of input channels that have bands."""
        return self.wavelet_inputs or self.channels + self.condition_channels
