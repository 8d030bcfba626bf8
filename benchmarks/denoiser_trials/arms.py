"""What is tried, each alone: what the network is shown, and what its output means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from benchmarks.denoiser_trials.stabilising import Stabilised
from torch import Tensor, nn
from torch.nn import functional

from napari_diffuscope.weights.card import NetworkSpec
from napari_diffuscope.weights.folder import build_network

STARTER: Mapping[str, Any] = {
    "dims": 2,
    "widths": [48, 96, 224],
    "encoder_blocks": [1, 1, 2],
    "decoder_blocks": [1, 1],
    "wavelets": 4,
}
LARGE = [68, 136, 320]

Estimate = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Best estimate of a network for noisy patches ``(B, 1, Y, X)`` and what was measured on their images ``(B, 6)``."""


def plain(network: nn.Module, noisy: Tensor, measured: Tensor) -> Tensor:
    """The network is shown the image alone."""
    return _pure_noise(network, noisy)


def with_map(network: nn.Module, noisy: Tensor, measured: Tensor) -> Tensor:
    """Beside the image: decadic logarithm of the noise at each pixel, correlation of neighbours along Y and X."""
    gain, dark, deviation, least = (measured[:, i, None, None, None] for i in range(4))
    signal = functional.avg_pool2d(noisy, 5, stride=1, padding=2, count_include_pad=False)
    variance = torch.maximum(gain * (signal - dark) + deviation.square(), least.clamp(min=1e-8))
    correlations = measured[:, 4:, None, None].expand(-1, -1, *noisy.shape[2:])
    return _pure_noise(network, torch.cat((noisy, variance.log10() / 2 + 1, correlations), 1))


def stabilised(network: nn.Module, noisy: Tensor, measured: Tensor) -> Tensor:
    """The image goes through the generalised Anscombe transform, the output through its unbiased inverse."""
    transform = Stabilised.of(measured)
    return transform.inverse(_pure_noise(network, transform.forward(noisy)))


def _pure_noise(network: nn.Module, shown: Tensor) -> Tensor:
    """x₀ = -v at pure noise."""
    state = torch.zeros_like(shown[:, :1])
    output: Tensor = network(torch.cat((state, shown), 1), torch.ones(len(shown)))
    return -output


@dataclass(frozen=True)
class Arm:
    """One trial.

    Parameters
    ----------
    title
        What the table calls it.
    estimate
        What the network is shown, and what its output means.
    changes
        To the arguments of the starter's network.
    learning_rate, decay_from
        Height of the rate, and the share of the time from which on it falls to nothing.
    """

    title: str
    estimate: Estimate = plain
    changes: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 1e-2
    decay_from: float = 0.3

    def network(self) -> nn.Module:
        """A fresh network, the same at each call but for its random weights."""
        return build_network(NetworkSpec("local-unet", {**STARTER, **self.changes}))


ARMS: Mapping[str, Arm] = {
    "plain": Arm("image alone"),
    "map": Arm("and a map of its noise", with_map, {"condition_channels": 4, "wavelet_inputs": 2}),
    "stabilised": Arm("stabilised image", stabilised),
    "large": Arm("image alone, 5 M parameters", changes={"widths": LARGE}),
    "rate": Arm("image alone, rate falls from the start", decay_from=0.0),
}
