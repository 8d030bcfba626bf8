from __future__ import annotations

import copy
import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.attention import SelfAttention
from napari_diffuscope.networks.convolution import channels_last
from napari_diffuscope.networks.normalisation import GroupNorm
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from tests.published import describe, fill, recorded, relative_error

PLAIN = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "_plain_networks.py"))

DISPR_DEFAULTS = OpenAIUNetConfig(
    dims=3,
    in_channels=3,
    out_channels=2,
    model_channels=32,
    channel_multipliers=(1, 2, 3, 4),
    res_blocks=2,
    heads=4,
    scale_shift_norm=True,
    attention_downsampling=(4, 8),
)


def smlm(multipliers: tuple[int, ...], size: int, **changes: object) -> OpenAIUNetConfig:
    return OpenAIUNetConfig(
        model_channels=64,
        channel_multipliers=multipliers,
        res_blocks=1,
        heads=4,
        scale_shift_norm=True,
        attention_downsampling=(size // 16, size // 8),
        **changes,
    )


def small(**changes: object) -> OpenAIUNetConfig:
    defaults = {
        "in_channels": 2,
        "out_channels": 3,
        "model_channels": 32,
        "channel_multipliers": (1, 2),
        "res_blocks": 1,
        "attention_downsampling": (2,),
        "heads": 2,
    }
    return OpenAIUNetConfig.from_dict({**defaults, **changes})


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> OpenAIUNet:
    network = OpenAIUNet(small()).eval()
    fill(network)
    return network


@pytest.mark.parametrize(("name", "dims"), [("dispr_readme", 3), ("smlm_128", 2), ("msdsr_width64", 2)])
def test_answers_as_the_authors_network(name: str, dims: int) -> None:
    record = recorded(name)
    network = OpenAIUNet(OpenAIUNetConfig.from_published(record.config, dims=dims)).eval()
    network.load_state_dict(record.state, strict=True)
    with torch.no_grad():
        output = network(record.input, record.t)
    assert relative_error(output, record.output) <= 1e-5


def counts(config: OpenAIUNetConfig) -> tuple[int, float]:
    with torch.device("meta"):
        network = OpenAIUNet(config)
    return len(network.state_dict()), round(sum(p.numel() for p in network.parameters()) / 1e6, 2)


def test_has_the_published_numbers_of_tensors_and_parameters() -> None:
    dispr = OpenAIUNetConfig.from_published(describe("dispr_readme")["config"], dims=3)
    assert counts(dispr) == (208, 9.77)
    assert counts(DISPR_DEFAULTS) == (338, 14.71)
    assert counts(smlm((1, 1, 2, 2, 2), 128)) == (260, 7.18)
    assert counts(smlm((1, 1, 2, 2, 2, 2), 256)) == (298, 8.92)
    msdsr = OpenAIUNetConfig.from_published({**describe("msdsr_width64")["config"], "model_channels": 224})
    assert counts(msdsr) == (368, 274.06)


VARIANTS = {
    "scale and shift": {"scale_shift_norm": True},
    "blocks change resolution": {"resblock_updown": True, "channel_multipliers": (1, 2, 1)},
    "no convolution with resampling": {"conv_resample": False},
    "queries first": {"qkv_order": "qkv-first", "head_channels": 16},
    "other heads in the decoder": {"decoder_heads": 4},
    "class labels": {"classes": 5},
    "no attention at all": {"attention_downsampling": (), "middle_attention": False},
    "padding at the end": {"end_padding": True},
    "shifted frequencies": {"frequency_shift": 1, "norm_eps": 1e-3, "norm_groups": 8},
    "wide stem": {"channel_multipliers": (2, 1)},
    "odd number of channels per group": {"channel_multipliers": (1, 3)},
    "3D": {"dims": 3, "scale_shift_norm": True},
    "3D, depth halved too": {"dims": 3, "z_preserving": False, "resblock_updown": True},
}


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_variant_equals_its_equations(changes: dict[str, object]) -> None:
    config = small(**changes)
    network = OpenAIUNet(config).eval()
    plain = PLAIN["PlainOpenAIUNet"](config, fill(network))
    x = noise(2, 2, *((4, 8, 8) if config.dims == 3 else (16, 8)))
    times = torch.tensor([3.0, 700.5])
    labels = torch.tensor([1, 4]) if config.classes else None
    with torch.no_grad():
        expected = plain(x, times, labels)
        assert relative_error(network(x, times, labels), expected) < 1e-5
    assert relative_error(network(x, times, labels).detach(), expected) < 1e-5
    with torch.no_grad():
        shared = network(x, times[:1], None if labels is None else labels[:1])
        alone = plain(x[1:], times[:1], None if labels is None else labels[:1])
    assert relative_error(shared[1:], alone) < 1e-5


@pytest.mark.parametrize("multipliers", [(1, 2, 2, 2), (1, 1, 2, 2, 2), (1, 1, 2, 2, 2, 2)])
def test_runs_with_the_multipliers_of_all_smlm_sizes(multipliers: tuple[int, ...]) -> None:
    config = smlm(multipliers, 16 * config_stride(multipliers), in_channels=6, classes=3, out_channels=6)
    network = OpenAIUNet(config).eval()
    fill(network)
    x = noise(1, 6, 32, 64)
    with torch.no_grad():
        output = network(x, torch.tensor([10]), torch.tensor([2]))
        other = network(x, torch.tensor([10]), torch.tensor([0]))
    assert output.shape == (1, 6, 32, 64)
    assert torch.isfinite(output).all()
    assert not torch.allclose(output, other)


def config_stride(multipliers: tuple[int, ...]) -> int:
    return 2 ** (len(multipliers) - 1)


@pytest.mark.slow
def test_runs_with_the_defaults_of_the_dispr_scripts() -> None:
    network = OpenAIUNet(DISPR_DEFAULTS).eval()
    fill(network)
    with torch.no_grad():
        output = network(noise(1, 3, 5, 8, 8), torch.tensor([999]))
    assert output.shape == (1, 2, 5, 8, 8)
    assert torch.isfinite(output).all()


@pytest.mark.parametrize("order", ["heads-first", "qkv-first"])
def test_attention_reads_queries_keys_and_values_in_order(order: str) -> None:
    channels, heads, tokens = 8, 2, 6
    attention = SelfAttention(channels, heads, order=order, groups=4).eval()
    state = fill(attention)
    x = noise(1, channels, 2, 3)
    with torch.no_grad():
        found = attention(x).numpy().reshape(channels, tokens)

    flat = x.numpy().reshape(channels, tokens).astype(np.float64)
    groups = flat.reshape(4, -1)
    groups = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-5)
    weight = {name: tensor.numpy().astype(np.float64) for name, tensor in state.items()}
    normed = groups.reshape(channels, tokens) * weight["norm.weight"][:, None] + weight["norm.bias"][:, None]
    qkv = weight["qkv.weight"][..., 0] @ normed + weight["qkv.bias"][:, None]
    width = channels // heads
    attended = np.zeros((channels, tokens))
    for head in range(heads):
        first = [3 * width * head + width * i for i in range(3)]
        if order == "qkv-first":
            first = [channels * i + width * head for i in range(3)]
        q, k, v = (qkv[start : start + width] for start in first)
        for query in range(tokens):
            weights = np.exp(q[:, query] @ k / math.sqrt(width))
            attended[head * width : (head + 1) * width, query] = v @ weights / weights.sum()
    expected = flat + weight["proj_out.weight"][..., 0] @ attended + weight["proj_out.bias"][:, None]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 3])
def test_results_do_not_depend_on_the_batch_beyond_rounding(dims: int) -> None:
    network = OpenAIUNet(small(dims=dims, scale_shift_norm=True)).eval()
    fill(network)
    x = noise(3, 2, *(8, 16, 16)[3 - dims :])
    with torch.no_grad():
        together = network(x, torch.tensor([500]))
        apart = torch.cat([network(image[None], torch.tensor([500])) for image in x])
    assert relative_error(together, apart) < 1e-6


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_answers_the_same_where_weights_cannot_be_packed(
    network: OpenAIUNet, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, t = noise(2, 2, 16, 16), torch.tensor([5, 900])
    with torch.no_grad():
        expected = network(x, t)
        for module in ("convolution", "openai_unet"):
            name = f"napari_diffuscope.networks.{module}.packing_available"
            monkeypatch.setattr(name, lambda: False)
        monkeypatch.setattr(OpenAIUNet, "_layout", lambda *_: layout)
        assert relative_error(network(x, t), expected) < 1e-5


@pytest.mark.parametrize("mean", [0.0, 30.0])
@pytest.mark.parametrize("shape", [(2, 64, 96, 96), (1, 32, 5, 4, 4), (1, 96, 24, 40, 40)])
def test_norms_keep_full_precision(shape: tuple[int, ...], mean: float) -> None:
    norm = GroupNorm(32, shape[1]).eval()
    fill(norm)
    x = (noise(*shape) + mean).contiguous(memory_format=channels_last(len(shape) - 2))
    scale, shift = noise(shape[0], shape[1], seed=1), noise(shape[0], shape[1], seed=2)
    exact = torch.nn.functional.group_norm(x.double(), 32, norm.weight.double(), norm.bias.double())
    spatial = (..., *(None,) * (len(shape) - 2))
    exact = torch.nn.functional.silu(exact * (1 + scale[spatial]) + shift[spatial]).detach()
    with torch.no_grad():
        kept = x.clone()
        found = norm(x, scale, shift, silu=True)
        assert torch.equal(x, kept)
        overwritten = norm(x, scale, shift, silu=True, overwrite=True)
    assert relative_error(found, exact) < 3e-6
    assert torch.equal(overwritten, found)


def test_follows_weights_that_change(network: OpenAIUNet) -> None:
    x, t = noise(1, 2, 8, 8), torch.tensor([5])
    with torch.no_grad():
        before = network(x, t)
        for parameter in network.parameters():
            parameter.mul_(1.1)
        changed = network(x, t)
        with torch.enable_grad():
            expected = network(x, t).detach()
        network.load_state_dict({k: v / 1.1 for k, v in network.state_dict().items()})
        back = network(x, t)
    assert relative_error(changed, expected) < 1e-5
    assert relative_error(changed, before) > 1e-2
    assert relative_error(back, before) < 1e-5


@pytest.mark.slow
def test_copies_and_inference_mode_do_not_share_state(network: OpenAIUNet) -> None:
    x, t = noise(1, 2, 8, 8), torch.tensor([5])
    with torch.inference_mode():
        before = network(x, t).clone()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.count_nonzero(twin(x, t)) == 0
        assert torch.equal(network(x, t), before)
    network(x, t).square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_trains_with_dropout_and_starts_at_zero() -> None:
    torch.manual_seed(0)
    network = OpenAIUNet(small(dropout=0.5))
    x, t = noise(1, 2, 8, 8), torch.tensor([5])
    assert torch.count_nonzero(network(x, t)) == 0
    fill(network)
    assert not torch.equal(network(x, t), network(x, t))
    network.eval()
    assert torch.equal(network(x, t), network(x, t))


def test_half_precision_stays_close(network: OpenAIUNet) -> None:
    x, t = noise(1, 2, 16, 16), torch.tensor([5])
    with torch.no_grad():
        expected = network(x, t)
        half = network.to(torch.bfloat16)(x.bfloat16(), t)
    assert half.dtype == torch.bfloat16
    assert relative_error(half.float(), expected) < 0.05


def test_a_state_dict_must_be_complete(network: OpenAIUNet) -> None:
    state = network.state_dict()
    del state["middle_block.1.qkv.weight"]
    with pytest.raises(RuntimeError, match=r"middle_block\.1\.qkv\.weight"):
        network.load_state_dict(state, strict=True)


@pytest.mark.parametrize(
    ("shape", "labels", "sentence"),
    [
        ((1, 2, 9, 8), None, "multiples of"),
        ((1, 1, 8, 8), None, "2 channels of 2D images"),
        ((1, 2, 4, 8, 8), None, "2 channels of 2D images"),
        ((1, 2, 8, 8), torch.tensor([0]), "knows no class labels"),
    ],
)
def test_says_what_does_not_fit(
    network: OpenAIUNet, shape: tuple[int, ...], labels: torch.Tensor | None, sentence: str
) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        network(torch.zeros(shape), torch.tensor([1]), labels)


def test_needs_labels_when_conditional_on_classes() -> None:
    with pytest.raises(DiffuscopeError, match="needs class labels"):
        OpenAIUNet(small(classes=2))(torch.zeros(1, 2, 8, 8), torch.tensor([1]))


def test_a_configuration_survives_json() -> None:
    config = small(dims=3, classes=4, head_channels=8, channel_multipliers=(1, 1.5, 2), norm_groups=16)
    assert OpenAIUNetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.total_stride == (1, 4, 4)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_channels": 48}, "32 groups"),
        ({"heads": 7}, "7 heads"),
        ({"head_channels": 24}, "heads of 24 channels"),
        ({"dims": 4}, "2 or 3 spatial dimensions"),
        ({"qkv_order": "vkq"}, "vkq"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_refuses_configurations_that_cannot_be(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        small(**changes)
