from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.convolution import packing_available
from napari_diffuscope.networks.edm2_layers import mp_cat, mp_silu, mp_sum, normalise
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from tests.published import describe, fill, recorded, relative_error

PLAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "_plain_networks.py"))

SMALL = EDM2UNetConfig(
    image_size=32,
    in_channels=3,
    out_channels=2,
    model_channels=16,
    channel_multipliers=(1, 2),
    res_blocks=1,
    head_channels=16,
    attention_resolutions=(16,),
)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network() -> EDM2UNet:
    network = EDM2UNet(SMALL).eval()
    fill(network)
    return network


@pytest.mark.slow
def test_answers_as_the_authors_network() -> None:
    record = recorded("wacv_edm2")
    network = EDM2UNet(EDM2UNetConfig.from_published(record.config)).eval()
    network.load_state_dict(record.state, strict=True)
    with torch.no_grad():
        output = network(record.input, record.t)
    assert relative_error(output, record.output) <= 1e-5


def test_has_the_published_numbers_of_tensors_and_parameters() -> None:
    with torch.device("meta"):
        network = EDM2UNet(EDM2UNetConfig.from_published(describe("wacv_edm2")["config"]))
    assert len(network.state_dict()) == 135
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 64.07
    assert [name for name in network.state_dict() if "attn_qkv" in name] == ["dec.32x32_in0.attn_qkv.weight"]


@pytest.mark.parametrize("size", [(32, 32), (16, 24)])
def test_equals_its_equations_at_any_size(network: EDM2UNet, size: tuple[int, int]) -> None:
    plain = PLAIN["PlainEDM2UNet"](SMALL, network.state_dict())
    x, levels = noise(2, 3, *size), torch.tensor([0.1, 0.9])
    with torch.no_grad():
        expected = plain(x, levels)
        assert relative_error(network(x, levels), expected) < 1e-5
    assert relative_error(network(x, levels).detach(), expected) < 1e-5
    with torch.no_grad():
        assert relative_error(network(x, levels[:1]), plain(x, levels[:1])) < 1e-5


def test_clips_activations(network: EDM2UNet) -> None:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "emb_gain" in name:
                parameter.fill_(3000.0)
        x, level = noise(1, 3, 16, 16), torch.tensor([0.5])
        expected = PLAIN["PlainEDM2UNet"](SMALL, network.state_dict())(x, level)
        seen: list[float] = []
        network.dec["32x32_block0"].register_forward_hook(lambda *_: seen.append(float(_[2].abs().max())))
        assert relative_error(network(x, level), expected) < 1e-3
    assert seen == [256.0]


@pytest.mark.skipif(
    not packing_available(), reason="torch's own convolutions may round differently per batch"
)
def test_results_do_not_depend_on_the_batch(network: EDM2UNet) -> None:
    x, level = noise(3, 3, 32, 32), torch.tensor([0.3])
    with torch.no_grad():
        together = network(x, level)
        apart = torch.cat([network(image[None], level) for image in x])
    assert torch.equal(together, apart)


def test_answers_the_same_where_weights_cannot_be_packed(
    network: EDM2UNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, level = noise(1, 3, 32, 32), torch.tensor([0.3])
    with torch.no_grad():
        expected = network(x, level)
        monkeypatch.setattr("napari_diffuscope.networks.convolution.packing_available", lambda: False)
        assert relative_error(network(x, level), expected) < 1e-5


def test_half_precision_stays_close(network: EDM2UNet) -> None:
    x, level = noise(1, 3, 32, 32), torch.tensor([0.3])
    with torch.no_grad():
        expected = network(x, level)
        half = network.to(torch.bfloat16)(x.bfloat16(), level)
    assert half.dtype == torch.bfloat16
    assert relative_error(half.float(), expected) < 0.05


@pytest.mark.slow
def test_follows_weights_that_change(network: EDM2UNet) -> None:
    x, level = noise(1, 3, 16, 16), torch.tensor([0.3])
    with torch.no_grad():
        before = network(x, level)
        network.out_gain.mul_(2)
        assert relative_error(network(x, level), 2 * before) < 1e-5
        network.enc["32x32_conv"].weight[:, 0] *= -3
        changed = network(x, level)
    assert relative_error(changed, network(x, level).detach()) < 1e-5
    assert relative_error(changed, 2 * before) > 1e-3


def test_training_keeps_weights_at_unit_magnitude() -> None:
    network = EDM2UNet(SMALL).train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5.0) if parameter.ndim else parameter.fill_(0.5)
    network(noise(1, 3, 16, 16), torch.tensor([0.3])).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        if parameter.ndim > 1:
            size = parameter.detach().flatten(1).square().mean(1).sqrt()
            torch.testing.assert_close(size, torch.ones_like(size), rtol=1e-3, atol=1e-3)


def test_operations_keep_the_magnitude() -> None:
    a, b = noise(1, 64, 64, 64), noise(1, 32, 64, 64).flip(1)
    for result in (
        mp_silu(a),
        mp_sum(a, a.flip(1), 0.3),
        mp_cat(a, b),
        normalise(5 * a, (1,)),
    ):
        assert result.square().mean().sqrt().item() == pytest.approx(1, abs=0.02)


def test_says_what_does_not_fit(network: EDM2UNet) -> None:
    level = torch.tensor([0.5])
    with pytest.raises(DiffuscopeError, match="3 channels of 2D images"):
        network(torch.zeros(1, 2, 16, 16), level)
    with pytest.raises(DiffuscopeError, match="multiples of"):
        network(torch.zeros(1, 3, 15, 16), level)
    with pytest.raises(DiffuscopeError, match="no class labels"):
        network(torch.zeros(1, 3, 16, 16), level, torch.tensor([1]))


def test_a_configuration_survives_json_and_must_make_sense() -> None:
    assert EDM2UNetConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL
    with pytest.raises(DiffuscopeError, match="cannot be halved"):
        EDM2UNetConfig(image_size=100)
    with pytest.raises(DiffuscopeError, match="heads of 48"):
        EDM2UNetConfig(head_channels=48)
    with pytest.raises(DiffuscopeError, match="wings"):
        EDM2UNetConfig.from_dict({"wings": 2})
