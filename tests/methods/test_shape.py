"""Prediction of shapes: modes, cells that go wrong, what comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope import DiffuscopeError, ShapeSettings, predict_shapes
from napari_diffuscope.errors import OutOfMemory
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update, run
from napari_diffuscope.measure.shapes.features import FEATURES, shape_features
from napari_diffuscope.methods import ready
from napari_diffuscope.methods.running import memory_job
from napari_diffuscope.methods.shape.cell_job import ShapeWork
from napari_diffuscope.methods.shape.cells import find_cells
from napari_diffuscope.methods.shape.conditions import image_in_mask, shape_conditions
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.shape.model import ShapeModel
from napari_diffuscope.methods.shape.plan import shape_plan
from napari_diffuscope.methods.shape.result import CellShape
from napari_diffuscope.methods.work import Work
from napari_diffuscope.weights.model import load_model
from tests.methods.shape_models import SIDE, disc, lathed_model, three_cells, write_tiny


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny(tmp_path_factory.mktemp("models") / "tiny-shapes"))


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that answers with a ball for a disc."""
    monkeypatch.setattr(ready, "load_model", lambda *_, **__: lathed_model())


def one_cell(radius: float = 18.0) -> tuple[np.ndarray, np.ndarray]:
    labels = disc((70, 80), (34.5, 39.5), radius).astype(np.uint8) * 3
    return np.random.default_rng(0).poisson(30, labels.shape).astype(np.uint16), labels


@pytest.mark.usefixtures("knowing")
def test_a_disc_becomes_a_ball_at_its_place_and_scale() -> None:
    """Two cones on a disc of radius r: volume 2π r³/3, in µm³, standing on the plane of the image."""
    image, labels = one_cell()
    shapes = predict_shapes(image, labels, pixel_size=0.2)
    (shape,) = shapes.cells
    radius = 18 * 0.2
    assert shape.features["volume"] == pytest.approx(2 * np.pi * radius**3 / 3, rel=0.06)
    assert shape.features["extent_x"] == pytest.approx(2 * radius, rel=0.05)
    assert shape.mask_agreement > 0.97
    places = np.argwhere(shape.occupied) * shape.voxel_size + shape.origin
    z, y, x = places.T
    assert z.mean() == pytest.approx(0, abs=shape.voxel_size / 2)
    assert y.mean() == pytest.approx(34.5 * 0.2, abs=0.05)
    assert x.mean() == pytest.approx(39.5 * 0.2, abs=0.05)
    assert shape.complaint is None
    assert shapes[3] is shape
    assert shapes.record["unit"] == "micrometer"


@pytest.mark.usefixtures("knowing")
def test_without_a_pixel_size_lengths_are_in_pixels_and_that_is_said() -> None:
    image, labels = one_cell()
    shapes = predict_shapes(image, labels)
    assert shapes.cells[0].features["extent_y"] == pytest.approx(36, rel=0.05)
    assert shapes.record["unit"] == "pixel"
    assert any("pixels" in message for message in shapes.record["messages"])


@pytest.mark.usefixtures("knowing")
def test_features_are_those_of_the_object() -> None:
    image, labels = one_cell()
    (shape,) = predict_shapes(image, labels, pixel_size=0.2).cells
    assert tuple(shape.features) == FEATURES
    assert shape.features == shape_features(shape.occupied, voxel_size=shape.voxel_size)
    assert (shape.deviation, shape.spread, shape.samples) == (None, {}, ())


def test_the_estimate_is_one_evaluation_at_pure_noise(tiny: str) -> None:
    """Computed by hand: window, condition, network on zeros; (v at pure noise is minus the image) (x + 1) / 2."""
    import torch

    image, labels = three_cells()
    updates: list[Update] = []
    shapes = predict_shapes(image, labels, model=tiny, on_update=updates.append)
    (_, second) = shapes.cells
    assert updates[-1].done == updates[-1].total == 2
    model = load_model(tiny)
    cell = next(cell for cell in find_cells(labels) if cell.label == 7)
    window = _run(model, image).window(cell)
    seen, mask = window.image(image), window.mask(cell)
    condition = torch.from_numpy(shape_conditions(image_in_mask(seen, mask), mask))[None]
    with torch.inference_mode():
        output = model.network(torch.cat((torch.zeros(1, 1, SIDE, SIDE, SIDE), condition), 1), torch.ones(1))
    expected = ((1 - output[0, 0]) / 2).clamp(0, 1).numpy()
    np.testing.assert_allclose(second.probability, expected, atol=1e-6)
    assert second.occupied.shape == (SIDE,) * 3


def _run(model: Any, image: np.ndarray) -> ShapeWork:
    settings = ShapeSettings()
    return ShapeWork(
        Work(SHAPE, {}, settings, {}, {}, {}),
        image,
        ShapeModel(model),
        shape_plan(model, settings),
        None,
    )


def test_an_ensemble_is_the_mean_of_its_samples(tiny: str) -> None:
    """The first sample is that of the mode sample; more samples leave the first ones as they are."""
    image, labels = three_cells()
    chosen: dict[str, Any] = {"model": tiny, "only": [7], "largest": False}
    two = predict_shapes(image, labels, mode="ensemble", samples=2, **chosen)[7]
    three = predict_shapes(image, labels, mode="ensemble", samples=3, **chosen)[7]
    first = predict_shapes(image, labels, mode="sample", **chosen)[7]
    assert np.array_equal(first.occupied, two.samples[0])
    assert [np.array_equal(a, b) for a, b in zip(two.samples, three.samples, strict=False)] == [True, True]
    assert len(three.samples) == 3
    second = 2 * two.probability - first.probability
    assert two.deviation is not None
    np.testing.assert_allclose(two.deviation, np.std([first.probability, second], axis=0, ddof=1), atol=1e-5)
    assert first.deviation is None
    volumes = [shape_features(one, voxel_size=two.voxel_size)["volume"] for one in two.samples]
    assert two.spread["volume"] == pytest.approx(np.std(volumes, ddof=1))
    assert tuple(two.spread) == FEATURES


def test_averages_are_cut_at_the_models_own_threshold_and_samples_at_one_half(tmp_path: Path) -> None:
    model = str(write_tiny(tmp_path / "own", occupancy_threshold=0.4))
    image, labels = three_cells()
    for mode, threshold in (("estimate", 0.4), ("sample", 0.5), ("ensemble", 0.4)):
        found = predict_shapes(image, labels, model=model, mode=mode, samples=2)[7]
        assert found.threshold == threshold
        if mode == "ensemble":
            single = predict_shapes(image, labels, model=model, mode="sample")[7]
            assert np.array_equal(found.samples[0], single.occupied)
    assert predict_shapes(image, labels, model=model, threshold="half")[7].threshold == 0.5


def test_results_depend_on_the_seed_alone(tiny: str) -> None:
    """Not on the batch, nor on which other cells are there."""
    image, labels = three_cells()
    chosen: dict[str, Any] = {"model": tiny, "mode": "ensemble", "samples": 3, "steps": 2}
    whole = predict_shapes(image, labels, **chosen)
    again = predict_shapes(image, labels, only=[7], batch=2, **chosen)
    other = predict_shapes(image, labels, only=[7], seed=1, **chosen)
    assert np.array_equal(whole[7].probability, again[7].probability)
    assert np.array_equal(whole[7].deviation, again[7].deviation)
    assert not np.array_equal(whole[7].probability, other[7].probability)


@pytest.mark.parametrize("solver", ["ancestral", "ddim", "dpm-solver++"])
def test_solvers_and_steps_count(tiny: str, solver: Any) -> None:
    image, labels = three_cells()
    updates: list[Update] = []
    shapes = predict_shapes(
        image, labels, model=tiny, mode="sample", solver=solver, steps=4, only=[1], on_update=updates.append
    )
    assert updates[-1].total == 4
    assert shapes.record["sampler"] == {"name": solver, "evaluations": 4}


@pytest.mark.parametrize("solver", ["ddim", "ancestral-mean"])
def test_the_estimate_can_be_refined_by_a_chain_without_noise(tiny: str, solver: Any) -> None:
    """Its first evaluation is the estimate itself; none depends on the seed."""
    image, labels = three_cells()
    chosen: dict[str, Any] = {"model": tiny, "solver": solver, "only": [1]}
    once = predict_shapes(image, labels, steps=1, **chosen)
    plain = predict_shapes(image, labels, model=tiny, only=[1])
    np.testing.assert_allclose(once[1].probability, plain[1].probability, atol=1e-6)
    refined, other = (predict_shapes(image, labels, steps=3, seed=seed, **chosen)[1] for seed in (0, 1))
    assert np.array_equal(refined.probability, other.probability)
    assert not np.allclose(refined.probability, plain[1].probability, atol=1e-3)


def test_previews_refine_and_the_last_is_the_result(tiny: str) -> None:
    image, labels = three_cells()
    updates: list[Update] = []
    shapes = predict_shapes(
        image, labels, model=tiny, mode="ensemble", samples=2, only=[1], on_update=updates.append
    )
    shown = [update for update in updates if update.preview is not None]
    assert all(update.output == "1" and update.preview.shape == (SIDE,) * 3 for update in shown)
    assert [update.final for update in shown] == [False] * (len(shown) - 1) + [True]
    assert len(shown) == 2 * (3 - 1) + 1
    assert np.array_equal(shown[-1].preview, shapes[1].probability)
    assert [update.done for update in updates] == sorted(update.done for update in updates)


def job_of(image: np.ndarray, labels: np.ndarray, settings: ShapeSettings, **options: Any) -> Job[Any]:
    """The job on arrays."""
    inputs = {"image": Image.wrap(image), "labels": Image.wrap(labels)}
    return memory_job(SHAPE, inputs, settings, **options)


def test_a_bad_cell_never_stops_the_others(tiny: str) -> None:
    image, labels = three_cells()
    finished: list[CellShape] = []
    updates: list[Update] = []
    settings = ShapeSettings(model=tiny, pixel_size=0.1)
    shapes = run(job_of(image, labels, settings, on_cell=finished.append), updates.append).value
    assert [cell.label for cell in shapes.cells] == [1, 7] == [cell.label for cell in finished]
    assert list(shapes.refused) == [4]
    assert "border" in shapes.refused[4]
    (told,) = [update for update in updates if update.output == "4"]
    assert (told.warning, told.message) == (True, shapes.refused[4])
    tried = predict_shapes(image, labels, model=tiny, anyway=True)
    assert [cell.label for cell in tried.cells] == [1, 4, 7]
    assert "border" in str(tried[4].complaint)
    with pytest.raises(KeyError):
        shapes[4]


def test_cells_without_an_object_or_with_nonsense_are_refused_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One cell in which the model finds nothing, and one for which its numbers overflow."""
    image, labels = three_cells()
    model = lathed_model()
    forward = model.network.forward
    calls = {"count": 0}

    def failing(inputs: Any, time: Any) -> Any:
        calls["count"] += 1
        return (
            {1: -1.0, 2: float("nan")}.get(calls["count"], 1.0)
            * (0 * inputs[:, :1] + 1)
            * (forward(inputs, time) if calls["count"] > 2 else 1)
        )

    monkeypatch.setattr(model.network, "forward", failing)
    monkeypatch.setattr(ready, "load_model", lambda *_, **__: model)
    updates: list[Update] = []
    shapes = predict_shapes(image, labels, anyway=True, on_update=updates.append)
    assert [cell.label for cell in shapes.cells] == [7]
    assert "found no object for cell 1" in shapes.refused[1]
    assert "no finite numbers for cell 4" in shapes.refused[4]
    assert shapes.record["refused"] == {"1": shapes.refused[1], "4": shapes.refused[4]}
    assert updates[-1].done == updates[-1].total == 3


@pytest.mark.usefixtures("knowing")
def test_a_shape_that_leaves_the_window_is_reported() -> None:
    labels = disc((64, 64), (31.5, 31.5), 33).astype(np.uint8)
    (shape,) = predict_shapes(np.ones((64, 64)), labels, window="plane", anyway=True).cells
    assert "reaches the border" in str(shape.complaint)


@pytest.mark.usefixtures("knowing")
def test_the_mask_can_be_matched_and_what_the_model_said_itself_is_reported() -> None:
    """The knowing model leaves out the outermost pixels; with the option plane 32 is the mask."""
    labels = disc((64, 64), (31.5, 31.5), 20).astype(np.uint8)
    image = np.ones((64, 64))
    free = predict_shapes(image, labels, window="plane", model="any")[1]
    bound = predict_shapes(image, labels, window="plane", model="any", match_mask=True)[1]
    assert np.array_equal(bound.occupied[32], labels > 0)
    assert bound.mask_agreement == free.mask_agreement


def test_memory_that_ends_means_fewer_samples_at_once(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = three_cells()
    settings = ShapeSettings(model=tiny, mode="ensemble", samples=4, steps=2, batch=4)
    expected = predict_shapes(image, labels, settings=settings, only=[1])
    # As on a graphics card: on a processor samples go through the network one by one.
    monkeypatch.setattr(ShapeModel, "per_call", lambda self, wanted: min(self.batch or wanted, wanted))
    original, most = ShapeModel.samples, {"count": 1}

    def scarce(self: ShapeModel, *words: Any, count: int, **choices: Any) -> Any:
        if count > most["count"]:
            raise RuntimeError("can't allocate memory: out of memory")
        return (yield from original(self, *words, count=count, **choices))

    monkeypatch.setattr(ShapeModel, "samples", scarce)
    shapes = predict_shapes(image, labels, settings=settings, only=[1])
    assert np.array_equal(shapes[1].probability, expected[1].probability)
    assert sum("Memory ran out" in message for message in shapes.record["messages"]) == 2
    most["count"] = 0
    with pytest.raises(OutOfMemory, match="does not fit"):
        predict_shapes(image, labels, settings=settings, only=[1])


def test_the_record_makes_it_again(tiny: str) -> None:
    image, labels = three_cells()
    shapes = predict_shapes(image, labels, model=tiny, mode="ensemble", samples=2, steps=2, pixel_size=0.3)
    record = json.loads(json.dumps(shapes.record))
    settings = ShapeSettings.from_dict(record["settings"])
    again = predict_shapes(image, labels, settings=settings)
    assert np.array_equal(again[7].probability, shapes[7].probability)
    assert [cell["label"] for cell in record["cells"]] == [1, 7]
    assert record["model"]["sha256"] == load_model(tiny).sha256
    own = json.loads(json.dumps(shapes[7].record))
    assert own["cell"] == record["cells"][1]
    assert own["settings"] == record["settings"]
    assert "cells" not in own


def test_large_jobs_need_not_keep_their_shapes(tiny: str) -> None:
    image, labels = three_cells()
    seen: list[int] = []
    settings = ShapeSettings(model=tiny)
    job = job_of(image, labels, settings, keep=False, on_cell=lambda c: seen.append(c.label))
    assert (run(job).value.cells, seen) == ((), [1, 7])


@pytest.mark.parametrize(
    ("image", "labels", "words"),
    [
        (np.zeros((4, 20, 20)), np.zeros((20, 20), int), "has 4 planes"),
        (np.zeros((20, 20)), np.zeros((20, 21), int), "must agree"),
        (np.zeros((20, 20)), np.zeros((20, 20), int), "No cell is labelled"),
        (np.zeros((20, 20), complex), np.ones((20, 20), int), "type complex128"),
    ],
)
def test_what_is_no_plane_of_cells_is_refused(image: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(DiffuscopeError, match=words):
        run(job_of(image, labels, ShapeSettings()))


def test_models_that_do_not_fit_are_refused(tiny: str, tiny_model: Path, tmp_path: Path) -> None:
    image, labels = three_cells()
    with pytest.raises(DiffuscopeError, match="for restoration, not for shapes"):
        predict_shapes(image, labels, model=str(tiny_model))
    with pytest.raises(DiffuscopeError, match="no published sampler"):
        predict_shapes(image, labels, model=tiny, mode="as-published")
    one_pass = write_tiny(
        tmp_path / "one-pass", diffusion=replace(load_model(tiny).card.diffusion, estimate_only=True)
    )
    with pytest.raises(DiffuscopeError, match="best estimate alone"):
        predict_shapes(image, labels, model=str(one_pass), mode="sample")
    assert predict_shapes(image, labels, model=str(one_pass)).cells
    with pytest.raises(DiffuscopeError, match="no cube"):
        predict_shapes(image, labels, model=str(write_tiny(tmp_path / "flat", size=(8, 16, 16))))
    with pytest.raises(DiffuscopeError, match="1 and 3"):
        ShapeModel(lathed_model(condition_channels=3))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"mode": "mean"}, "unknown"),
        ({"threshold": "best"}, "unknown"),
        ({"window": "image"}, "unknown"),
        ({"solver": "euler"}, "unknown"),
        ({"mode": "ensemble", "samples": 1}, "at least 2"),
        ({"mode": "sample", "solver": "ancestral-mean"}, "draws no samples"),
        ({"solver": "dpm-solver++"}, "gives no estimate"),
        ({"mode": "as-published", "solver": "ddim"}, "its own solver"),
        ({"steps": 0}, "at least 1"),
        ({"seed": -1}, "seed"),
        ({"plane": -1}, "plane"),
        ({"pixel_size": 0.0}, "positive"),
    ],
)
def test_settings_are_checked(choices: dict[str, Any], words: str) -> None:
    with pytest.raises(DiffuscopeError, match=words) as caught:
        ShapeSettings(**choices)
    assert str(caught.value).count(". ") == 0


def test_settings_of_a_record() -> None:
    settings = ShapeSettings(mode="ensemble", samples=3, match_mask=True)
    assert ShapeSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert set(settings.to_dict()) - set(settings.deciding()) == {"device", "batch"}
    with pytest.raises(DiffuscopeError, match="Unknown setting colour"):
        ShapeSettings.from_dict({"colour": 1})
