"""Weights of diffusers without the files beside them, against its own networks; and what only looks like them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.interview import interview
from napari_diffuscope.weights.model import load_model
from tests.weights.test_diffusers_folders import changed, network, pipeline

ANSWERS = {
    "diffusers_settings": "defaults",
    "prediction": "v",
    "schedule": {"kind": "cosine", "count": 100},
}
FIRST = {
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "downsample_padding": 0,
    "norm_eps": 1e-6,
    "attention_head_dim": None,
}
RESIZING = {
    "block_out_channels": (32, 64, 32),
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("ResnetUpsampleBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 32,
}
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as the library makes them": ({}, {}),
    "as the first models": (FIRST, {"diffusers_settings": "ddpm"}),
    "other heads": ({"attention_head_dim": 16}, {"head_channels": 16}),
    "few channels": ({"block_out_channels": (8, 16), "norm_num_groups": 4}, {"norm_groups": 4}),
    "other ways down": (RESIZING, {}),
    "no attention, more blocks": (
        {
            "down_block_types": ("DownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "UpBlock2D"),
            "add_attention": False,
            "layers_per_block": 2,
            "in_channels": 2,
        },
        {"task": "restore", "condition_first": False},
    ),
}


def lone(path: Path, unet: diffusers.UNet2DModel) -> Path:
    state = unet.state_dict()
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_weights_alone_answer_as_diffusers(tmp_path: Path, kind: str) -> None:
    changes, answers = KINDS[kind]
    unet = network(**changes)
    path = lone(tmp_path / "unet.safetensors", unet)
    with pytest.raises(DiffuscopeError, match=r"without config\.json.*diffusers_settings"):
        load_model(path)
    card = import_model(path, tmp_path / "mine", answers={**ANSWERS, **answers})
    assert (card.task, card.data_range, card.diffusion.time) == (
        answers.get("task", "generate"),
        (-1, 1),
        "index",
    )
    x, t = torch.randn(1, unet.config.in_channels, 16, 16), torch.tensor([37])
    with torch.inference_mode():
        output = load_model(tmp_path / "mine").network(x, t)
        torch.testing.assert_close(output, unet(x, t).sample, rtol=1e-5, atol=1e-5)


def test_the_command_asks_and_takes_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unet = network(block_out_channels=(8, 16), norm_num_groups=8, num_class_embeds=3)
    path = lone(tmp_path / "diffusion_pytorch_model.bin", unet)
    with pytest.raises(SystemExit, match="1"):
        main(["models", "import", str(path), "--out", str(tmp_path / "mine")])
    said = capsys.readouterr().err
    assert "config.json" in said
    [command] = [line for line in said.splitlines() if line.strip().startswith("diffuscope models import")]
    words = command.split()[1:]
    assert {"diffusers_settings=defaults", "norm_groups=8"} <= set(words)
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--out", str(tmp_path / "mine")])
    assert load_model(tmp_path / "mine").card.classes == ("0", "1", "2")
    with pytest.raises(DiffuscopeError, match="8 channels cannot be split into norms of 3 groups"):
        interview(path, {"norm_groups": 3})


def test_other_networks_of_diffusers_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    small: dict[str, Any] = {"block_out_channels": (32, 64), "layers_per_block": 1, "sample_size": 8}
    text = diffusers.UNet2DConditionModel(
        **small,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=8,
    )
    fourier = network(time_embedding_type="fourier")
    for name, unet, said in (
        ("text", text, r"for text \(UNet2DConditionModel\)"),
        ("fourier", fourier, "Fourier features of the time"),
    ):
        with pytest.raises(DiffuscopeError, match=said):
            interview(lone(tmp_path / f"{name}.safetensors", unet))
    state = network().state_dict()
    del state["mid_block.resnets.1.conv2.weight"]
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(DiffuscopeError, match=r"1 missing \(middle_block\.2"):
        interview(tmp_path / "cut.safetensors")


LATENT = r"latent .*a (compressed )?code.* images themselves are"


def test_latent_models_are_refused_as_what_they_are(tmp_path: Path) -> None:
    pipeline(tmp_path / "folder")
    index = tmp_path / "folder" / "model_index.json"
    kept = json.loads(index.read_text())
    for parts in (
        {"vqvae": ["diffusers", "VQModel"]},
        {"vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"]},
    ):
        index.write_text(json.dumps(kept))
        changed(index, **parts)
        with pytest.raises(DiffuscopeError, match=LATENT):
            import_model(tmp_path / "folder", tmp_path / "mine")
    state = {f"model.diffusion_model.{name}": tensor for name, tensor in openai().items()}
    whole = {**state, "first_stage_model.decoder.conv_in.weight": torch.zeros(4, 4, 3, 3)}
    save_file(whole, tmp_path / "single.safetensors")
    torch.save({"state_dict": whole}, tmp_path / "single.ckpt")
    text = {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.norm1.weight": torch.ones(32)}
    save_file({**whole, **text}, tmp_path / "text.safetensors")
    for name in ("single.safetensors", "single.ckpt", "text.safetensors"):
        with pytest.raises(DiffuscopeError, match=LATENT):
            import_model(tmp_path / name, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_folder_without_its_config_names_the_weights_in_it(tmp_path: Path) -> None:
    network().save_pretrained(tmp_path / "alone")
    (tmp_path / "alone" / "config.json").unlink()
    for opening in (interview, load_model, import_model):
        with pytest.raises(DiffuscopeError, match=r"instead \(diffusion_pytorch_model\.safetensors\)"):
            opening(tmp_path / "alone")


def openai() -> dict[str, torch.Tensor]:
    from tests.weights.test_trainer_files import RAW

    return RAW
