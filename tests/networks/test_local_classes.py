"""Classes and numbers that the local network is told."""

from __future__ import annotations

import torch

from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig


def small(**more: int) -> LocalUNet:
    config = LocalUNetConfig(
        condition_channels=0, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1,), embedding=16, **more
    )
    torch.manual_seed(0)
    network = LocalUNet(config).eval()
    for name, parameter in network.named_parameters():
        if name.endswith("level_gain"):  # zero before training: then nothing depends on the embedding
            parameter.data.fill_(1.0)
    return network


@torch.inference_mode()
def test_class_changes_the_image_and_weights_of_one_class_are_that_class() -> None:
    network, x, t = small(classes=3), torch.randn(2, 1, 16, 16), torch.tensor([0.5])
    by_number = network(x, t, torch.tensor([1]))
    by_weights = network(x, t, torch.tensor([[0.0, 1.0, 0.0]]))
    assert torch.equal(by_number, by_weights)
    assert (by_number - network(x, t, torch.tensor([2]))).abs().max() > 0.01
    assert (by_number - network(x, t, torch.zeros(1, 3))).abs().max() > 0.01


@torch.inference_mode()
def test_mixture_lies_near_neither_class_alone_and_each_member_has_its_own() -> None:
    network, x, t = small(classes=2), torch.randn(1, 1, 16, 16), torch.tensor([0.5])
    pure, mixed = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    together = network(x.expand(2, -1, -1, -1), torch.tensor([0.5]), torch.cat((pure, mixed)))
    torch.testing.assert_close(together[:1], network(x, t, pure))
    torch.testing.assert_close(together[1:], network(x, t, mixed))
    assert (together[0] - together[1]).abs().max() > 0.001


@torch.inference_mode()
def test_numbers_change_the_image_and_zeros_are_none() -> None:
    network, x, t = small(numbers=3), torch.randn(1, 1, 16, 16), torch.tensor([0.5])
    assert torch.equal(network(x, t), network(x, t, None, torch.zeros(1, 3)))
    assert (network(x, t) - network(x, t, None, torch.tensor([[1.0, 0.5, 0.0]]))).abs().max() > 0.01


def test_networks_without_either_have_the_tensors_they_had() -> None:
    names = set(small().state_dict())
    assert not {name for name in names if "class" in name or "number" in name}
    assert set(small(numbers=2).state_dict()) - names == {"embed_numbers.weight"}
