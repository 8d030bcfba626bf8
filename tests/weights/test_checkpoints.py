"""Checkpoints in the formats of their authors, read back, against what the authors' networks answered."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_diffuscope.diffusion.schedule import cosine_alpha_bar, linear_alpha_bar
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.weights.card import ScheduleSpec
from napari_diffuscope.weights.fingerprints import Facts, recognise
from napari_diffuscope.weights.infer import infer_openai
from napari_diffuscope.weights.model import Model, load_model
from napari_diffuscope.weights.published_sampler import published_levels, published_solver
from tests.published import Recorded, recorded, relative_error
from tests.weights import foreign


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def answers(model: Model, record: Recorded) -> float:
    with torch.inference_mode():
        return relative_error(model.network(record.input, record.t), record.output)


def test_dispr(folder: Path) -> None:
    record = recorded("dispr_readme")
    path = folder / "emasavedmodel_0.9999_045000.pt"
    torch.save(OrderedDict(record.state), path)
    model = load_model(path)
    assert answers(model, record) < 1e-5
    card = model.card
    assert (card.task, card.axes, card.size) == ("shape", "ZYX", (64, 64, 64))
    assert (card.state_channels, card.condition_channels, card.condition_first) == (1, 2, True)
    assert card.network.arguments["heads"] == 1
    assert card.diffusion.schedule == ScheduleSpec("linear", count=1000)
    assert (card.diffusion.variance, card.diffusion.time) == ("learned-range", "index")
    assert card.training["weights"] == "running average (EMA)"
    assert sum(p.numel() for p in model.network.parameters()) == pytest.approx(9.77e6, rel=1e-3)
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())


def test_dispr_conditions_come_first(folder: Path) -> None:
    """The network's input is mask, masked image, noisy shape, in this order."""
    record = recorded("dispr_readme")
    path = folder / "savedmodel000001.pt"
    torch.save(record.state, path)
    model = load_model(path)
    model.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    seen: list[Any] = []
    level = published_levels(model)[400]
    x, condition = torch.randn(1, 1, 2, 8, 8), torch.randn(1, 2, 2, 8, 8)
    with torch.inference_mode():
        estimate = model.full_estimate(x, level, condition)
    torch.testing.assert_close(seen[0][0], torch.cat([condition, x], 1))
    assert seen[0][1].tolist() == [level.time] == [599.0]
    assert estimate.clean.shape == x.shape
    assert estimate.variance is not None
    assert estimate.variance.shape == x.shape
    assert float(estimate.clean.abs().max()) <= 1


def test_smlm_as_its_trainer_writes_it(folder: Path) -> None:
    """Raw weights are saved as parameters, in an ordered dictionary with torch's version notes."""
    record = recorded("smlm_128")
    network = OpenAIUNet(OpenAIUNetConfig.from_published(record.config))
    network.load_state_dict(record.state)
    state = network.state_dict()
    for name, parameter in network.named_parameters():
        state[name] = parameter
    path = folder / "model030000.pt"
    torch.save(state, path)
    model = load_model(path)
    assert answers(model, record) < 1e-5
    card = model.card
    assert (card.task, card.size, card.state_channels, card.condition_channels) == (
        "generate",
        (128, 128),
        3,
        0,
    )
    assert (card.diffusion.variance, card.diffusion.time) == ("fixed-large", "rescaled")
    assert "begins with ema" in card.training["weights"]


def buffers(table: tuple[float, ...]) -> dict[str, torch.Tensor]:
    """The six buffers that the restoration's network registers."""
    gammas = np.array(table)
    before = np.append(1.0, gammas[:-1])
    betas = 1 - gammas / before
    variance = betas * (1 - before) / (1 - gammas)
    values = {
        "gammas": gammas,
        "sqrt_recip_gammas": np.sqrt(1 / gammas),
        "sqrt_recipm1_gammas": np.sqrt(1 / gammas - 1),
        "posterior_log_variance_clipped": np.log(np.maximum(variance, 1e-20)),
        "posterior_mean_coef1": betas * np.sqrt(before) / (1 - gammas),
        "posterior_mean_coef2": (1 - before) * np.sqrt(1 - betas) / (1 - gammas),
    }
    return {name: torch.tensor(value, dtype=torch.float32) for name, value in values.items()}


def test_restoration(folder: Path) -> None:
    record = recorded("wacv_edm2")
    path = folder / "200_Network.pth"
    weights = {f"denoise_fn.{name}": tensor for name, tensor in record.state.items()}
    assert len(weights) == 135
    torch.save(OrderedDict(**buffers(cosine_alpha_bar(200)), **weights), path)
    model = load_model(path)
    assert answers(model, record) < 1e-5
    card = model.card
    assert (card.task, card.size, card.condition_first) == ("restore", (256, 256), True)
    assert card.diffusion.schedule == ScheduleSpec("cosine", count=200)
    assert (card.diffusion.published_steps, card.diffusion.published_samples) == (200, 15)
    path.unlink()


def lightning(record: Recorded, path: Path) -> None:
    """Raw weights that are wrong, and the running average, which is the recorded one."""
    raw = {f"{record.prefix}{name}": torch.zeros_like(tensor) for name, tensor in record.state.items()}
    average = {
        "model_ema." + f"diffusion_model.{name}".replace(".", ""): tensor
        for name, tensor in record.state.items()
    }
    table = torch.tensor(cosine_alpha_bar(1000), dtype=torch.float32)
    others = {
        "betas": 1 - table,
        "alphas_cumprod": table,
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.num_updates": torch.tensor(40680, dtype=torch.int32),
    }
    with foreign.importable():
        torch.save(foreign.around({**others, **raw, **average}), path)


def test_msdsr(folder: Path) -> None:
    record = recorded("msdsr_width64")
    path = folder / "d17986ac.ckpt"
    lightning(record, path)
    model = load_model(path)
    assert answers(model, record) < 1e-5
    assert foreign.MODULE not in sys.modules
    card = model.card
    assert (card.task, card.size, card.state_channels) == ("superres", (48, 48), 3)
    assert (card.condition_channels, card.data_range, card.diffusion.clip) == (0, (0.0, 1.0), None)
    assert card.training["weights"] == "running average (EMA)"
    assert (card.training["epoch"], card.training["global_step"]) == (59, 40680)
    assert [level.time for level in published_levels(model)][:2] == [996.0, 991.0]
    path.unlink()


def small(**changes: Any) -> OpenAIUNetConfig:
    chosen = {
        "model_channels": 32,
        "channel_multipliers": (1, 2),
        "res_blocks": 1,
        "in_channels": 1,
        "out_channels": 1,
    }
    return OpenAIUNetConfig(**{**chosen, **changes})


def shapes(config: OpenAIUNetConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in OpenAIUNet(config).state_dict().items()}


SMLM = {"model_channels": 64, "res_blocks": 1, "scale_shift_norm": True}


@pytest.mark.parametrize(
    ("multipliers", "attention", "channels", "size"),
    [
        ((1, 1, 2, 2, 2, 2), (16, 32), 3, 256),
        ((1, 1, 2, 2, 2), (8, 16), 3, 128),
        ((1, 2, 2, 2), (4, 8), 3, 64),
        ((1, 2, 2, 2), (2, 4), 3, 32),
        ((1, 1, 2, 2, 2, 2), (16, 32), 6, 256),
        ((1, 2, 3, 4), (4, 8), 6, 64),
    ],
)
def test_smlm_sizes(
    multipliers: tuple[int, ...], attention: tuple[int, ...], channels: int, size: int
) -> None:
    config = OpenAIUNetConfig(
        **SMLM,
        channel_multipliers=multipliers,
        attention_downsampling=attention,
        in_channels=channels,
        heads=4,
    )
    found = recognise(Facts("openai-unet", infer_openai(shapes(config)).to_dict()))
    assert found is not None
    assert (found.system, found.size, found.attention) == ("smlm", (size, size), {"heads": 4})
    assert found.condition_channels == channels - 3
    assert not found.condition_first


def test_dispr_with_the_defaults_of_its_scripts(tmp_path: Path) -> None:
    config = OpenAIUNetConfig(
        dims=3,
        out_channels=2,
        model_channels=32,
        channel_multipliers=(1, 2, 3, 4),
        res_blocks=2,
        heads=4,
        scale_shift_norm=True,
        attention_downsampling=(4, 8),
    )
    network = OpenAIUNet(config).eval()
    assert len(network.state_dict()) == 338
    torch.nn.init.normal_(network.out[2].weight)
    torch.save(network.state_dict(), tmp_path / "savedmodel045000.pt")
    model = load_model(tmp_path / "savedmodel045000.pt")
    assert model.card.network.arguments["heads"] == 4
    assert model.card.title == "DISPR, defaults of its scripts"
    x, t = torch.randn(1, 3, 2, 16, 16), torch.tensor([400])
    with torch.inference_mode():
        torch.testing.assert_close(model.network(x, t), network(x, t), rtol=0, atol=0)


def test_networks_that_only_look_published_are_not_recognised() -> None:
    config = OpenAIUNetConfig(
        model_channels=64,
        channel_multipliers=(1, 2, 3, 4),
        attention_downsampling=(2, 4, 8),
        head_channels=32,
    )
    facts = infer_openai(shapes(config)).to_dict()
    assert recognise(Facts("openai-unet", facts)) is None
    assert recognise(Facts("openai-unet", facts, prefix="model.diffusion_model.")) is not None
    assert recognise(Facts("openai-unet", {**facts, "model_channels": 224})) is not None
    assert recognise(Facts("openai-unet", {**facts, "model_channels": 224, "scale_shift_norm": True})) is None


EDM2 = EDM2UNetConfig(image_size=16, model_channels=32, channel_multipliers=(1, 2), res_blocks=1)
SIDECAR = {
    "task": "restoration",
    "prediction": "epsilon",
    "schedule": {"kind": "linear", "count": 500},
    "time": "index",
    "data_range": [0, 1],
    "heads": 1,
}


def test_an_unknown_network_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "mine.pt"
    torch.save(OpenAIUNet(small(in_channels=2, attention_downsampling=(2,))).state_dict(), path)
    with pytest.raises(DiffuscopeError) as error:
        load_model(path)
    sentence = str(error.value)
    for word in (
        "mine.pt",
        "models import FILE",
        "heads",
        "head_channels",
        "condition_first",
        "task, prediction, schedule",
    ):
        assert word in sentence
    assert sentence.count(". ") == 0
    assert len(sentence) <= 300


def test_a_sidecar_answers(tmp_path: Path) -> None:
    network = OpenAIUNet(small(in_channels=2, attention_downsampling=(2,), heads=4)).eval()
    torch.nn.init.normal_(network.out[2].weight)
    path = tmp_path / "mine.pt"
    torch.save(network.state_dict(), path)
    for name in ("mine.pt.json", "mine.json", "model.json"):
        said = {
            **SIDECAR,
            "heads": 4,
            "condition_first": True,
            "licence": "CC0-1.0",
            "variance": "fixed-large",
        }
        (tmp_path / name).write_text(json.dumps(said))
        model = load_model(path)
        (tmp_path / name).unlink()
        x, t = torch.randn(1, 2, 16, 16), torch.tensor([3])
        with torch.inference_mode():
            torch.testing.assert_close(model.network(x, t), network(x, t), rtol=0, atol=0)
        assert (model.card.licence, model.card.data_range, model.card.condition_first) == (
            "CC0-1.0",
            (0.0, 1.0),
            True,
        )
        assert model.card.diffusion.schedule == ScheduleSpec("linear", count=500)
        assert len(published_levels(model)) == 501


def test_a_sidecar_names_a_system(tmp_path: Path) -> None:
    config = small(dims=3, in_channels=3, out_channels=2, attention_downsampling=(2,), heads=2)
    torch.save(OpenAIUNet(config).state_dict(), tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text('{"system": "dispr"}')
    with pytest.raises(DiffuscopeError, match=r"needs heads \(or head_channels\);"):
        load_model(tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text('{"system": "dispr", "heads": 2}')
    card = load_model(tmp_path / "mine.pt").card
    assert (card.task, card.axes, card.size) == ("shape", "ZYX", None)
    assert (card.state_channels, card.condition_channels, card.condition_first) == (1, 2, True)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"head": 4}', "'head'"),
        ('{"prediction": "noise"}', "epsilon, v, x0"),
        ("{", "not valid JSON"),
        ("[]", "table"),
    ],
)
def test_a_wrong_sidecar_is_named(tmp_path: Path, text: str, word: str) -> None:
    torch.save(OpenAIUNet(small()).state_dict(), tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text(text)
    with pytest.raises(DiffuscopeError, match=r"mine\.pt\.json") as error:
        load_model(tmp_path / "mine.pt")
    assert word in str(error.value)


def test_learned_variance_must_be_said(tmp_path: Path) -> None:
    torch.save(OpenAIUNet(small(out_channels=2)).state_dict(), tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text(json.dumps(SIDECAR))
    with pytest.raises(DiffuscopeError, match="variance=learned-range"):
        load_model(tmp_path / "mine.pt")
    (tmp_path / "mine.pt.json").write_text(json.dumps({**SIDECAR, "variance": "learned-range"}))
    assert load_model(tmp_path / "mine.pt").card.state_channels == 1


Change = Callable[[dict[str, torch.Tensor]], None]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda s: s.pop("denoise_fn.dec.8x8_in0.attn_proj.weight"),
            "1 missing .dec.8x8_in0.attn_proj.weight",
        ),
        (lambda s: s.update({"denoise_fn.spare": torch.zeros(2)}), "1 extra .spare"),
        (
            lambda s: s.update({"denoise_fn.dec.8x8_in0.conv_res0.weight": torch.zeros(64, 9)}),
            "1 of the wrong shape .dec.8x8_in0.conv_res0.weight .64, 9. for",
        ),
        (
            lambda s: s.update({"discriminator.weight": torch.zeros(2)}),
            "belong neither .*discriminator.weight",
        ),
        (
            lambda s: s.update(gammas=torch.linspace(0.2, 0.9, 200)),
            "gammas. does not fall from level to level",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, change: Change, sentence: str) -> None:
    path = tmp_path / "20_Network.pth"
    weights = {f"denoise_fn.{name}": tensor for name, tensor in EDM2UNet(EDM2).state_dict().items()}
    state = {**buffers(cosine_alpha_bar(200)), **weights}
    (tmp_path / "20_Network.pth.json").write_text('{"system": "restoration", "head_channels": 32}')
    torch.save(state, path)
    assert load_model(path).card.diffusion.schedule.count == 200
    change(state)
    torch.save(state, path)
    with pytest.raises(DiffuscopeError, match=sentence):
        load_model(path)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (cosine_alpha_bar(100), ScheduleSpec("cosine", count=100)),
        (linear_alpha_bar(2000), ScheduleSpec("linear", count=2000)),
    ],
)
def test_the_schedule_in_the_file_counts(
    tmp_path: Path, table: tuple[float, ...], expected: ScheduleSpec
) -> None:
    path = tmp_path / "20_Network.pth"
    weights = {f"denoise_fn.{name}": tensor for name, tensor in EDM2UNet(EDM2).state_dict().items()}
    (tmp_path / "20_Network.pth.json").write_text('{"system": "restoration", "head_channels": 32}')
    torch.save({**buffers(table), **weights}, path)
    model = load_model(path)
    assert model.card.diffusion.schedule == expected
    assert len(published_levels(model)) == len(table) + 1


def test_a_linear_schedule_of_other_ends(tmp_path: Path) -> None:
    """Palette's: β from 1e-6 to 0.01."""
    table = tuple(np.cumprod(1 - np.linspace(1e-6, 0.01, 2000)))
    weights = {f"denoise_fn.{name}": tensor for name, tensor in EDM2UNet(EDM2).state_dict().items()}
    (tmp_path / "model.json").write_text('{"system": "restoration", "head_channels": 32}')
    torch.save({**buffers(table), **weights}, tmp_path / "20_Network.pth")
    levels = published_levels(load_model(tmp_path / "20_Network.pth"))
    np.testing.assert_allclose([level.alpha**2 for level in levels[-2::-1]], table, rtol=1e-3)


def test_safetensors_and_half_precision(tmp_path: Path) -> None:
    state = OpenAIUNet(small()).state_dict()
    halves = {f"module.{name}": tensor.half() for name, tensor in state.items()}
    save_file(halves, tmp_path / "mine.safetensors")
    (tmp_path / "mine.json").write_text(json.dumps(SIDECAR))
    network = load_model(tmp_path / "mine.safetensors").network
    for name, tensor in network.state_dict().items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, state[name].half().float(), rtol=0, atol=0)


def test_weights_are_not_copied(tmp_path: Path) -> None:
    """Parameters are views of one mapped file, and changing them leaves the file alone."""
    path = tmp_path / "mine.pt"
    torch.save(OpenAIUNet(small()).state_dict(), path)
    (tmp_path / "mine.json").write_text(json.dumps(SIDECAR))
    before = path.read_bytes()
    parameters = list(load_model(path).network.parameters())
    assert len({p.untyped_storage().data_ptr() for p in parameters}) == 1
    parameters[0].data.add_(1)
    assert path.read_bytes() == before


def test_the_published_chain_runs_to_its_end(tmp_path: Path) -> None:
    """A whole ancestral chain, steered by estimates: it ends at the last estimate of x₀."""
    torch.save(OpenAIUNet(small(out_channels=2)).state_dict(), tmp_path / "mine.pt")
    said = {
        **SIDECAR,
        "schedule": {"kind": "cosine", "count": 8},
        "variance": "learned-range",
        "clip": [-1, 1],
    }
    (tmp_path / "mine.json").write_text(json.dumps(said))
    model = load_model(tmp_path / "mine.pt")
    generator = torch.Generator().manual_seed(1)
    solver = published_solver(
        model, torch.randn(1, 1, 8, 8), lambda _: torch.randn(1, 1, 8, 8, generator=generator)
    )
    query, asked = next(solver), 1
    with torch.inference_mode():
        while True:
            estimate = model.full_estimate(query.x, query.level)
            try:
                query = solver.send(estimate)
            except StopIteration as stop:
                final = stop.value
                break
            asked += 1
    assert asked == len(published_levels(model)) - 1 == 8
    torch.testing.assert_close(final, estimate.clean)
