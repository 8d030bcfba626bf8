"""DISPR as published, and fast chains with its network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_diffuscope import ShapeSettings, predict_shapes
from napari_diffuscope.diffusion.ancestral import Estimate
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods.shape.conditions import published_conditions
from napari_diffuscope.methods.shape.model import ShapeModel, eight_bit
from napari_diffuscope.methods.shape.plan import shape_plan
from napari_diffuscope.weights.card import ScheduleSpec
from napari_diffuscope.weights.fingerprints import DISPR
from napari_diffuscope.weights.model import Model, load_model
from tests.methods.shape_models import CARD, SIDE, disc, three_cells, write_published
from tests.published import PUBLISHED, recorded, relative_error


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_published(tmp_path_factory.mktemp("models") / "small-dispr"))


class Recorded(nn.Module):
    """Answers as the recorded network did."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = nn.Parameter(output, requires_grad=False)

    def forward(self, inputs: Tensor, time: Tensor) -> Tensor:
        return self.output


@pytest.fixture(scope="module")
def steps() -> dict[str, Tensor]:
    path = PUBLISHED / "sampling_steps.npz"
    if not path.exists():
        pytest.skip(f"the recordings of the published samplers are not at {PUBLISHED}")
    with np.load(path) as numbers:
        return {key: torch.from_numpy(numbers[key]) for key in numbers if key.startswith("dispr")}


def dispr_model(network: nn.Module) -> Model:
    card = replace(
        CARD,
        diffusion=DISPR.diffusion,
        condition_channels=DISPR.condition_channels,
        condition_first=DISPR.condition_first,
        data_range=DISPR.data_range,
        size=DISPR.size,
    )
    return Model(card, network)


def test_the_published_chain_makes_the_recorded_steps(steps: dict[str, Tensor]) -> None:
    """At every recorded time the state of the whole chain is replaced by the recorded one, and moved on."""
    model = dispr_model(Recorded(steps["dispr_model_output"]))
    plan = shape_plan(model, ShapeSettings(mode="as-published"))
    assert plan.evaluations == 1000
    state, noise = (
        steps["dispr_x_t"],
        torch.randn(steps["dispr_x_t"].shape, generator=torch.Generator().manual_seed(0)),
    )
    solver = plan.start(lambda step: noise.clone() if step else state.clone())
    query, compared = next(solver), 0
    for index in reversed(range(1000)):
        assert query.level.time == index
        query.x.copy_(state)
        found = model.full_estimate(query.x, query.level, torch.zeros(1, 2, *state.shape[2:]))
        key = f"dispr_t{index}_"
        if f"{key}x0" in steps:
            assert torch.allclose(found.clean, steps[f"{key}x0"], atol=1e-6)
        after = _moved(solver, found)
        query = after if not isinstance(after, Tensor) else query
        if f"{key}mean" in steps:
            moved = after if isinstance(after, Tensor) else after.x
            drawn = noise if index else torch.zeros_like(noise)
            expected = steps[f"{key}mean"] + (steps[f"{key}log_variance"] / 2).exp() * drawn
            assert relative_error(moved, expected) < 1e-5
            compared += 1
    assert compared == 5


def _moved(solver: Any, found: Estimate) -> Any:
    try:
        return solver.send(found)
    except StopIteration as stop:
        return stop.value


@pytest.mark.slow
def test_a_checkpoint_of_the_published_size_opens_and_answers_as_recorded(tmp_path: Path) -> None:
    """A bare state dict, recognised without a word; mask, image and state go in where its authors put them."""
    said = recorded("dispr_readme")
    path = tmp_path / "emasavedmodel_0.9999_100000.pt"
    torch.save(said.state, path)
    model = load_model(path)
    shapes = ShapeModel(model)
    assert (shapes.side, model.card.task, model.card.cell_extent) == (64, "shape", None)
    index = int(said.t[0])
    level = model.schedule.at(index)  # type: ignore[arg-type]
    with torch.inference_mode():
        found = model.full_estimate(said.input[:, 2:], level, said.input[:, :2])
    clean = (said.input[:, 2:] - level.sigma * said.output[:, :1]) / level.alpha
    assert relative_error(found.clean, clean.clamp(-1, 1)) < 1e-4
    assert found.variance is not None
    assert relative_error(found.variance, said.output[:, 1:]) < 1e-4


def test_the_network_is_told_what_its_authors_told_it(small: str) -> None:
    """Channels: outline, image times outline (8-bit values over 255), state; nothing of the surroundings."""
    model = load_model(small)
    image, _labels = three_cells()
    seen: list[Tensor] = []
    hook = model.network.register_forward_pre_hook(lambda _, words: seen.append(words[0].clone()))
    mask = disc((SIDE, SIDE), (7.5, 7.5), 6)
    grey = image[:SIDE, :SIDE]
    plan = shape_plan(model, ShapeSettings(mode="as-published"))
    shapes = ShapeModel(model)
    condition = shapes.condition(eight_bit(grey), mask)
    for _ in shapes.samples(condition, plan, seed=0, cell=1, first=0, count=1):
        pass
    hook.remove()
    assert len(seen) == 6
    for inputs in seen:
        for z in (0, SIDE // 2, SIDE - 1):
            assert np.array_equal(inputs[0, 0, z], mask)
            np.testing.assert_allclose(inputs[0, 1, z], grey / 255 * mask, atol=1e-7)
    assert float(seen[0][0, 2].std()) == pytest.approx(1, abs=0.1)
    assert np.array_equal(published_conditions(eight_bit(grey), mask), condition)


def test_grey_values_that_are_no_bytes_are_stretched_and_that_is_said(small: str) -> None:
    image, labels = three_cells()
    wide = image.astype(np.uint16) * 90 + 7
    as_bytes = np.round(255.0 * (wide - wide.min()) / (wide.max() - wide.min())).astype(np.uint8)
    np.testing.assert_allclose(eight_bit(wide), eight_bit(as_bytes), atol=1 / 255)
    assert np.isfinite(eight_bit(np.full((3, 3), 5.0))).all()
    told = predict_shapes(image.astype(np.uint16), labels, model=small, only=[1]).record["messages"]
    quiet = predict_shapes(image, labels, model=small, only=[1]).record["messages"]
    assert any("8-bit" in message for message in told)
    assert not any("8-bit" in message for message in quiet)


def test_as_published_is_an_ensemble_through_the_whole_table(small: str) -> None:
    image, labels = three_cells()
    updates: list[Update] = []
    shapes = predict_shapes(
        image, labels, model=small, mode="as-published", samples=2, only=[7], on_update=updates.append
    )
    assert updates[-1].done == updates[-1].total == 2 * 6
    shape = shapes[7]
    assert len(shape.samples) == 2
    assert shape.deviation is not None
    assert shape.deviation.max() > 0
    assert shapes.record["sampler"] == {"name": "as-published", "evaluations": 6}
    assert ShapeSettings(mode="as-published").samples == DISPR.diffusion.published_samples == 5


@pytest.mark.parametrize(
    ("choices", "name", "evaluations"),
    [
        ({}, "ancestral-mean", 6),
        ({"solver": "ddim", "steps": 2}, "ddim", 2),
        ({"steps": 3}, "ancestral-mean", 3),
        ({"mode": "sample"}, "dpm-solver++", 3),
        ({"mode": "sample", "steps": 4}, "dpm-solver++", 4),
    ],
)
def test_fast_chains_take_the_same_weights(
    small: str, choices: dict[str, Any], name: str, evaluations: int
) -> None:
    image, labels = three_cells()
    shapes = predict_shapes(image, labels, model=small, only=[1], **choices)
    assert shapes.record["sampler"] == {"name": name, "evaluations": evaluations}
    other = predict_shapes(image, labels, model=small, only=[1], seed=5, **choices)
    same = np.array_equal(shapes[1].probability, other[1].probability)
    assert same == (choices.get("mode") != "sample")  # the estimate depends on no random number


class ExactNoise(nn.Module):
    """The exact ε network where a cell is a ball of one of two sizes, equally probable at first."""

    total_stride = (1, 1, 1)
    floats_per_pixel = 10.0

    def __init__(self, shapes: Tensor, alpha_bar: tuple[float, ...]) -> None:
        super().__init__()
        self.shapes = nn.Parameter(shapes, requires_grad=False)
        self.alpha_bar = alpha_bar

    def forward(self, inputs: Tensor, time: Tensor) -> Tensor:
        bar = self.alpha_bar[int(time[0])]
        x = inputs[0, 2].double()
        alpha, sigma = bar**0.5, (1 - bar) ** 0.5
        far = ((x - alpha * self.shapes) ** 2).flatten(1).sum(1) / (2 * sigma**2)
        clean = (torch.softmax(-far, 0).view(-1, 1, 1, 1) * self.shapes).sum(0)
        epsilon = ((x - alpha * clean) / sigma).float()[None, None]
        return torch.cat((epsilon, torch.zeros_like(epsilon)), 1)


@pytest.fixture
def two_balls() -> tuple[Model, Tensor]:
    z, y, x = np.mgrid[:SIDE, :SIDE, :SIDE]
    far = np.sqrt((z - 8) ** 2 + (y - 7.5) ** 2 + (x - 7.5) ** 2)
    shapes = torch.from_numpy(np.stack([far < 3, far < 6]).astype(np.float64))
    schedule = ScheduleSpec("linear", count=30, betas=(0.003, 0.5))  # as far into noise in fewer levels
    card = dispr_model(nn.Identity()).card
    card = replace(card, size=(SIDE,) * 3, diffusion=replace(card.diffusion, schedule=schedule))
    table = Model(card, nn.Identity()).schedule.alpha_bar  # type: ignore[union-attr]
    return Model(card, ExactNoise(shapes, table)), shapes


def samples_of(model: Model, **choices: Any) -> np.ndarray:
    settings = ShapeSettings(**choices)
    shapes = ShapeModel(model)
    condition = np.zeros((2, SIDE, SIDE, SIDE), np.float32)
    found = []
    for first in range(settings.draws):
        chain = shapes.samples(condition, shape_plan(model, settings), seed=0, cell=1, first=first, count=1)
        try:
            while True:
                next(chain)
        except StopIteration as stop:
            found.append(stop.value[0])
    return np.stack(found)


@pytest.mark.parametrize(("mode", "count"), [("ensemble", 16), ("as-published", 6)])
def test_samples_are_shapes_of_the_training_not_their_mean(
    two_balls: tuple[Model, Tensor], mode: Any, count: int
) -> None:
    """With an exact network both samplers end at one of the two balls, and find both."""
    model, shapes = two_balls
    samples = samples_of(model, mode=mode, samples=count)
    apart = np.stack([np.abs(samples - np.asarray(one)).max((1, 2, 3)) for one in shapes])
    assert apart.min(0).max() < 0.02
    assert 0.1 < apart.argmin(0).mean() < 0.9


def test_the_estimate_stays_between_them_where_the_first_level_leaves_it_open(
    two_balls: tuple[Model, Tensor],
) -> None:
    """One step of the mean chain is the posterior mean: inside both 1, inside one of them between 0 and 1."""
    model, shapes = two_balls
    (estimate,) = samples_of(model, steps=1)
    inner, outer = (np.asarray(one) > 0 for one in shapes)
    assert estimate[inner].min() > 0.98
    assert 0.05 < estimate[outer & ~inner].mean() < 0.95
    assert estimate[~outer].max() < 0.02
