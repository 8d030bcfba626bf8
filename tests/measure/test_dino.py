"""The features of DINOv2, on small untrained weights, against torch's own transformer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.dino import DEVIATION, MEAN, DinoFeatures

WIDTH, BLOCKS = 128, 2


def weights(side: int = 16) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {
        "cls_token": (1, 1, WIDTH),
        "mask_token": (1, WIDTH),
        "pos_embed": (1, 1 + side**2, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    for number in range(BLOCKS):
        for name, rows, columns in (
            ("attn.qkv", 3, 1),
            ("attn.proj", 1, 1),
            ("mlp.fc1", 4, 1),
            ("mlp.fc2", 1, 4),
        ):
            shapes[f"blocks.{number}.{name}.weight"] = (rows * WIDTH, columns * WIDTH)
            shapes[f"blocks.{number}.{name}.bias"] = (rows * WIDTH,)
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            shapes[f"blocks.{number}.{name}"] = (WIDTH,)
    made = {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}
    return {name: torch.ones_like(one) if name.endswith("gamma") else one for name, one in made.items()}


def by_torch(tensors: dict[str, torch.Tensor], patches: np.ndarray) -> np.ndarray:
    """The same, put together from torch's modules; for patches of 224 pixels from 0 to 1."""
    grey = torch.from_numpy(patches.astype(np.float32))[:, None]
    mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, DEVIATION))
    cells = nn.functional.conv2d(
        (grey - mean) / deviation,
        tensors["patch_embed.proj.weight"],
        tensors["patch_embed.proj.bias"],
        stride=14,
    )
    x = (
        torch.cat((tensors["cls_token"].expand(len(grey), -1, -1), cells.flatten(2).mT), 1)
        + tensors["pos_embed"]
    )
    for number in range(BLOCKS):
        layer = nn.TransformerEncoderLayer(
            WIDTH, WIDTH // 64, 4 * WIDTH, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
        ).eval()
        names = {
            "self_attn.in_proj_": "attn.qkv.",
            "self_attn.out_proj.": "attn.proj.",
            "linear1.": "mlp.fc1.",
            "linear2.": "mlp.fc2.",
            "norm1.": "norm1.",
            "norm2.": "norm2.",
        }
        layer.load_state_dict(
            {
                f"{ours}{kind}": tensors[f"blocks.{number}.{theirs}{kind}"]
                for ours, theirs in names.items()
                for kind in ("weight", "bias")
            }
        )
        with torch.no_grad():
            x = layer(x)
    found = nn.functional.layer_norm(x[:, 0], (WIDTH,), tensors["norm.weight"], tensors["norm.bias"], 1e-6)
    return found.double().numpy()


def as_hugging_face(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.": "embeddings.patch_embeddings.projection.",
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "blocks.": "encoder.layer.",
        "attn.proj": "attention.output.dense",
        "ls1.gamma": "layer_scale1.lambda1",
        "ls2.gamma": "layer_scale2.lambda1",
    }
    made: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        theirs = name.replace("norm.", "layernorm.") if name.startswith("norm.") else name
        for ours, other in names.items():
            theirs = theirs.replace(ours, other)
        if ".attn.qkv." in theirs:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                made[theirs.replace("attn.qkv", f"attention.attention.{part}")] = piece
        else:
            made[theirs] = tensor
    return made


def test_it_computes_what_torch_computes_whoever_stored_the_weights() -> None:
    patches, tensors = np.random.default_rng(0).random((3, 224, 224)), weights()
    ours = DinoFeatures(tensors, 0.0, 1.0, batch=2)(patches)
    assert ours == pytest.approx(by_torch(tensors, patches), abs=1e-4)
    assert ours.std(0).max() > 1e-3
    theirs = DinoFeatures(as_hugging_face(tensors), 0.0, 1.0)(patches)
    assert theirs == pytest.approx(ours, abs=1e-5)
    halved = DinoFeatures(tensors, 0.0, 2.0)(2 * patches)
    assert halved == pytest.approx(ours, abs=1e-5)


def test_positions_of_larger_trainings_are_resized() -> None:
    found = DinoFeatures(weights(37), 0.0, 1.0)(np.random.default_rng(0).random((1, 64, 64)))
    assert found.shape == (1, WIDTH)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("missing", ["cls_token", "patch_embed.proj.weight", "blocks.1.mlp.fc1.weight"])
def test_other_weights_are_refused_in_a_sentence(missing: str) -> None:
    tensors = weights()
    del tensors[missing]
    with pytest.raises(DiffuscopeError, match="weights\\.pth does not hold"):
        DinoFeatures(tensors, 0.0, 1.0, "weights.pth")(np.zeros((1, 64, 64)))
