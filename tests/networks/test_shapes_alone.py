"""Networks that are built of shapes alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.networks.shapes_alone import built_of_shapes


@pytest.mark.parametrize(
    "make",
    [
        lambda: LocalUNet(LocalUNetConfig(wavelets=2)),
        lambda: OpenAIUNet(OpenAIUNetConfig(model_channels=32, channel_multipliers=(1, 2))),
        lambda: EDM2UNet(EDM2UNetConfig()),
    ],
)
def test_they_have_the_shapes_of_real_ones_and_draw_no_numbers(make: Callable[[], nn.Module]) -> None:
    before = torch.get_rng_state()
    shapes = built_of_shapes(make)
    assert torch.equal(torch.get_rng_state(), before)
    described = {
        name: (tensor.shape, tensor.dtype, tensor.device.type) for name, tensor in shapes.state_dict().items()
    }
    real = {name: (tensor.shape, tensor.dtype, "meta") for name, tensor in make().state_dict().items()}
    assert described == real
    assert all(tensor.is_meta for tensor in (*shapes.parameters(), *shapes.buffers()))


def test_what_needs_values_is_built_all_the_same() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(400, 400) + torch.eye(400))

    assert built_of_shapes(Odd).weight.shape == (400, 400)
