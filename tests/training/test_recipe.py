"""Recipes: read, checked, written back; what is kept out; precision and time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import tifffile
import torch

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.jobs import run
from napari_diffuscope.training.kept_out import expand, keep_out, split
from napari_diffuscope.training.kinds import TASKS
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.network import DEMANDS, trained_network
from napari_diffuscope.training.precision import choose_precision
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import (
    Card,
    Data,
    Diffusion,
    ImageSource,
    Optimisation,
    Recipe,
    read_recipe,
)
from napari_diffuscope.training.recipe_file import write_recipe
from napari_diffuscope.training.restore.data import denoising_task
from napari_diffuscope.training.result import without_folders
from napari_diffuscope.training.run_files import CHECKPOINT
from napari_diffuscope.training.state import rate_at
from napari_diffuscope.training.task import Parts

CPU = torch.device("cpu")
RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def recipe(**parts: Any) -> Recipe:
    plan = Recipe(
        name="small",
        task="restoration",
        card=Card('A "small" one\\\nof two lines', "Tests µm.", pixel_size=(0.1, 0.2), citation=("a", "b")),
        network={"widths": [8, 8], "encoder_blocks": [1, 1], "decoder_blocks": [1], "embedding": 16},
        data=Data(simulated=2, validation=2, size=64, patch=32),
        optimisation=Optimisation(
            steps=4, batch=2, warmup=2, validate_every=2, checkpoint_every=3, learning_rate=1e-9
        ),
    )
    return replace(plan, **parts)


def test_a_written_recipe_reads_back_the_same(tmp_path: Path) -> None:
    images = (
        ImageSource(str(tmp_path / "a b.tif"), shrink=2),
        ImageSource(str(tmp_path / "c"), validation=True),
    )
    plan = recipe(data=Data(images=images), start_from=None)
    write_recipe(tmp_path / "deep" / "recipe.toml", plan)
    assert read_recipe(tmp_path / "deep" / "recipe.toml") == plan


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "a"\ntask = "restoration"\nstart_from = "model"\n[card]\ntitle="t"\npurpose="p"\n'
        '[data]\nkind = "pairs"\nfolder = "mine"\nimages = [{path = "a.tif"}]\n'
    )
    plan = read_recipe(path)
    assert plan.data.folder == str(tmp_path / "mine")
    assert plan.data.images[0].path == str(tmp_path / "a.tif")
    assert plan.start_from == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"network": {"kind": "edm2-unet"}}, "network kind must be one of"),
        ({"data": Data(kind="pairs")}, "needs both"),
        ({"data": Data(folder="x")}, "needs both"),
        ({"diffusion": Diffusion(highest_share=1.1)}, "highest_share cannot be 1.1"),
        ({"optimisation": Optimisation(validate_every=0)}, "validate_every cannot be 0"),
        ({"optimisation": Optimisation(time_budget_minutes=0.0)}, "time_budget_minutes cannot be 0.0"),
    ],
)
def test_impossible_numbers_are_refused(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        recipe(**parts)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ({"dims": 3, "stem": [2, 2, 2]}, "Denoising takes a 2D network"),
        ({"condition_channels": 0}, "Denoising takes a 2D network"),
        ({"kind": "openai-unet", "in_channels": 6}, "Denoising takes a 2D network"),
        ({"depth": 3}, "cannot be built"),
    ],
)
def test_networks_that_cannot_denoise_are_refused(network: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        trained_network(recipe(network=network))


def test_a_patch_must_fit_the_network() -> None:
    with pytest.raises(DiffuscopeError, match="a patch of 34 is none"):
        trained_network(recipe(data=Data(patch=34)))


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        image = np.random.default_rng(number).poisson(50, (80, 80)).astype(np.uint16)
        tifffile.imwrite(folder / f"{number}.tif", image)
    return folder


def test_validation_images_are_not_trained_on(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 3)
    sources = (ImageSource(str(folder / "0.tif")), ImageSource(str(folder / "1.tif"), validation=True))
    task = denoising_task(recipe(data=replace(recipe().data, images=sources)), tmp_path, CPU)
    assert task.known["images"] == ["0.tif"]
    assert task.known["kept_out"] == ["1.tif"]
    assert set(task.kept) == {"simulated", "images"}
    network = torch.nn.Identity()
    measures = task.validate(_Negative(network))
    assert set(measures) == {"gain_db", "simulated_gain_db", "images_gain_db"}
    assert all(abs(gain) < 1e-3 for gain in measures.values())  # the noisy image itself gains nothing


class _Negative(torch.nn.Module):
    """Its best estimate is the noisy image."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        assert (t == 1).all()
        return -x[:, 1:]


def test_a_folder_of_clean_images_is_split_by_file(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", 5)
    data = replace(recipe().data, simulated=0, images=(ImageSource(str(folder)),), validation_share=0.4)
    task = denoising_task(recipe(data=data), tmp_path, CPU)
    assert set(task.kept) == {"images"}
    assert (len(task.known["images"]), len(task.known["kept_out"])) == (3, 2)
    assert task.batches(Processes(0, 1, CPU).part(2))[0][0].shape == (2, 1, 32, 32)


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiffuscopeError, match="nothing to train on"):
        denoising_task(recipe(data=Data(simulated=0, patch=32)), tmp_path, CPU)
    with pytest.raises(DiffuscopeError, match="holds no images"):
        expand((ImageSource(str(tmp_path)),))
    with pytest.raises(DiffuscopeError, match="only one"):
        keep_out((ImageSource("a"),), share=0.5, seed=0)


def test_a_split_leaves_something_on_either_side() -> None:
    for share in (0.0, 0.5, 0.99):
        training, kept = split(list("abc"), share=share, seed=1)
        assert training
        assert kept
        assert sorted(training + kept) == list("abc")


def test_parts_put_together_are_the_whole_batch() -> None:
    class Pieces(torch.utils.data.Dataset[tuple[np.ndarray, ...]]):
        def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
            return (np.arange(2) + 2 * number,)

    groups = [Processes(rank, 3, CPU) for rank in range(3)]
    parts = [Parts(Pieces(), piece=2, part=group.part(7))[5][0] for group in groups]
    (whole,) = Parts(Pieces(), piece=2, part=Processes(0, 1, CPU).part(7))[5]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(whole, 40 + np.arange(7))
    assert sum(group.part(7).share for group in groups) == pytest.approx(1)
    with pytest.raises(DiffuscopeError, match="cannot be shared by 3"):
        groups[0].part(2)


@pytest.mark.parametrize("units", [True, False])
def test_mixed_precision_where_there_are_units(units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: units, raising=False)
    assert choose_precision("auto", CPU) == ("bfloat16" if units else "float32")
    assert choose_precision("bfloat16", CPU) == "bfloat16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: units)
    assert choose_precision("auto", torch.device("cuda")) == ("bfloat16" if units else "float32")


def test_mixed_precision_follows_the_curve(tmp_path: Path) -> None:
    gains = {}
    for precision in ("float32", "bfloat16"):
        plan = recipe(optimisation=replace(recipe().optimisation, precision=precision, learning_rate=1e-2))
        card = run(training_job(plan, tmp_path / precision, tmp_path / "m" / precision, workers=0))
        gains[precision] = card.metrics["validation_gain_db"]
    assert gains["float32"] == pytest.approx(gains["bfloat16"], abs=0.5)
    assert gains["float32"] != gains["bfloat16"]


def test_a_time_budget_ends_the_training_and_its_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_diffuscope.training import loop

    clock = iter(range(10_000))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(clock)))  # a second per look
    plan = replace(recipe().optimisation, time_budget_minutes=0.1, steps=10_000, learning_rate=1e-2)
    updates = []
    card = run(training_job(recipe(optimisation=plan), tmp_path, tmp_path / "m", workers=0), updates.append)
    assert card.training["steps"] == 6
    assert card.training["seconds"] == 6
    assert updates[-1].done == updates[-1].total == 6
    rates = [float(row.split(",")[3]) for row in (tmp_path / "log.csv").read_text().splitlines()[1:]]
    assert rates == pytest.approx([rate_at(step, plan, used=step / 6) for step in (1, 3, 5)], rel=1e-4)


def test_how_long_to_train_may_change_on_resuming(tmp_path: Path) -> None:
    plan = recipe()
    run(training_job(plan, tmp_path, tmp_path / "m", workers=0))
    longer = replace(plan, optimisation=replace(plan.optimisation, steps=5))
    card = run(training_job(longer, tmp_path, tmp_path / "m", workers=0, resume=True, overwrite=True))
    assert card.training["steps"] == 5
    other = replace(plan, optimisation=replace(plan.optimisation, clip=2.0))
    with pytest.raises(DiffuscopeError, match="another recipe, with another clip"):
        run(training_job(other, tmp_path, tmp_path / "m", workers=0, resume=True, overwrite=True))


def test_a_card_does_not_tell_where_files_lie() -> None:
    text = json.dumps(without_folders(read_recipe(RECIPES / "restoration.toml").to_dict()))
    assert "IXMtest_A02_s9.tif" in text
    assert "restoration-trunk" in text
    assert str(RECIPES.parent.parent) not in text
    assert "/" not in json.loads(text)["data"]["images"][0]["path"]


def test_a_checkpoint_of_a_version_that_knew_fewer_entries_is_resumed(tmp_path: Path) -> None:
    plan = recipe()
    run(training_job(plan, tmp_path, tmp_path / "m", workers=0))
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del content["recipe"]["data"]["textures"], content["recipe"]["optimisation"]["every_minutes"]
    torch.save(content, tmp_path / CHECKPOINT)
    longer = replace(plan, optimisation=replace(plan.optimisation, steps=5))
    assert (
        run(training_job(longer, tmp_path, tmp_path / "m", workers=0, resume=True, overwrite=True)).training[
            "steps"
        ]
        == 5
    )
    other = replace(longer, data=replace(longer.data, textures=7))
    with pytest.raises(DiffuscopeError, match="another recipe, with another textures"):
        run(training_job(other, tmp_path, tmp_path / "m", workers=0, resume=True, overwrite=True))


def test_what_a_training_begins_with_is_in_its_log_and_time_calls_for_rows(tmp_path: Path) -> None:
    first = recipe()
    card = run(training_job(first, tmp_path / "a", tmp_path / "first", workers=0))
    plan = replace(first.optimisation, steps=3, every_minutes=1e-6, validate_every=100, checkpoint_every=100)
    further = replace(first, start_from=str(tmp_path / "first"), optimisation=plan)
    run(training_job(further, tmp_path / "b", tmp_path / "second", workers=0))
    rows = [row.split(",") for row in (tmp_path / "b" / "log.csv").read_text().splitlines()]
    assert [row[0] for row in rows] == ["step", "0", "1", "2", "3"]
    assert float(rows[1][2]) == pytest.approx(card.metrics["validation_gain_db"], abs=0.02)  # half precision
    assert rows[1][1] == "nan"
    assert torch.load(tmp_path / "b" / CHECKPOINT, weights_only=True)["step"] == 3


def test_every_kind_of_data_has_a_task() -> None:
    kinds = get_args(get_type_hints(Data)["kind"])
    assert set(kinds) == set(TASKS)
    assert set(DEMANDS) < set(kinds)
