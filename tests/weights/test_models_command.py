"""``diffuscope models info`` and ``import`` with checkpoints."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from napari_diffuscope.cli import main
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.answers import answers_from_words
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.sidecar import Sidecar
from tests.tiny import openai_config

SIDECAR = {
    "task": "restoration",
    "heads": 4,
    "prediction": "epsilon",
    "schedule": {"kind": "linear", "count": 1000},
    "time": "index",
    "data_range": [-1, 1],
    "condition_first": False,
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    config = OpenAIUNetConfig(
        in_channels=2, out_channels=1, model_channels=32, channel_multipliers=(1, 2), res_blocks=1
    )
    torch.save(OpenAIUNet(config).state_dict(), tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text(json.dumps(SIDECAR))
    return tmp_path / "mine.pt"


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_info_of_a_checkpoint(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "info", checkpoint) == 0
    said = capsys.readouterr().out
    assert "described by mine.pt.json" in said
    assert "2 channels: 1 of the noisy state, then 1 of the measurement" in said
    assert run("models", "info", checkpoint, "--json") == 0
    assert json.loads(capsys.readouterr().out)["task"] == "restore"


def test_import_of_a_checkpoint(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "import", checkpoint, "--out", tmp_path / "filaments") == 0
    assert load_model(tmp_path / "filaments").card.network.arguments["heads"] == 4
    capsys.readouterr()
    assert run("models", "info", tmp_path / "filaments") == 0
    assert "filaments" in capsys.readouterr().out
    assert run("models", "import", checkpoint, "--out", tmp_path / "filaments") == 1
    assert "exists already" in capsys.readouterr().err


def test_a_refused_checkpoint_is_one_line(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    for words in (["info", checkpoint], ["import", checkpoint, "--out", checkpoint.parent / "out"]):
        assert run("models", *words) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1
    assert not (checkpoint.parent / "out").exists()


def test_every_entry_of_a_sidecar_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE)
    explained = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert {field.name for field in fields(Sidecar)} <= explained


def test_the_example_in_the_documentation_opens_a_file(checkpoint: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (checkpoint.parent / "mine.pt.json").write_text(example)
    assert load_model(checkpoint).card.condition_channels == 1


def test_answers_make_a_model_and_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    config = openai_config(in_channels=2, heads=2)
    path = tmp_path / "mine v2.pt"
    settings = {"num_heads": 2, "noise_schedule": "cosine", "diffusion_steps": 400}
    torch.save({"model": OpenAIUNet(config).state_dict(), "args": argparse.Namespace(**settings)}, path)

    assert run(*["models", "import", str(path), "--set", "task=restore"]) == 1
    printed = capsys.readouterr().err
    assert "How many attention heads?" in printed
    assert "the settings in the file say num_heads = 2" in printed
    [command] = re.findall(r"^  diffuscope (models import .*)", printed, re.MULTILINE)
    assert run("models", "info", path) == 1
    assert re.findall(r"^  diffuscope (models import .*)", capsys.readouterr().err, re.MULTILINE) == [command]
    assert not (tmp_path / "models").exists()
    assert not path.with_name("mine v2.pt.json").exists()

    words = shlex.split(command)
    assert run(*[*words, "--set", "pixel_size=0.05,0.1"]) == 0
    card = load_model("mine-v2").card
    assert card.network.arguments["heads"] == 2
    assert (card.diffusion.schedule.kind, card.diffusion.schedule.count) == ("cosine", 400)
    assert (card.task, card.pixel_size) == ("restore", (0.05, 0.1))
    assert load_model(path).card.network.arguments["heads"] == 2  # its sidecar file answers from now on
    assert card.training["answers"]["heads"] == 2


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("size=128 x 128", [128, 128]),
        ("size=64×96", [64, 96]),
        ("pixel_size=0.05 - 0.1 µm", [0.05, 0.1]),
        ("pixel_size=0.1", [0.1, 0.1]),
        ("pixel_size=1e-2,5e-2", [0.01, 0.05]),
        ("data_range=-1,1", [-1, 1]),
    ],
)
def test_sizes_are_read_as_people_write_them(word: str, answer: list[float]) -> None:
    assert answers_from_words([word]) == {word.partition("=")[0]: answer}


def test_what_is_known_of_a_starter_fits_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "info", "restoration-fluorescence") == 0
    printed = capsys.readouterr().out
    assert "standard set: psnr db " in printed
    assert "entries, which model.json lists" in printed
    assert "{" not in printed
    assert len(printed) < 5000
    assert run("models", "info", "generate-structures") == 0
    assert re.search(r"Pixel size: +0\.02 µm\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["heads"], "NAME=VALUE"),
        (["heads=4", "heads=8"], "twice"),
        (["haeds=4"], "unknown entry 'haeds'"),
        (["heads=many"], "heads"),
        (["heads=5"], "cannot be split into 5 heads"),
        (["prediction=noise"], "epsilon, v, x0"),
        (["schedule=cubic"], "linear, cosine"),
        (["data_range=1,-1"], "the smaller first"),
    ],
)
def test_wrong_answers_cost_nothing(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    folder, options = tmp_path / "out", [part for word in words for part in ("--set", word)]
    assert run(*["models", "import", str(checkpoint), "--out", str(folder), *options]) == 1
    assert sentence in capsys.readouterr().err
    assert not folder.exists()
    assert json.loads(checkpoint.with_name(checkpoint.name + ".json").read_text()) == SIDECAR
