"""Restoration with networks that are not local: whole, in blended windows, and as published."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_diffuscope import restore
from napari_diffuscope.diffusion.schedule import CosineSchedule
from napari_diffuscope.methods.blending import BlendedEvaluator, evaluator_for
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet
from napari_diffuscope.networks.statistics import FrozenStatistics, statistics_of
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard, NetworkSpec, ScheduleSpec
from napari_diffuscope.weights.folder import write_folder
from napari_diffuscope.weights.model import Model
from tests.published import fill
from tests.tiny import openai_config

SPEC = DiffusionSpec(
    "epsilon",
    ScheduleSpec("cosine", count=6),
    time="alpha-bar",
    clip=(-1.0, 1.0),
    steps=3,
    published_steps=6,
    published_samples=3,
)


def openai() -> OpenAIUNet:
    return OpenAIUNet(openai_config(in_channels=2, heads=2, scale_shift_norm=True))


def edm2() -> EDM2UNet:
    return EDM2UNet(
        EDM2UNetConfig(
            in_channels=2, out_channels=1, image_size=32, model_channels=16, channel_multipliers=(1, 2)
        )
    )


def card(network: Any, **changes: Any) -> ModelCard:
    kind = "edm2-unet" if isinstance(network, EDM2UNet) else "openai-unet"
    made = ModelCard(
        name="published",
        title="Published",
        purpose="Tests.",
        task="restoration",
        network=NetworkSpec(kind, network.config.to_dict()),  # type: ignore[arg-type]
        diffusion=SPEC,
        size=(32, 32),
    )
    return replace(made, **changes)


@pytest.fixture(scope="module", params=[openai, edm2], ids=["openai-unet", "edm2-unet"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = request.param()
    fill(network)
    path: Path = tmp_path_factory.mktemp("published") / "published"
    write_folder(path, card(network), dict(network.state_dict()))
    return path


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).poisson(20, (40, 45)).astype(np.uint16)


def test_as_published_is_the_mean_of_the_papers_samples(folder: Path, image: np.ndarray) -> None:
    result = restore(image, model=str(folder), mode="as-published", tile=32)
    assert set(result.outputs) == {"restored"}
    assert np.isfinite(result.restored).all()
    again = restore(image, model=str(folder), mode="as-published", tile=32)
    other = restore(image[:30, :30], model=str(folder), mode="as-published", seed=1)
    assert np.array_equal(result.restored, again.restored)
    mine = restore(image[:30, :30], model=str(folder), mode="as-published")
    assert not np.array_equal(mine.restored, other.restored)


def test_as_published_asks_as_often_as_the_paper(folder: Path, image: np.ndarray) -> None:
    updates: list[Any] = []
    restore(image[:32, :32], model=str(folder), mode="as-published", on_update=updates.append)
    assert updates[-1].done == updates[-1].total == 6 * 3


@pytest.mark.parametrize("mode", ["estimate", "sample", "sharpened"])
def test_other_modes_work_with_their_weights(folder: Path, image: np.ndarray, mode: Any) -> None:
    restored = restore(image, model=str(folder), mode=mode, steps=2).restored
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()


class Smooth(nn.Module):
    """Network whose output does not depend on the window: ε = 0.1 x + 0.2 condition."""

    total_stride = (4, 4)
    floats_per_pixel = 10.0

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()), requires_grad=False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.one * (0.1 * x[:, :1] + 0.2 * x[:, 1:])


def evaluate(evaluator: Any, x: Tensor, condition: Tensor) -> Tensor:
    evaluation = evaluator(x, CosineSchedule().at(0.5), condition)
    while True:
        try:
            next(evaluation)
        except StopIteration as stop:
            return stop.value


def test_blending_leaves_no_seams_where_windows_agree() -> None:
    model = Model(card(openai(), diffusion=replace(SPEC, clip=None)), Smooth())
    region = ((3, 75), (0, 90))
    x, condition = torch.randn(2, 1, 72, 90), torch.randn(1, 1, 80, 90)
    blended = evaluate(evaluator_for(model, (80, 90), region, tile=32, batch=3), x, condition)
    whole = evaluate(evaluator_for(model, (80, 90), region, tile=128), x, condition)
    torch.testing.assert_close(blended, whole, rtol=1e-5, atol=1e-5)


def test_windows_cover_the_region_and_overlap() -> None:
    model = Model(card(openai()), Smooth())
    evaluator = evaluator_for(model, (200, 100), ((10, 190), (0, 100)), tile=48)
    assert isinstance(evaluator, BlendedEvaluator)
    count = np.zeros((200, 100), int)
    for tile in evaluator.tiles():
        assert tile.window_shape == (48, 48)
        count[tile.core] += 1
    assert (count[10:190] >= 1).all()
    assert (count[:10] == 0).all()
    assert (count[40:160, 30:70] >= 2).all()


def test_the_edm2_network_is_given_no_more_than_it_was_trained_with() -> None:
    network = edm2().eval()
    assert evaluator_for(Model(card(network), network), (64, 64), ((0, 64), (0, 64))).choice.tile == 32
    whole = openai().eval()
    assert evaluator_for(Model(card(whole), whole), (64, 64), ((0, 64), (0, 64))).choice.tile == 64


def test_frozen_statistics_of_an_input_give_what_that_input_gives() -> None:
    network = openai().eval()
    fill(network)
    x, t = torch.randn(1, 2, 32, 32), torch.tensor([0.3])
    with torch.inference_mode():
        with statistics_of(network) as statistics:
            expected = network(x, t)
        frozen = FrozenStatistics(network, statistics)
        for _ in range(2):
            with frozen:
                torch.testing.assert_close(network(x, t), expected, rtol=1e-3, atol=1e-4)
                part = network(x[..., :16, :16] * 3, t)
        assert not torch.allclose(part, network(x[..., :16, :16] * 3, t))
        torch.testing.assert_close(network(x, t), expected)


def test_frozen_statistics_make_windows_agree_better() -> None:
    network = openai().eval()
    fill(network)
    scene = torch.cat((torch.randn(1, 2, 48, 48), 4 + torch.randn(1, 2, 48, 48)), -1)
    t = torch.tensor([0.3])
    with torch.inference_mode():
        with statistics_of(network) as statistics:
            whole = network(scene, t)
        plain = network(scene[..., :48], t)
        with FrozenStatistics(network, statistics):
            frozen = network(scene[..., :48], t)
    errors = [float((part - whole[..., :48])[..., :32].square().mean()) for part in (frozen, plain)]
    assert errors[0] < errors[1]
