from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.infer import has_attention, infer_edm2, infer_openai


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def random_openai(seed: int) -> OpenAIUNetConfig:
    draw = random.Random(seed)
    levels = draw.randint(2, 4)
    way = draw.choice([{}, {"resblock_updown": True}, {"conv_resample": False}])
    changes: dict[str, Any] = {
        "dims": draw.choice([2, 2, 3]),
        "in_channels": draw.randint(1, 6),
        "out_channels": draw.randint(1, 6),
        "model_channels": 64 * draw.randint(1, 2),
        "channel_multipliers": tuple(draw.choice([1, 1.5, 2, 3]) for _ in range(levels)),
        "res_blocks": draw.randint(1, 3),
        "attention_downsampling": tuple(2**i for i in range(levels) if draw.random() < 0.4),
        "scale_shift_norm": draw.random() < 0.5,
        "classes": draw.choice([None, 7]),
        "middle_attention": draw.random() < 0.8,
    }
    return OpenAIUNetConfig(**changes, **way)


@pytest.mark.parametrize("seed", range(25))
def test_an_openai_unet_is_recognised_by_its_shapes(seed: int) -> None:
    config = random_openai(seed)
    with torch.device("meta"):
        shapes = shapes_of(OpenAIUNet(config))
    found = infer_openai(shapes)
    assert found == config
    assert has_attention(shapes) == bool(config.attention_downsampling or config.middle_attention)


def test_a_network_of_one_level_is_recognised() -> None:
    config = OpenAIUNetConfig(channel_multipliers=(1,), res_blocks=3)
    with torch.device("meta"):
        assert infer_openai(shapes_of(OpenAIUNet(config))) == config


@pytest.mark.parametrize("seed", range(10))
def test_an_edm2_unet_is_recognised_by_its_shapes(seed: int) -> None:
    draw = random.Random(seed)
    multipliers = tuple(draw.randint(1, 4) for _ in range(draw.randint(0, 3)))
    size = 64 * draw.randint(1, 5)
    config = EDM2UNetConfig(
        image_size=size,
        in_channels=draw.randint(1, 4),
        out_channels=draw.randint(1, 4),
        model_channels=32,
        channel_multipliers=(1, *multipliers),
        res_blocks=draw.randint(1, 3),
        attention_resolutions=tuple(size >> i for i in range(len(multipliers) + 1) if draw.random() < 0.4),
        noise_channels=draw.choice([None, 48]),
        embedding_channels=draw.choice([None, 80]),
    )
    with torch.device("meta"):
        assert infer_edm2(shapes_of(EDM2UNet(config))) == config


@pytest.fixture
def shapes() -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return shapes_of(OpenAIUNet(OpenAIUNetConfig(channel_multipliers=(1, 2))))


def test_refuses_what_is_no_such_network(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(DiffuscopeError, match="not those of an OpenAI UNet"):
        infer_openai({"conv.weight": (3, 3)})
    with pytest.raises(DiffuscopeError, match="not those of an EDM2 UNet"):
        infer_edm2(shapes)
    with pytest.raises(DiffuscopeError, match="cross-attention"):
        infer_openai({**shapes, "input_blocks.4.1.transformer_blocks.0.norm1.weight": (64,)})


def test_names_a_tensor_that_is_missing(shapes: dict[str, tuple[int, ...]]) -> None:
    del shapes["input_blocks.1.0.emb_layers.1.weight"]
    with pytest.raises(DiffuscopeError, match=r"input_blocks\.1\.0\.emb_layers\.1\.weight is missing"):
        infer_openai(shapes)


def test_refuses_an_incomplete_edm2_unet() -> None:
    with torch.device("meta"):
        shapes = shapes_of(
            EDM2UNet(EDM2UNetConfig(image_size=64, model_channels=32, channel_multipliers=(1, 2)))
        )
    del shapes["enc.32x32_block0.conv_res1.weight"]
    with pytest.raises(DiffuscopeError, match="layer is missing"):
        infer_edm2(shapes)
    without = {name: shape for name, shape in shapes.items() if not name.startswith("enc.")}
    with pytest.raises(DiffuscopeError, match="resolutions"):
        infer_edm2(without)
