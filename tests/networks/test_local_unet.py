"""Our own network: local, magnitude-preserving, the same in 2D and 3D."""

from __future__ import annotations

import pytest
import torch

from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig, depth_to_space
from napari_diffuscope.networks.magnitude import MPConv, mp_cat, mp_sum, silu, unit_filters
from napari_diffuscope.networks.starlet import starlet
from tests.tiny import tiny_network


def network(**changes: object) -> LocalUNet:
    return tiny_network(**{"widths": (16, 32, 48), **changes}).eval()


def test_the_starters_radius_is_within_64_pixels() -> None:
    starter = LocalUNet(LocalUNetConfig(widths=(48, 96, 224)))
    assert max(starter.receptive_radius) <= 64
    assert starter.total_stride == (8, 8)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wavelets": 4},
        {"smoothed": 3},
        {"widths": (8, 12), "encoder_blocks": (1, 1), "decoder_blocks": (2,)},
    ],
)
def test_nothing_beyond_the_radius_matters_and_what_is_inside_does(changes: dict[str, object]) -> None:
    unet = network(**changes).double()
    [radius, _], [stride, _] = unet.receptive_radius, unet.total_stride
    size = 2 * (-(-radius // stride) * stride) + 3 * stride
    start = size // 2 // stride * stride
    x = torch.randn(1, 2, size, size, dtype=torch.float64, requires_grad=True)
    unet(x, torch.tensor([0.4]))[0, 0, start : start + stride, start : start + stride].sum().backward()
    assert x.grad is not None
    reached = torch.nonzero(x.grad.abs().sum((0, 1)).sum(0)).flatten()
    low, high = int(reached.min()), int(reached.max())
    assert start - radius <= low <= start - radius + stride
    assert start + stride + radius - stride <= high + 1 <= start + stride + radius


def test_2d_and_3d_come_from_one_definition() -> None:
    volume = network(dims=3, stem=(2, 2, 2), widths=(8, 12, 16))
    assert volume.receptive_radius == (60, 60, 60)
    with torch.inference_mode():
        out = volume(torch.randn(2, 2, 16, 24, 8), torch.tensor([0.1, 0.9]))
    assert out.shape == (2, 1, 16, 24, 8)


def test_a_network_without_pooling_along_z() -> None:
    flat = network(dims=3, stem=(1, 2, 2), pool=(1, 2, 2), widths=(8, 12, 16))
    assert flat.total_stride == (1, 8, 8)
    with torch.inference_mode():
        assert flat(torch.randn(1, 2, 5, 16, 16), torch.ones(1)).shape == (1, 1, 5, 16, 16)


def test_convolutions_of_width_1_along_an_axis_look_no_further_than_the_stem() -> None:
    unet = network(dims=3, stem=(3, 2, 2), pool=(1, 2, 2), kernel=(1, 3, 3), widths=(8, 12, 16))
    assert unet.receptive_radius == (0, 60, 60)
    assert unet.total_stride == (3, 8, 8)
    x, level = torch.randn(1, 2, 6, 16, 16), torch.tensor([0.4])
    other = x.clone()
    other[:, :, 4] += 1
    with torch.inference_mode():
        before, after = unet(x, level), unet(other, level)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    changed = (before != after)[0, 0].flatten(1).any(1)
    assert changed.tolist() == [False] * 3 + [True] * 3


def test_one_level_for_a_batch_equals_one_each() -> None:
    unet, x = network(), torch.randn(3, 2, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(
            unet(x, torch.tensor([0.3])), unet(x, torch.full((3,), 0.3)), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("wavelets", [0, 4])
def test_the_result_does_not_depend_on_the_size_of_the_batch(wavelets: int) -> None:
    unet, x = network(wavelets=wavelets), torch.randn(4, 2, 192, 192)
    with torch.inference_mode():
        together = unet(x, torch.tensor([0.7]))
        alone = torch.cat([unet(one[None], torch.tensor([0.7])) for one in x])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("changes", [{"wavelets": 4}, {"smoothed": 3}])
def test_tiles_of_all_paths_are_bit_identical(changes: dict[str, object]) -> None:
    unet, x = network(**changes), torch.randn(1, 2, 264, 232)
    level = torch.tensor([0.7])
    [radius, _], [stride, _] = unet.receptive_radius, unet.total_stride
    halo = -(-radius // stride) * stride
    with torch.inference_mode():
        whole = unet(x, level)
        part = unet(x[:, :, 72 - halo : 128 + halo, 80 - halo : 136 + halo], level)
    assert torch.equal(part[:, :, halo:-halo, halo:-halo], whole[:, :, 72:128, 80:136])


@pytest.mark.parametrize("dims", [2, 3])
def test_an_untrained_network_with_wavelets_returns_a_smoothed_measurement(dims: int) -> None:
    torch.manual_seed(1)
    config = LocalUNetConfig(
        dims=dims, stem=(2,) * dims, widths=(8, 12), encoder_blocks=(1, 1), decoder_blocks=(1,), wavelets=2
    )
    unet = LocalUNet(config).eval()
    torch.nn.init.zeros_(unet.out_gain)
    torch.nn.init.zeros_(unet.factor_gain)
    x = torch.randn(1, 2, *[16] * dims)
    with torch.inference_mode():
        estimate = -unet(x, torch.ones(1))
        bands = starlet(x[:, 1:], 2)
    expected = 0.5 * bands[:, 0] + 0.75 * bands[:, 1] + 0.875 * bands[:, 2]
    torch.testing.assert_close(estimate[:, 0], expected)


def test_what_hides_in_noise_is_seen_in_the_smoothed_copies() -> None:
    """Changed by 2 % of the noise over half the image, the state changes what the network is told by far more."""
    unet = network(dims=3, stem=(2, 2, 2), widths=(8, 12, 16), smoothed=4)
    x = torch.randn(1, 2, 32, 32, 32)
    faint = x.clone()
    faint[:, 0, :, :, 16:] += 0.02
    with torch.inference_mode():
        before, after = (unet._smoothed(state)[0] for state in (x, faint))
        loud = unet._smoothed(100 * x)[0]
    assert before.shape == (1, 4, 32, 32, 32)
    change = (after - before)[0, :, 8:24, 8:24, 24:].mean((1, 2, 3))
    assert change[0] > 0.03
    assert (change[1:] > 1.5 * change[:-1]).all()
    assert loud.abs().max() <= 3


def test_classes_matter_and_are_asked_for() -> None:
    unet, x = network(classes=3), torch.randn(1, 2, 32, 32)
    with torch.inference_mode():
        first, second = (unet(x, torch.ones(1), torch.tensor([label])) for label in (0, 2))
        assert not torch.allclose(first, second)
        with pytest.raises(ValueError, match="class labels"):
            unet(x, torch.ones(1))


def test_magnitude_is_kept_through_the_network() -> None:
    unet = network(widths=(32, 64, 96))
    torch.nn.init.ones_(unet.out_gain)
    with torch.inference_mode():
        out = unet(torch.randn(2, 2, 64, 64), torch.tensor([0.5]))
    assert 0.3 < out.std().item() < 3


def test_inference_computes_what_training_computes() -> None:
    unet, x = network(), torch.randn(1, 2, 32, 32)
    with torch.inference_mode():
        inferred = unet(x, torch.tensor([0.2]))
    trained = unet.train()(x, torch.tensor([0.2])).detach()
    torch.testing.assert_close(inferred, trained, rtol=0, atol=1e-3)


def test_prepared_weights_follow_new_ones() -> None:
    layer, x = MPConv(3, 4, (3, 3)).eval(), torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        before = layer(x)
        layer.load_state_dict({"weight": torch.randn(4, 3, 3, 3)})
        assert not torch.allclose(before, layer(x))


def test_layers_keep_unit_variance() -> None:
    a, b = torch.randn(2, 64, 40, 40), torch.randn(2, 32, 40, 40)
    layer = MPConv(64, 48, (3, 3)).eval()
    with torch.inference_mode():
        assert layer(a).std().item() == pytest.approx(1.0, abs=0.1)
        assert mp_sum(a[:, :32], b, 0.3).std().item() == pytest.approx(1.0, abs=0.02)
        assert mp_cat(a, b).square().mean().sqrt().item() == pytest.approx(1.0, abs=0.02)
        assert (silu(a) / 0.596).std().item() == pytest.approx(0.93, abs=0.05)
    assert unit_filters(layer.weight).flatten(1).square().mean(1).sqrt().allclose(torch.ones(48), atol=1e-3)


def test_silu_is_that_of_torch() -> None:
    x = torch.linspace(-30, 30, 4001)
    with torch.inference_mode():
        torch.testing.assert_close(silu(x), torch.nn.functional.silu(x), rtol=1e-5, atol=1e-6)


def test_depth_to_space_is_pixel_shuffle() -> None:
    x = torch.randn(2, 12, 5, 7)
    assert torch.equal(depth_to_space(x, (2, 2)), torch.nn.functional.pixel_shuffle(x, 2))


def test_impossible_architectures_are_refused() -> None:
    with pytest.raises(ValueError, match="widths"):
        LocalUNetConfig(widths=(8, 16), encoder_blocks=(1, 1, 1))
    with pytest.raises(ValueError, match="axes"):
        LocalUNetConfig(dims=3)
    with pytest.raises(ValueError, match="1 or 3 wide"):
        LocalUNetConfig(kernel=(3, 5))
