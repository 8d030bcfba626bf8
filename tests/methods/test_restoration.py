"""Restoration as a user meets it: units, tiles, modes, odd input. Speed and quality are measured elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch

from napari_diffuscope import DiffuscopeError, Image, RestoreSettings, restore
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods import evaluation
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import MODES
from napari_diffuscope.methods.running import array_sinks, memory_job, method_job

SAMPLED = ["sample", "mean", "samples", "sharpened", "deviation"]


def photons(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(5 + 20 * rng.random(shape) ** 8).astype(np.uint16)


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    return photons(2, 97, 131)


@pytest.mark.parametrize("mode", ["estimate", *SAMPLED])
@pytest.mark.parametrize(
    "choice", [{"tile": 64, "batch": 1}, {"tile": 64, "batch": 5}, {"tile": 72, "batch": 2}]
)
def test_tiles_do_not_change_a_bit(
    tiny_model: Path, stack: np.ndarray, mode: Any, choice: dict[str, int]
) -> None:
    common: dict[str, Any] = {"model": str(tiny_model), "mode": mode, "samples": 2, "steps": 2}
    whole = restore(stack, **common, tile=4096, batch=1)
    tiled = restore(stack, **common, **choice)
    for name, values in whole.outputs.items():
        assert np.isfinite(values).all()
        assert np.array_equal(values, tiled.outputs[name])


def test_a_crop_of_the_best_estimate_is_that_part_of_the_whole(tiny_model: Path, stack: np.ndarray) -> None:
    whole = restore(stack, model=str(tiny_model)).restored
    part = restore(stack, model=str(tiny_model), planes=(1,), crop=(11, 90, 3, 77)).restored
    assert part.shape == (1, 79, 74)
    assert np.array_equal(part[0], whole[1, 11:90, 3:77])


def test_a_plane_alone_gets_the_noise_and_the_map_it_has_in_the_stack(
    tiny_model: Path, stack: np.ndarray
) -> None:
    whole = restore(stack, model=str(tiny_model), mode="sample", steps=2).restored
    alone = restore(stack, model=str(tiny_model), mode="sample", steps=2, planes=(1,)).restored
    assert np.array_equal(alone[0], whole[1])


@pytest.mark.parametrize("mode", ["estimate", "mean"])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64, np.uint32])
def test_units_are_those_of_the_input(tiny_model: Path, mode: Any, kind: type) -> None:
    image = photons(64, 64).astype(kind)
    common: dict[str, Any] = {"model": str(tiny_model), "mode": mode, "samples": 2, "steps": 2}
    plain, scaled = restore(image, **common), restore(image.astype(np.float64) * 1000 - 7e4, **common)
    np.testing.assert_allclose(scaled.restored, plain.restored * 1000 - 7e4, rtol=1e-3, atol=3)
    if mode == "mean":
        np.testing.assert_allclose(scaled.deviation, plain.deviation * 1000, rtol=1e-3, atol=3)


def test_one_map_serves_the_whole_stack_and_each_channel_has_its_own(tiny_model: Path) -> None:
    image = np.stack([photons(3, 64, 64), 50 * photons(3, 64, 64, seed=1)])
    record = restore(image, axes="CZYX", model=str(tiny_model)).record
    first, second = record["intensity"]
    assert (first["channel"], second["channel"]) == (0, 1)
    assert second["scale"] > 10 * first["scale"]
    assert first["planes"] == [0, 1, 2]


@pytest.mark.parametrize(
    "axes_and_shape",
    [
        ("YX", (48, 40)),
        ("ZYX", (2, 33, 48)),
        ("TCYX", (2, 2, 32, 32)),
        ("TCZYX", (1, 2, 2, 32, 31)),
        ("XYZ", (40, 41, 2)),
    ],
)
def test_all_axes_are_taken(tiny_model: Path, axes_and_shape: tuple[str, tuple[int, ...]]) -> None:
    axes, shape = axes_and_shape
    image = Image.wrap(photons(*shape), axes)
    assert restore(image, model=str(tiny_model)).restored.shape == image.shape


def test_lazy_and_multiscale_input_gives_the_same(tiny_model: Path, stack: np.ndarray) -> None:
    plain = restore(stack, model=str(tiny_model)).restored
    lazy = da.from_array(stack, chunks=(1, 50, 50))
    assert np.array_equal(restore(lazy, model=str(tiny_model)).restored, plain)
    assert np.array_equal(restore([lazy, lazy[:, ::2, ::2]], model=str(tiny_model)).restored, plain)


def test_colour_becomes_luminance_or_channels(tiny_model: Path) -> None:
    colours = photons(40, 48, 3)
    assert restore(colours, axes="YXS", model=str(tiny_model)).restored.shape == (40, 48)
    apart = restore(colours, axes="YXS", rgb="channels", model=str(tiny_model)).restored
    assert apart.shape == (3, 40, 48)


def test_missing_values_stay_missing_and_spoil_nothing(tiny_model: Path) -> None:
    image = photons(80, 80).astype(np.float32)
    broken = image.copy()
    broken[10:14, 20:23] = np.nan
    broken[50, 50] = np.inf
    restored = restore(broken, model=str(tiny_model)).restored
    assert np.array_equal(np.isnan(restored), ~np.isfinite(broken))


def test_empty_planes_in_a_stack_stay_as_they_are(tiny_model: Path, stack: np.ndarray) -> None:
    image = np.concatenate(
        [stack.astype(np.float32), np.full((1, 97, 131), 3.0), np.full((1, 97, 131), np.nan)]
    )
    result = restore(image, model=str(tiny_model), mode="mean", samples=2, steps=1)
    assert (result.restored[2] == 3).all()
    assert (result.deviation[2] == 0).all()
    assert np.isnan(result.restored[3]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (63, 65)])
def test_odd_sizes(tiny_model: Path, shape: tuple[int, int]) -> None:
    restored = restore(photons(*shape) + np.arange(shape[1]), model=str(tiny_model)).restored
    assert restored.shape == shape
    assert np.isfinite(restored).all()


def test_over_mirror_images_it_is_the_mean_of_what_a_user_could_mirror_by_hand(tiny_model: Path) -> None:
    plane, model = photons(64, 48, seed=3), str(tiny_model)
    by_hand = [
        np.flip(restore(np.flip(plane, axes).copy(), model=model).restored, axes)
        for axes in ((), (1,), (0,), (0, 1))
    ]
    together = restore(plane, model=model, mirrored=True).restored
    span = float(np.ptp(together))
    np.testing.assert_allclose(together, np.mean(by_hand, 0), atol=1e-4 * span)
    assert np.abs(together - by_hand[0]).max() > 0.01 * span, "it is another result than without"


def test_over_mirror_images_tiles_and_parts_are_those_of_the_whole(
    tiny_model: Path, stack: np.ndarray
) -> None:
    """Of a plane whose sizes are no multiples of the network's stride."""
    common: dict[str, Any] = {"model": str(tiny_model), "mirrored": True, "planes": (1,)}
    whole = restore(stack, **common).restored
    assert np.array_equal(restore(stack, **common, tile=64, batch=2).restored, whole)
    part = restore(stack, **common, crop=(11, 90, 3, 77)).restored
    assert np.array_equal(part[0], whole[0, 11:90, 3:77])


def test_seeds_decide_samples(tiny_model: Path, stack: np.ndarray) -> None:
    common: dict[str, Any] = {"model": str(tiny_model), "mode": "sample", "steps": 2}
    first, again, other = (restore(stack, **common, seed=seed).restored for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_mean_and_deviation_are_those_of_the_samples(tiny_model: Path, stack: np.ndarray) -> None:
    common: dict[str, Any] = {"model": str(tiny_model), "samples": 4, "steps": 2}
    samples = restore(stack, **common, mode="samples").restored.astype(np.float64)
    mean = restore(stack, **common, mode="mean")
    deviation = restore(stack, **common, mode="deviation").deviation
    assert samples.shape == (4, *stack.shape)
    np.testing.assert_allclose(mean.restored, samples.mean(0), rtol=1e-4, atol=1e-4)
    # The model's card calibrates the deviation by a factor of 2.
    np.testing.assert_allclose(mean.deviation, 2 * samples.std(0, ddof=1), rtol=1e-3, atol=1e-4)
    assert np.array_equal(mean.deviation, deviation)


def test_sharpening_by_nothing_is_the_estimate(tiny_model: Path, stack: np.ndarray) -> None:
    estimate = restore(stack, model=str(tiny_model)).restored
    assert np.array_equal(
        restore(stack, model=str(tiny_model), mode="sharpened", strength=0.0).restored, estimate
    )


def test_updates_count_up_preview_early_and_finish_every_plane(tiny_model: Path, stack: np.ndarray) -> None:
    updates: list[Update] = []
    result = restore(
        stack, model=str(tiny_model), mode="mean", samples=2, steps=2, tile=64, on_update=updates.append
    )
    counted = [u for u in updates if u.total]
    assert [u.done for u in counted] == sorted(u.done for u in counted)
    assert counted[-1].done == counted[-1].total
    first = next(u for u in updates if u.preview is not None)
    assert first.done == 1
    final = [u for u in updates if u.final]
    assert [(u.output, u.region[0].start) for u in final if u.region] == [
        (name, plane) for plane in (0, 1) for name in ("restored", "deviation")
    ]
    assert result.record["planes_done"] == [0, 1]


def test_planes_come_in_the_order_asked_for(tiny_model: Path) -> None:
    image, settings = Image.wrap(photons(4, 32, 32)), RestoreSettings(model=str(tiny_model))
    job = memory_job(RESTORE, {"image": image}, settings, order=[2, 3])
    finals = [u.region[0].start for u in job if u.final and u.region]
    assert finals == [2, 3, 0, 1]


def test_stopping_keeps_what_is_finished(tiny_model: Path) -> None:
    image, settings = Image.wrap(photons(3, 32, 32)), RestoreSettings(model=str(tiny_model))
    inputs, sink = {"image": image}, np.full(image.shape, np.nan, np.float32)
    sinks = array_sinks(RESTORE, RESTORE.outputs(inputs, settings), settings, {"restored": sink})
    job = method_job(RESTORE, inputs, settings, sinks=sinks)
    next(u for u in job if u.final)
    job.close()
    assert np.isfinite(sink[0]).all()
    assert np.isnan(sink[1:]).all()


def test_memory_that_runs_out_makes_tiles_smaller_and_says_so(
    tiny_model: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = restore(stack, model=str(tiny_model)).restored
    estimate = evaluation.Model.estimate

    def scarce(self: Any, x: Any, *rest: Any) -> Any:
        if x.shape[0] * x.shape[-1] > 200:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return estimate(self, x, *rest)

    monkeypatch.setattr(evaluation.Model, "estimate", scarce)
    updates: list[Update] = []
    result = restore(stack, model=str(tiny_model), tile=256, batch=2, on_update=updates.append)
    assert np.array_equal(result.restored, whole)
    warned = [u.message for u in updates if u.warning]
    assert warned
    assert "tiles of 128 pixels, 1 at a time" in warned[-1]
    assert result.record["messages"] == warned


def test_other_errors_are_not_taken_for_lack_of_memory(
    tiny_model: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("size mismatch")

    monkeypatch.setattr(evaluation.Model, "estimate", broken)
    with pytest.raises(RuntimeError, match="size mismatch"):
        restore(stack, model=str(tiny_model))


@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"model": "no-such-model"}, "There is no model 'no-such-model'"),
        ({"device": "cuda:7"}, "not available here"),
        ({"planes": (9,)}, "Plane 9 does not exist"),
        ({"planes": ()}, "No plane is chosen"),
        ({"crop": (0, 400, 0, 5)}, "does not lie inside"),
        ({"mode": "best"}, "Mode 'best' is unknown"),
        ({"mode": "mean", "samples": 1}, "at least 2 samples"),
        ({"steps": 0}, "The steps must be at least 1"),
        ({"strength": 1.5}, "between 0 and 1"),
        ({"seed": -1}, "seed"),
        ({"mode": "as-published"}, "no published sampler"),
    ],
)
def test_bad_choices_get_one_sentence(
    tiny_model: Path, stack: np.ndarray, choices: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DiffuscopeError, match=sentence) as error:
        restore(stack, **{"model": str(tiny_model), **choices})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "image", [np.zeros((0, 5, 5)), np.zeros(5), np.array([["a"]]), np.zeros((4, 4), complex)]
)
def test_bad_images_get_one_sentence(tiny_model: Path, image: np.ndarray) -> None:
    with pytest.raises(DiffuscopeError):
        restore(image, model=str(tiny_model))


def test_outputs_are_known_beforehand(stack: np.ndarray) -> None:
    image = Image.wrap(photons(2, 3, 20, 30), "TZYX")
    [spec] = RESTORE.outputs({"image": image}, RestoreSettings(planes=(1, 5), crop=(2, 9, 4, 30)))
    assert (spec.axes, spec.shape, spec.origin) == ("TZYX", (2, 2, 7, 26), (0, 1, 2, 4))
    [samples] = RESTORE.outputs({"image": image}, RestoreSettings(mode="samples", samples=5))
    assert (samples.axes, samples.shape, samples.origin) == ("NTZYX", (5, 2, 3, 20, 30), (0, 0, 0, 0, 0))
    names = [spec.name for spec in RESTORE.outputs({"image": image}, RestoreSettings(mode="mean"))]
    assert names == ["restored", "deviation"]


def test_settings_survive_a_record() -> None:
    for mode in MODES:
        settings = RestoreSettings(mode=mode, planes=(1, 2), crop=(0, 5, 0, 6), steps=4)
        assert RestoreSettings.from_dict(settings.to_dict()) == settings
    with pytest.raises(DiffuscopeError, match="Unknown setting colour"):
        RestoreSettings.from_dict({"colour": 1})


@pytest.mark.parametrize("mode", ["estimate", "sample"])
def test_the_number_of_threads_does_not_change_a_bit(tiny_model: Path, stack: np.ndarray, mode: Any) -> None:
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(restore(stack, model=str(tiny_model), mode=mode, steps=2).restored)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*found)
