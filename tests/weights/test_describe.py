"""What is said about a checkpoint, and the model folder that is made of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights import folder as folder_module
from napari_diffuscope.weights.describe import describe, import_model
from napari_diffuscope.weights.model import load_model

SMLM = OpenAIUNetConfig(
    model_channels=64,
    channel_multipliers=(1, 2, 2, 2),
    res_blocks=1,
    scale_shift_norm=True,
    attention_downsampling=(2, 4),
    heads=4,
)


@pytest.fixture(scope="module")
def smlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoints") / "ema_0.9999_030000.pt"
    network = OpenAIUNet(SMLM)
    torch.nn.init.normal_(network.out[2].weight)
    torch.save(network.state_dict(), path)
    return path


def facts(text: str) -> dict[str, str]:
    return {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())
    }


def test_describe_a_checkpoint(smlm: Path) -> None:
    said = facts(describe(smlm))
    count = sum(p.numel() for p in OpenAIUNet(SMLM).parameters())
    assert said["System"] == "SMLM generator, 32 × 32"
    assert said["Task"] == "generate"
    assert f"{count / 1e6:.2f} M parameters" in said["Network"]
    assert "4 attention heads" in said["Network"]
    assert "1 block a level" in said["Network"]
    assert said["Input"] == "3 channels, all of the noisy state"
    assert said["Trained on"] == "32 × 32 pixels (YX)"
    assert said["Schedule"] == "cosine, 1000 levels"
    assert said["Predicts"] == "the noise (ε)"
    assert said["Published"] == "fixed-large ancestral sampling, 1000 steps"
    assert said["Weights"] == "running average (EMA), state dict"
    assert said["Licence"] == "unknown"
    assert "Saguy" in said["Cite"]
    assert said["SHA-256"] == hashlib.sha256(smlm.read_bytes()).hexdigest()


def test_describe_needs_a_sound_file(smlm: Path, tmp_path: Path) -> None:
    state = torch.load(smlm, weights_only=True)
    state.pop("middle_block.1.norm.weight")
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(DiffuscopeError, match=r"1 missing .middle_block\.1\.norm\.weight"):
        describe(tmp_path / "model.pt")


def test_import_keeps_every_bit(smlm: Path, tmp_path: Path) -> None:
    card = import_model(smlm, tmp_path / "filaments")
    stored = load_file(tmp_path / "filaments" / "weights.safetensors")
    original = torch.load(smlm, weights_only=True)
    assert stored.keys() == original.keys()
    for name, tensor in original.items():
        assert stored[name].dtype == tensor.dtype
        assert torch.equal(stored[name].view(torch.int32), tensor.view(torch.int32))
    assert card.name == "filaments"
    assert card.training["file_sha256"] == hashlib.sha256(smlm.read_bytes()).hexdigest()
    again, first = load_model(tmp_path / "filaments"), load_model(smlm)
    assert again.card == card
    assert again.card.diffusion == first.card.diffusion
    x, t = torch.randn(1, 3, 16, 16), torch.tensor([250.0])
    with torch.inference_mode():
        torch.testing.assert_close(again.network(x, t), first.network(x, t), rtol=0, atol=0)
    said = facts(describe(tmp_path / "filaments"))
    assert said["Network"] == facts(describe(smlm))["Network"]


def test_half_precision_stays_so(tmp_path: Path) -> None:
    config = OpenAIUNetConfig(
        in_channels=1, out_channels=1, model_channels=32, channel_multipliers=(1,), res_blocks=1
    )
    state = {name: tensor.half() for name, tensor in OpenAIUNet(config).state_dict().items()}
    torch.save(state, tmp_path / "mine.pt")
    said = {
        "task": "generation",
        "prediction": "v",
        "schedule": {"kind": "cosine"},
        "time": "index",
        "data_range": [0, 1],
    }
    (tmp_path / "mine.json").write_text(json.dumps({**said, "heads": 1}))
    import_model(tmp_path / "mine.pt", tmp_path / "out")
    stored = load_file(tmp_path / "out" / "weights.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    assert "described by mine.json" in describe(tmp_path / "mine.pt")
    assert load_model(tmp_path / "out").card.data_range == (0.0, 1.0)


def test_import_is_all_or_nothing(smlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module, "sha256_of", full)
    with pytest.raises(DiffuscopeError, match="the disk is full"):
        import_model(smlm, tmp_path / "filaments")
    assert list(tmp_path.iterdir()) == []


def test_import_replaces_nothing(smlm: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(DiffuscopeError, match="holds no model, so that it is not replaced"):
        import_model(smlm, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


def test_sha256_of_a_checkpoint_is_known_to_the_model(smlm: Path) -> None:
    assert load_model(smlm).sha256 == hashlib.sha256(smlm.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_file_in_a_model_folder_means_the_folder(smlm: Path, tmp_path: Path, name: str) -> None:
    import_model(smlm, tmp_path / "filaments")
    assert load_model(tmp_path / "filaments" / name).card.name == "filaments"
