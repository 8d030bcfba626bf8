"""What is announced as work is what is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.effort import MEAN_STEPS
from napari_diffuscope.methods.restore.chains import SHARPEN_STEPS as CHAIN_STEPS
from napari_diffuscope.methods.restore.chains import VIEWS as CHAIN_VIEWS
from napari_diffuscope.methods.restore.chains import chain_for
from napari_diffuscope.methods.restore.effort import JOINING, SHARPEN_STEPS, VIEWS, restore_effort
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.effort import shape_effort
from napari_diffuscope.methods.shape.plan import shape_plan
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.effort import superres_effort
from napari_diffuscope.methods.superres.plan import sampling_plan
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import DiffusionSpec, ScheduleSpec
from napari_diffuscope.weights.model import Model, load_model

CONTINUOUS = DiffusionSpec("v", ScheduleSpec("continuous-cosine", shift=0.2), steps=7)
TABLE = DiffusionSpec(
    "epsilon", ScheduleSpec("linear", count=100), steps=12, published_steps=100, published_samples=3
)


@pytest.fixture(params=[CONTINUOUS, TABLE], ids=["continuous", "table"])
def model(request: pytest.FixtureRequest, tiny_model: Path) -> Model:
    """A model with one of both kinds of schedules."""
    opened = load_model(tiny_model)
    return Model(replace(opened.card, diffusion=request.param), opened.network, opened.source)


@pytest.mark.parametrize("choices", [{}, {"steps": 5}, {"strength": 0.0}, {"mirrored": True}])
@pytest.mark.parametrize("mode", ["estimate", "sample", "mean", "samples", "sharpened", "as-published"])
def test_restoration_asks_the_network_as_often_as_announced(model: Model, mode: str, choices: dict) -> None:
    if mode == "as-published" and model.card.diffusion.published_steps is None:
        pytest.skip("this model has no published sampler")
    settings = RestoreSettings(mode=mode, samples=4, **choices)
    effort = restore_effort({"image": Image.wrap(np.zeros((2, 3, 8, 9)), "CZYX")}, settings, model.card)
    assert effort.steps * effort.views == chain_for(model, settings).evaluations
    assert effort.pieces == 6
    assert effort.samples == {"mean": 4, "samples": 4, "as-published": 3}.get(mode, 1)
    assert effort.evaluations == effort.samples * effort.steps * effort.views * 6


def test_joining_neighbours_is_counted_where_it_is_done(model: Model) -> None:
    image = {"image": Image.wrap(np.zeros((3, 64, 64)), "ZYX")}
    alone, joined, drawn = (
        restore_effort(image, settings, model.card)
        for settings in (
            RestoreSettings(),
            RestoreSettings(neighbours="z"),
            RestoreSettings(mode="sample", neighbours="z"),
        )
    )
    assert joined.size == pytest.approx(alone.size + 3 * JOINING * 64**2)
    assert joined.evaluations == alone.evaluations
    assert drawn.beside == 0.0


@pytest.mark.parametrize("mode", ["estimate", "sample", "ensemble", "as-published"])
def test_shapes_take_as_many_evaluations_as_announced(model: Model, mode: str) -> None:
    if mode == "as-published" and model.card.diffusion.published_steps is None:
        pytest.skip("this model has no published sampler")
    settings = ShapeSettings(mode=mode, samples=4)
    effort = shape_effort({}, settings, model.card).times(5)
    assert effort.steps == shape_plan(model, settings).evaluations
    assert effort.evaluations == 5 * settings.draws * effort.steps


@pytest.mark.parametrize("mode", ["estimate", "sample", "mean"])
def test_volumes_take_as_many_steps_as_announced(model: Model, mode: str) -> None:
    settings = SuperresSettings(mode=mode, samples=4, zoom=2)
    image = Image.wrap(np.zeros((2, 4, 8, 6)), "CZYX", scale=(1, 0.2, 0.1, 0.1), units=("pixel", *["µm"] * 3))
    effort = superres_effort({"image": image}, settings, model.card)
    assert effort.steps == sampling_plan(model, settings).steps
    assert effort.pieces == 2 * (8 + 6)


def test_the_time_of_a_small_part_tells_that_of_a_large_plane(tiny_model: Path) -> None:
    """A network sees 64 pixels around every tile: a part of 48 x 48 takes 13 times its share."""
    card = load_model(tiny_model).card
    part, plane = (
        restore_effort({"image": Image.wrap(np.zeros(shape), "YX")}, RestoreSettings(), card).size
        for shape in ((48, 48), (1024, 1024))
    )
    assert plane / part == pytest.approx(4 * 640**2 / 176**2)


def test_constants_are_those_of_the_samplers() -> None:
    from napari_diffuscope.diffusion.posterior_mean import STEPS

    assert (STEPS, CHAIN_STEPS, len(CHAIN_VIEWS)) == (MEAN_STEPS, SHARPEN_STEPS, VIEWS)


def test_the_share_of_a_trial_tells_the_time_of_a_run(tiny_model: Path) -> None:
    from napari_diffuscope.methods.restore.method import RESTORE
    from napari_diffuscope.methods.running import memory_job
    from napari_diffuscope.progress import Pace

    clock = iter(range(1000))
    pace = Pace(lambda: float(next(clock)))
    pixels = np.random.default_rng(0).random((1, 32, 32))
    settings = RestoreSettings(model=str(tiny_model), mode="sample", steps=4)
    run(
        memory_job(RESTORE, {"image": Image.wrap(pixels, "ZYX")}, settings),
        lambda update: pace.take(update.done, update.total),
    )
    assert pace.share_per_second == pytest.approx(0.25), "one of four steps with every tick"
