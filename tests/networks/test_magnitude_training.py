"""In training the network takes another way to the same numbers, with fewer passes over maps and filters."""

from __future__ import annotations

import pytest
import torch

from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.networks.magnitude import MPConv, filter_norms


def prepared(**options: object) -> LocalUNet:
    """A network with filters of unit norm and all its gains at work."""
    torch.manual_seed(0)
    network = LocalUNet(LocalUNetConfig(**{"embedding": 16, "wavelets": 3, **options}))  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 0:
                parameter.fill_(0.4)
            elif parameter.dim() > 1:
                parameter.div_(filter_norms(parameter))
    return network


def pass_of(network: LocalUNet, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Output, and the gradients of a sum in which every pixel has its own weight."""
    network.zero_grad()
    output = network(x, torch.tensor([0.3, 0.9]))
    (output * torch.arange(output.numel()).view_as(output).sin()).sum().backward()
    gradients = {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    return output.detach(), gradients


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"widths": (16, 24, 32), "encoder_blocks": (1, 1, 2), "decoder_blocks": (2, 1)}, (2, 2, 32, 64)),
        (
            {"widths": (8, 12), "encoder_blocks": (2, 1), "decoder_blocks": (1,), "wavelets": 0},
            (2, 2, 16, 16),
        ),
        (
            {
                "dims": 3,
                "stem": (1, 2, 2),
                "widths": (8, 8),
                "encoder_blocks": (1, 1),
                "decoder_blocks": (1,),
            },
            (2, 2, 4, 16, 16),
        ),
    ],
)
def test_training_and_inference_agree(options: dict[str, object], shape: tuple[int, ...]) -> None:
    network, x = prepared(**options), torch.randn(shape, generator=torch.Generator().manual_seed(1))
    trained, gradients = pass_of(network.train(), x)
    used, expected = pass_of(network.eval(), x)
    assert float((trained - used).abs().max()) < 1e-5 * float(used.abs().max())
    assert set(gradients) == set(expected)
    for name, gradient in gradients.items():
        error = float((gradient - expected[name]).norm() / (expected[name].norm() + 1e-6))
        assert error < 1e-3, name


def test_filters_are_renormalised_and_their_gradient_turns_them_only() -> None:
    torch.manual_seed(1)
    layer = MPConv(6, 4, (3, 3)).train()
    with torch.no_grad():
        layer.weight.mul_(5)
    layer(torch.randn(2, 6, 8, 8)).square().sum().backward()
    assert layer.weight.grad is not None
    torch.testing.assert_close(filter_norms(layer.weight).flatten(), torch.ones(4), rtol=1e-3, atol=0)
    along = (layer.weight * layer.weight.grad).sum((1, 2, 3)).abs()
    assert bool((along < 2e-3 * layer.weight.grad.flatten(1).norm(dim=1)).all())


def test_mixed_precision_gets_filters_of_its_type() -> None:
    layer = MPConv(6, 4, (3, 3)).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.trained().dtype == torch.bfloat16
        layer(torch.randn(1, 6, 8, 8)).float().sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert layer.trained().dtype == torch.float32
