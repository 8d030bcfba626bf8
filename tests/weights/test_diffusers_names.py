from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNet
from napari_diffuscope.weights.diffusers_names import diffusers_config, from_diffusers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    diffusers = pytest.importorskip("diffusers")

PLAIN = {
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
}
ATTENDED = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
CONFIGS: dict[str, dict[str, Any]] = {
    "guided-diffusion": {**ATTENDED, "resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 32},
    "without attention": {**PLAIN, "add_attention": False, "layers_per_block": 1},
    "attention in the middle alone, one head": {**PLAIN, "attention_head_dim": None, "norm_eps": 1e-3},
    "three blocks per level": {**ATTENDED, "layers_per_block": 3, "in_channels": 1, "out_channels": 2},
    "class labels": {**ATTENDED, "num_class_embeds": 5},
    "as the first diffusers models": {
        **ATTENDED,
        "flip_sin_to_cos": False,
        "freq_shift": 1,
        "downsample_padding": 0,
        "norm_eps": 1e-6,
        "norm_num_groups": 16,
    },
    "blocks change resolution": {
        "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("ResnetUpsampleBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "block_out_channels": (32, 64, 32),
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attn_norm_num_groups": 32,
    },
}


def theirs(**changes: Any) -> Any:
    torch.manual_seed(0)
    network = diffusers.UNet2DModel(**{"block_out_channels": (32, 64), **changes}).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS.keys())
def test_answers_as_diffusers(changes: dict[str, Any]) -> None:
    reference = theirs(**changes)
    config, state = from_diffusers(dict(reference.config), reference.state_dict())
    network = OpenAIUNet(config).eval()
    network.load_state_dict(state, strict=True)
    x = torch.randn(2, config.in_channels, 16, 16)
    t = torch.tensor([3, 801])
    labels = torch.tensor([0, 4]) if config.classes else None
    with torch.no_grad():
        expected = reference(x, t, labels).sample
        found = network(x, t, labels)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_reads_the_attention_names_of_old_files() -> None:
    reference = theirs(**ATTENDED)
    _, state = from_diffusers(dict(reference.config), reference.state_dict())
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in reference.state_dict().items():
        for new, before in old.items():
            name = name.replace(f".{new}.", f".{before}.")
        renamed[name] = tensor
    assert "mid_block.attentions.0.query.weight" in renamed
    again = from_diffusers(dict(reference.config), renamed)[1]
    assert set(again) == set(state)
    assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "UNet2DConditionModel"),
        ({"center_input_sample": True}, "center_input_sample = True"),
        ({"time_embedding_type": "fourier"}, "time_embedding_type = 'fourier'"),
        ({"time_embedding_dim": 64}, "time_embedding_dim = 64"),
        ({"mid_block_scale_factor": 2}, "mid_block_scale_factor = 2"),
        ({"act_fn": "relu"}, "act_fn = 'relu'"),
        ({"class_embed_type": "timestep"}, "class_embed_type = 'timestep'"),
        ({"resnet_time_scale_shift": "scale_shift"}, "attn_norm_num_groups = None"),
        ({"down_block_types": ("DownBlock2D", "SkipDownBlock2D")}, "SkipDownBlock2D"),
        ({"up_block_types": ("UpBlock2D", "UpBlock2D")}, "attention at other levels"),
        ({"down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D")}, "conv and resnet"),
    ],
)
def test_refuses_what_has_no_counterpart(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        diffusers_config({"block_out_channels": (32, 64), **ATTENDED, **changes})


def test_refuses_tensors_without_a_place() -> None:
    reference = theirs(**PLAIN)
    state = {**reference.state_dict(), "mystery.weight": torch.zeros(1)}
    with pytest.raises(DiffuscopeError, match=r"mystery\.weight"):
        from_diffusers(dict(reference.config), state)
