"""Folders that diffusers wrote, read without it, against its own networks and schedulers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_diffuscope.diffusion.ancestral import ancestral_steps
from napari_diffuscope.diffusion.denoiser import clean_estimate
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.published_sampler import published_levels


def network(**changes: Any) -> diffusers.UNet2DModel:
    torch.manual_seed(0)
    return diffusers.UNet2DModel(
        **{
            "sample_size": 16,
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": (32, 64),
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
            "layers_per_block": 1,
            "attention_head_dim": 8,
            **changes,
        }
    ).eval()


def pipeline(
    folder: Path, scheduler: Any = None, *, safe: bool = True, **changes: Any
) -> diffusers.UNet2DModel:
    unet = network(**changes)
    scheduler = scheduler or diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    diffusers.DDPMPipeline(unet=unet, scheduler=scheduler).save_pretrained(folder, safe_serialization=safe)
    return unet


def same(folder: Path, unet: diffusers.UNet2DModel) -> None:
    model = load_model(folder)
    x, t = torch.randn(1, unet.config.in_channels, 16, 16), torch.tensor([37])
    with torch.inference_mode():
        torch.testing.assert_close(model.network(x, t), unet(x, t).sample, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("safe", [True, False])
def test_pipeline(tmp_path: Path, safe: bool) -> None:
    unet = pipeline(tmp_path / "cells", safe=safe)
    assert (tmp_path / "cells/unet/diffusion_pytorch_model.bin").exists() is not safe
    same(tmp_path / "cells", unet)
    card = load_model(tmp_path / "cells").card
    assert (card.name, card.task, card.size, card.condition_channels) == ("cells", "generate", (16, 16), 0)
    assert (card.diffusion.prediction, card.diffusion.clip, card.diffusion.time) == (
        "epsilon",
        (-1.0, 1.0),
        "index",
    )


def test_safetensors_go_before_pickles(tmp_path: Path) -> None:
    unet = pipeline(tmp_path / "cells")
    (tmp_path / "cells/unet/diffusion_pytorch_model.bin").write_bytes(b"not read")
    same(tmp_path / "cells", unet)


def test_network_folder_of_a_pipeline_finds_its_scheduler(tmp_path: Path) -> None:
    unet = pipeline(tmp_path / "cells")
    same(tmp_path / "cells" / "unet", unet)


def test_network_alone_is_asked_about(tmp_path: Path) -> None:
    unet = network()
    unet.save_pretrained(tmp_path / "alone")
    with pytest.raises(DiffuscopeError, match=r"alone.* needs prediction, schedule; import it") as error:
        load_model(tmp_path / "alone")
    assert "heads" not in str(error.value)
    (tmp_path / "alone.json").write_text('{"prediction": "v", "schedule": {"kind": "cosine", "count": 100}}')
    same(tmp_path / "alone", unet)
    assert load_model(tmp_path / "alone").card.diffusion.prediction == "v"


SCHEDULERS = {
    "cosine": (diffusers.DDPMScheduler, {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 200}),
    "linear": (diffusers.DDPMScheduler, {"beta_start": 0.0005, "beta_end": 0.03, "num_train_timesteps": 300}),
    "scaled": (
        diffusers.DDIMScheduler,
        {"beta_schedule": "scaled_linear", "beta_start": 0.001, "beta_end": 0.012},
    ),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_schedules_are_those_of_diffusers(tmp_path: Path, kind: str) -> None:
    make, arguments = SCHEDULERS[kind]
    scheduler = make(**arguments)
    pipeline(tmp_path / "cells", diffusers.DDPMScheduler.from_config(scheduler.config))
    levels = published_levels(load_model(tmp_path / "cells"))
    np.testing.assert_allclose([v.alpha**2 for v in levels[-2::-1]], scheduler.alphas_cumprod, rtol=2e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large", "learned_range"])
def test_ancestral_step_is_that_of_diffusers(tmp_path: Path, prediction: str, variance: str) -> None:
    """One step with the same noise, for each thing that a network may predict."""
    scheduler = diffusers.DDPMScheduler(
        prediction_type=prediction, variance_type=variance, num_train_timesteps=100
    )
    pipeline(tmp_path / "cells", scheduler, out_channels=2 if variance == "learned_range" else 1)
    model = load_model(tmp_path / "cells")
    assert (model.card.state_channels, model.card.diffusion.variance) == (1, variance.replace("_", "-"))
    t = 40
    level = published_levels(model)[99 - t]
    step = ancestral_steps(published_levels(model))[99 - t]
    x, output = torch.randn(1, 1, 8, 8), 0.5 * torch.randn(1, 1, 8, 8)
    learned = 0.3 * torch.randn(1, 1, 8, 8) if variance == "learned_range" else None
    clean = clean_estimate(model.card.diffusion.prediction, x, output, level).clamp(-1, 1)
    log_variance = step.log_variance(model.card.diffusion.variance, learned)
    drawn = torch.randn(x.shape, generator=torch.Generator().manual_seed(7))
    ours = step.mean(x, clean) + torch.exp(0.5 * torch.as_tensor(log_variance)) * drawn
    whole = output if learned is None else torch.cat([output, learned], 1)
    theirs = scheduler.step(whole, t, x, generator=torch.Generator().manual_seed(7)).prev_sample
    torch.testing.assert_close(ours.float(), theirs, rtol=1e-4, atol=1e-5)


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/unet", "..\\unet", "C:/unet", "unet/../../x"])
def test_index_that_points_outside(tmp_path: Path, name: str) -> None:
    pipeline(tmp_path / "cells")
    index = tmp_path / "cells" / "model_index.json"
    values = json.loads(index.read_text())
    values[name] = values.pop("unet")
    index.write_text(json.dumps(values))
    with pytest.raises(DiffuscopeError, match="outside of the folder"):
        load_model(tmp_path / "cells")


def test_list_of_weights_that_points_outside(tmp_path: Path) -> None:
    unet = pipeline(tmp_path / "cells")
    folder = tmp_path / "cells" / "unet"
    state = load_file(folder / "diffusion_pytorch_model.safetensors")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    halves = {"a.safetensors": sorted(state)[:20], "b.safetensors": sorted(state)[20:]}
    for name, keys in halves.items():
        save_file({key: state[key] for key in keys}, folder / name)
    index = folder / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, keys in halves.items() for key in keys}}))
    same(tmp_path / "cells", unet)
    shutil.move(folder / "b.safetensors", tmp_path / "b.safetensors")
    index.write_text(index.read_text().replace("b.safetensors", "../../b.safetensors"))
    with pytest.raises(DiffuscopeError, match="outside of the folder"):
        load_model(tmp_path / "cells")


def test_pipelines_of_another_kind_are_refused(tmp_path: Path) -> None:
    pipeline(tmp_path / "cells")
    index = tmp_path / "cells" / "model_index.json"
    good = index.read_text()
    changed(index, vqvae=["diffusers", "VQModel"])
    with pytest.raises(DiffuscopeError, match=r"vqvae \(VQModel\)"):
        load_model(tmp_path / "cells")
    index.write_text(good.replace("UNet2DModel", "UNet2DConditionModel"))
    with pytest.raises(DiffuscopeError, match="UNet2DConditionModel"):
        load_model(tmp_path / "cells")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatch"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule must be one of linear"),
        ({"prediction_type": "flow"}, "prediction_type must be one of epsilon"),
        ({"num_train_timesteps": 10**12}, "impossible"),
        ({"beta_start": "a"}, "not given in numbers"),
        ({"beta_end": float("inf")}, "not given in numbers: beta_end"),
        ({"num_train_timesteps": float("inf")}, "not given in numbers: num_train_timesteps"),
        ({"num_train_timesteps": 10.5}, "num_train_timesteps must be a whole number"),
        ({"clip_sample_range": "wide"}, "clip_sample_range"),
        ({"clip_sample_range": [1]}, "clip_sample_range"),
        ({"clip_sample_range": float("nan")}, "clip_sample_range"),
        ({"variance_type": ["fixed_small"]}, "variance_type must be one of"),
        ({"prediction_type": {"a": 1}}, "prediction_type must be one of"),
    ],
)
def test_schedulers_of_another_kind_are_refused(tmp_path: Path, values: dict[str, Any], word: str) -> None:
    pipeline(tmp_path / "cells")
    changed(tmp_path / "cells/scheduler/scheduler_config.json", **values)
    with pytest.raises(DiffuscopeError, match=word):
        load_model(tmp_path / "cells")


def test_half_precision_and_sharded_weights(tmp_path: Path) -> None:
    unet = network()
    scheduler = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    made = diffusers.DDPMPipeline(unet=unet, scheduler=scheduler)
    made.save_pretrained(tmp_path / "variant", variant="fp16")
    same(tmp_path / "variant", unet)
    for safe in (True, False):
        made.save_pretrained(tmp_path / f"shards{safe}", max_shard_size="200KB", safe_serialization=safe)
        files = [path.name for path in (tmp_path / f"shards{safe}/unet").iterdir()]
        assert sum("-of-" in name for name in files) > 1
        same(tmp_path / f"shards{safe}", unet)


def test_missing_weights_and_damaged_settings(tmp_path: Path) -> None:
    pipeline(tmp_path / "cells")
    (tmp_path / "cells/unet/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(DiffuscopeError, match="has no weights"):
        load_model(tmp_path / "cells")
    (tmp_path / "cells/unet/config.json").write_text("{")
    with pytest.raises(DiffuscopeError, match=r"config\.json. is not valid JSON"):
        load_model(tmp_path / "cells")


def test_import_of_a_diffusers_folder(tmp_path: Path) -> None:
    unet = pipeline(tmp_path / "cells")
    card = import_model(tmp_path / "cells", tmp_path / "mine")
    assert card.name == "mine"
    same(tmp_path / "mine", unet)


@pytest.mark.parametrize("stored", ["fp16 alone", "in parts", "bin", "bin in parts"])
def test_a_network_with_classes_in_every_way_of_storing_it(tmp_path: Path, stored: str) -> None:
    torch.manual_seed(0)
    unet = network(num_class_embeds=3).eval()
    kept: dict[str, Any] = {"safe_serialization": "bin" not in stored}
    if stored == "fp16 alone":
        unet, kept = unet.half(), {"variant": "fp16"}
    if "in parts" in stored:
        kept["max_shard_size"] = "300KB"
    unet.save_pretrained(tmp_path / "classes", **kept)
    assert len(list((tmp_path / "classes").iterdir())) == (
        2 if "in parts" not in stored else pytest.approx(9, abs=6)
    )
    (tmp_path / "classes.json").write_text(
        '{"prediction": "v", "schedule": {"kind": "cosine", "count": 100}}'
    )
    model = load_model(tmp_path / "classes")
    assert (model.card.task, model.card.classes) == ("generate", ("0", "1", "2"))
    x, t, labels = torch.randn(2, 1, 16, 16), torch.tensor([7, 70]), torch.tensor([2, 0])
    with torch.no_grad():
        wanted = unet.float()(x, t, labels).sample
        torch.testing.assert_close(model.network(x, t, labels), wanted, rtol=1e-4, atol=1e-5)


def test_a_file_of_weights_in_such_a_folder_means_the_folder(tmp_path: Path) -> None:
    unet = network()
    unet.save_pretrained(tmp_path / "alone")
    (tmp_path / "alone.json").write_text('{"prediction": "v", "schedule": {"kind": "cosine", "count": 100}}')
    same(tmp_path / "alone" / "diffusion_pytorch_model.safetensors", unet)
