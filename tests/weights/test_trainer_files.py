"""What trainers save around a network is read; numbers are those of the packages that wrote the files."""

from __future__ import annotations

import argparse
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.openai_unet import OpenAIUNet
from napari_diffuscope.weights.card import ScheduleSpec
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.interview import interview
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.schedules import build_schedule
from tests.tiny import openai_config
from tests.weights import foreign

RECORDED = Path(__file__).with_name("lucidrains.npz")
"""What Unets of denoising-diffusion-pytorch, versions 0.25.3 to 2.3.4, answer, and the tables that it stores."""

State = dict[str, torch.Tensor]


def recorded(version: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with np.load(RECORDED) as file:
        facts = json.loads(str(file["meta"]))[version]
        arrays = {
            name.partition("/")[2]: torch.from_numpy(file[name])
            for name in file.files
            if name.startswith(f"{version}/")
        }
    return facts, arrays


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """Weights as they were drawn for the recording."""
    rng = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    values = rng.standard_normal(shape, dtype=np.float32)
    if name.endswith(".g"):
        return torch.from_numpy(1 + 0.1 * values)
    if len(shape) >= 2:
        return torch.from_numpy((values / np.sqrt(np.prod(shape[1:]))).astype(np.float32))
    return torch.from_numpy(1 + 0.1 * values if name.endswith("weight") else 0.1 * values)


def trainer_file(path: Path, facts: dict[str, Any], arrays: dict[str, torch.Tensor]) -> None:
    """What the trainer of the package saves; its raw weights are others than those of the average."""
    buffers = {name: arrays.get(name, torch.zeros(shape)) for name, shape in facts["model"].items()}
    average = {f"model.{name}": drawn(name, shape) for name, shape in facts["tensors"].items()}
    raw = {name: tensor + 1 for name, tensor in average.items()}
    ema = {f"ema_model.{name}": tensor for name, tensor in {**buffers, **average}.items()}
    ema |= {f"online_model.{name}": tensor for name, tensor in {**buffers, **raw}.items()}
    ema |= {name: torch.zeros(shape) for name, shape in facts["ema"].items()}
    parameter = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimiser.step()
    state = {
        "step": 7000,
        "model": {**buffers, **raw},
        "opt": optimiser.state_dict(),
        "ema": ema,
        "scaler": None,
    }
    torch.save(state if facts["version"].startswith("0.") else {**state, "version": facts["version"]}, path)


def sidecar(path: Path, **entries: Any) -> None:
    path.with_name(path.name + ".json").write_text(json.dumps(entries))


TRAINER_FILES = {
    "0.25.3": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.25"}),
    "0.26.0": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.26.2"}),
    "0.26.4": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.26.4"}),
    "0.27.0": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.27.1"}),
    "0.27.12": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.27.12"}),
    "0.30": (None, "cosine", {"prediction": "epsilon", "heads": 4, "package_version": "0.30.0"}),
    "1.7": ("x0", "linear", {"heads": 4}),
    "1.8": ("epsilon", "cosine", {"heads": 4}),
    "2.1": ("v", "sigmoid", {"task": "generate"}),
    "2.3": ("x0", "sigmoid", {}),
}


@pytest.mark.parametrize("version", TRAINER_FILES)
def test_trainer_files_of_denoising_diffusion_pytorch(tmp_path: Path, version: str) -> None:
    facts, arrays = recorded(version)
    prediction, kind, answers = TRAINER_FILES[version]
    path = tmp_path / "model-7.pt"
    trainer_file(path, facts, arrays)
    if answers:
        with pytest.raises(DiffuscopeError, match=f"needs .*{next(iter(answers))}"):
            load_model(path)
        sidecar(path, **answers)
    model = load_model(path)
    with torch.inference_mode():
        output = model.network(arrays["x"], arrays["t"])
    torch.testing.assert_close(output, arrays["y"], rtol=1e-4, atol=2e-5)
    card = model.card
    assert card.diffusion.prediction == prediction or answers.get("prediction") == card.diffusion.prediction
    assert (card.diffusion.schedule.kind, card.diffusion.schedule.count) == (kind, 60)
    table = build_schedule(card.diffusion.schedule).alpha_bar  # type: ignore[union-attr]
    torch.testing.assert_close(
        torch.tensor(table, dtype=torch.float32), arrays["alphas_cumprod"], rtol=2e-3, atol=0
    )
    assert card.task == "generate"
    assert card.state_channels == facts["arguments"]["channels"]
    assert (card.data_range, card.diffusion.clip, card.diffusion.time) == ((-1, 1), (-1, 1), "index")
    assert card.training["weights"] == "running average (EMA)"


def test_files_of_that_package_that_look_alike_are_asked_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, arrays = recorded("0.27.12")
    path = tmp_path / "model-7.pt"
    trainer_file(path, facts, arrays)
    answers = {"prediction": "epsilon", "heads": 4}
    with pytest.raises(DiffuscopeError, match="needs package_version"):
        import_model(path, tmp_path / "mine", answers=answers)
    [asked] = interview(path, answers).needed
    assert [choice.words for choice in asked.question.choices] == [
        "0.26.5 to 0.27.2",
        "0.27.3 to 0.27.12",
        "0.28 to 1.6",
    ]
    for wrong, said in (
        ("0.24", "cannot have written it"),
        ("0.3", "before version 0.22"),
        ("new", "no version"),
    ):
        with pytest.raises(DiffuscopeError, match=said):
            interview(path, {**answers, "package_version": wrong})
    options = ["--set", "prediction=epsilon", "--set", "heads=4", "--set", "package_version=0.27.10"]
    with pytest.raises(SystemExit, match="0"):
        main(["models", "import", str(path), "--out", str(tmp_path / "mine"), *options])
    assert load_model(tmp_path / "mine").card.network.arguments["product_scale"] == 10


def test_networks_of_that_package_before_its_blocks_changed(tmp_path: Path) -> None:
    facts, _ = recorded("0.25.3")
    state = {name: drawn(name, shape) for name, shape in facts["tensors"].items()}
    for name in [name for name in state if name.startswith("downs.1.3.")]:
        del state[name]
    torch.save(state, tmp_path / "0.21.pt")
    torch.save({n: t for n, t in state.items() if not n.startswith("init_conv")}, tmp_path / "0.6.pt")
    for name in ("0.21.pt", "0.6.pt"):
        with pytest.raises(DiffuscopeError, match=r"an early version .* only files of 0\.22 to 2\.3"):
            load_model(tmp_path / name)


def test_a_network_of_that_package_alone(tmp_path: Path) -> None:
    facts, arrays = recorded("1.11")
    path = tmp_path / "unet.pt"
    torch.save({name: drawn(name, shape) for name, shape in facts["tensors"].items()}, path)
    with pytest.raises(DiffuscopeError, match="needs prediction, schedule"):
        load_model(path)
    sidecar(path, prediction="v", schedule={"kind": "sigmoid", "count": 100})
    with torch.inference_mode():
        output = load_model(path).network(arrays["x"], arrays["t"])
    torch.testing.assert_close(output, arrays["y"], rtol=1e-4, atol=2e-5)


def test_relatives_of_that_package_are_refused(tmp_path: Path) -> None:
    facts, _ = recorded("2.1")
    state = {name: drawn(name, shape) for name, shape in facts["tensors"].items()}
    torch.save({**state, "classes_emb.weight": torch.zeros(4, 16)}, tmp_path / "classes.pt")
    with pytest.raises(DiffuscopeError, match="told of classes"):
        load_model(tmp_path / "classes.pt")
    torch.save({**state, "init_conv.weight": torch.zeros(16, 1, 1, 7, 7)}, tmp_path / "video.pt")
    with pytest.raises(DiffuscopeError, match="only that for 2D images"):
        load_model(tmp_path / "video.pt")
    del state["downs.0.2.to_qkv.weight"]
    torch.save(state, tmp_path / "cut.pt")
    sidecar(tmp_path / "cut.pt", prediction="v", schedule={"kind": "sigmoid"}, task="generate")
    with pytest.raises(DiffuscopeError, match=r"1 missing .downs\.0\.2\.to_qkv\.weight"):
        load_model(tmp_path / "cut.pt")


# Trainers around a UNet of OpenAI's family

ANSWERS = {
    "task": "generate",
    "prediction": "epsilon",
    "schedule": {"kind": "linear", "count": 50},
    "time": "index",
    "data_range": [-1, 1],
    "heads": 2,
}


def network(seed: int) -> State:
    torch.manual_seed(seed)
    config = openai_config(heads=2)
    return {name: torch.randn_like(tensor) for name, tensor in OpenAIUNet(config).state_dict().items()}


def under(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def opened(path: Path, **answers: Any) -> tuple[State, dict[str, Any]]:
    sidecar(path, **{**ANSWERS, **answers})
    model = load_model(path)
    return model.network.state_dict(), model.card.training


def same(one: State, other: State) -> None:
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


RAW, AVERAGE = network(1), network(2)

DICTIONARIES: dict[str, tuple[dict[str, Any], bool]] = {
    "model and ema": ({"model": RAW, "ema": AVERAGE}, True),
    "model alone": ({"model": RAW}, False),
    "network in parallel": ({"net": under("module.", RAW)}, False),
    "compiled, averaged by torch": (
        {
            "model": under("_orig_mod.", RAW),
            "ema_model": {"n_averaged": torch.tensor(3), **under("module.", AVERAGE)},
        },
        True,
    ),
    "names with state_dict": (
        {"model_state_dict": RAW, "ema_state_dict": AVERAGE, "optimizer_state_dict": {}},
        True,
    ),
    "nested": ({"trainer": {"models": {"unet": RAW, "unet_ema": AVERAGE}}}, True),
    "average as a list": (
        {"model": RAW, "ema": {"decay": 0.99, "shadow_params": list(AVERAGE.values())}},
        True,
    ),
}


@pytest.mark.parametrize("kind", DICTIONARIES)
def test_dictionaries_of_trainers(tmp_path: Path, kind: str) -> None:
    tables, averaged = DICTIONARIES[kind]
    parameter = torch.nn.Parameter(torch.ones(2))
    optimiser = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimiser.step()
    beside = {
        "opt": optimiser.state_dict(),
        "args": argparse.Namespace(num_heads=2),
        "epoch": 12,
        "scaler": None,
    }
    torch.save({**beside, **tables}, tmp_path / "last.pt")
    state, training = opened(tmp_path / "last.pt")
    same(state, AVERAGE if averaged else RAW)
    assert (training["weights"] == "running average (EMA)") == averaged
    assert training["epoch"] == 12


@pytest.mark.parametrize(
    "prefix", ["model.", "net.", "diffusion.model.", "denoiser._orig_mod.", "ddpm.unet.module."]
)
def test_lightning_checkpoints_of_other_wrappers(tmp_path: Path, prefix: str) -> None:
    measuring = {"val_lpips.net.lin0.weight": torch.ones(3), "train_loss.total": torch.tensor(2.0)}
    state = {**under(prefix, RAW), **measuring, "betas": torch.linspace(0.001, 0.02, 50)}
    with foreign.importable():
        torch.save(foreign.around(state), tmp_path / "epoch=3.ckpt")
    loaded, training = opened(tmp_path / "epoch=3.ckpt")
    same(loaded, RAW)
    assert "2 tensors" in training["left_out"]
    torch.save({"state_dict": {**state, "guide.weight": torch.ones(3)}}, tmp_path / "more.ckpt")
    with pytest.raises(DiffuscopeError, match=r"belong neither .*guide\.weight"):
        opened(tmp_path / "more.ckpt")


def test_a_dotless_average_below_any_prefix(tmp_path: Path) -> None:
    dotless = {f"model_ema.{name.replace('.', '')}": tensor for name, tensor in AVERAGE.items()}
    torch.save({"state_dict": {**under("net.", RAW), **dotless}}, tmp_path / "last.ckpt")
    same(opened(tmp_path / "last.ckpt")[0], AVERAGE)


def test_of_several_networks_one_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "both.pt"
    torch.save({"base": RAW, "upsampler": AVERAGE}, path)
    with pytest.raises(DiffuscopeError, match=r"'base', 'upsampler'.*--set weights=NAME"):
        opened(path)
    same(opened(path, weights="upsampler")[0], AVERAGE)
    torch.save({"model": RAW, "ema": AVERAGE}, path)
    same(opened(path, weights="model")[0], RAW)


def test_a_schedule_of_no_name_is_kept_as_a_table(tmp_path: Path) -> None:
    betas = torch.linspace(0.01, 0.1, 40, dtype=torch.float64) ** 1.3
    table = torch.cumprod(1 - betas, 0)
    state = {**under("model.", RAW), "alphas_cumprod": table.float()}
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    sidecar(tmp_path / "last.ckpt", **{name: value for name, value in ANSWERS.items() if name != "schedule"})
    schedule = load_model(tmp_path / "last.ckpt").card.diffusion.schedule
    assert (schedule.kind, schedule.count) == ("table", 40)
    assert build_schedule(schedule).levels(40)[0].alpha == pytest.approx(float(table[-1]) ** 0.5, rel=1e-6)  # type: ignore[call-arg]
    with pytest.raises(DiffuscopeError, match="fall from level to level"):
        ScheduleSpec("table", count=3, alpha_bar=(0.9, 0.95, 0.1))
    with pytest.raises(DiffuscopeError, match="for the kind table"):
        ScheduleSpec("linear", count=3, alpha_bar=(0.9, 0.5, 0.1))
