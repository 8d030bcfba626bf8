"""Training on shapes: who is kept out, how cells are changed, what is learned, what the model says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_diffuscope import DiffuscopeError, load_model
from napari_diffuscope.jobs import run
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.network import trained_network
from napari_diffuscope.training.recipe import Data, Recipe, read_recipe
from napari_diffuscope.training.recipe_file import recipe_toml
from napari_diffuscope.training.shape.cells import (
    KnownCell,
    cell_extent,
    folds_of,
    kept_names,
    kind_of,
    read_cells,
)
from napari_diffuscope.training.shape.data import CellPieces, _reach, draw_map, moved, room_of
from napari_diffuscope.training.shape.shapes import THRESHOLDS, shapes_loss, shapes_task, split_cells
from napari_diffuscope.training.task import Draw, Part
from tests.training.shape_folders import SIDE, shape_recipe, simulated_cell, write_cells

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("cells") / "cells", {"A": 8, "B": 8})


def lopsided() -> KnownCell:
    """Bright and high on one side, dark and flat on the other, and only above the image plane."""
    z, y, x = np.mgrid[:64, :64, :64]
    disc = np.hypot(y - 31.5, x - 31.5) <= 20
    volume = disc & (z >= 32) & (z <= 32 + np.where(x > 31.5, 24, 8))
    image = np.where(disc[0], np.where(x[0] > 31.5, 200.0, 50.0), 0.0)
    return KnownCell("A_1", image.astype(np.float32), np.uint8(255) * disc[0], np.uint8(255) * volume)


def test_folds_share_each_class_fairly_and_leave_nobody_out() -> None:
    names = [f"A_{i}" for i in range(48)] + [f"B_{i}" for i in range(22)] + [f"D_{i}" for i in range(9)]
    folds = folds_of(names, 5, seed=0)
    assert set(folds) == set(names)
    for fold in range(1, 6):
        counts = Counter(kind_of(name) for name in names if folds[name] == fold)
        assert 9 <= counts["A"] <= 10
        assert 4 <= counts["B"] <= 5
        assert 1 <= counts["D"] <= 2
    assert folds_of(names[::-1], 5, seed=0) == folds
    assert folds_of(names, 5, seed=1) != folds


def test_a_share_of_each_class_is_kept_out() -> None:
    names = [f"A_{i}" for i in range(40)] + [f"B_{i}" for i in range(10)]
    kept = kept_names(names, fold=None, share=0.2, seed=0)
    assert Counter(map(kind_of, kept)) == {"A": 8, "B": 2}
    assert kept != kept_names(names, fold=None, share=0.2, seed=1)
    assert len(kept_names(names, fold=None, share=0.0, seed=0)) == 1
    every = [kept_names(names, fold=(k, 5), share=0.9, seed=0) for k in range(1, 6)]
    assert frozenset.union(*every) == set(names)
    assert sum(map(len, every)) == len(names)


def test_image_outline_and_object_move_together() -> None:
    cell = lopsided()
    flips = set()
    for seed in range(12):
        matrix, offset = draw_map(np.random.default_rng(seed), _reach(cell), 64)
        image, outline, volume = moved(cell, matrix, offset)
        mask, occupied = outline > 127, volume > 127
        heights = occupied.sum(0)
        bright = (image > 125) & mask
        assert heights[bright].mean() > 2 * heights[mask & ~bright].mean()
        assert (heights[mask] > 0).mean() > 0.98
        up = int(np.flatnonzero(occupied.any((1, 2))).mean() > 32)
        flips.add(up)
        assert occupied[32][mask].mean() > 0.97
    assert flips == {0, 1}


def test_cells_may_stay_upright() -> None:
    cell, grown = lopsided(), []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        volume = moved(cell, *draw_map(rng, _reach(cell), 64, upside_down=False))[2] > 127
        grown.append(np.flatnonzero(volume.any((1, 2))).mean() > 32)
    assert all(grown)
    pieces = CellPieces([cell], seed=0, upside_down=False)
    assert all((pieces[number][0][0, 0, :30] < 0).all() for number in range(6))
    assert not all((CellPieces([cell], seed=0)[number][0][0, 0, :30] < 0).all() for number in range(6))


def test_the_threshold_is_the_best_for_the_cells_that_were_learned_from(cells: Path) -> None:
    """A network that says less and less the farther a voxel is from the plane, against all thresholds in numpy."""
    task = shapes_task(shape_recipe(cells), CPU)

    class Fading(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Parameter(torch.ones(()))

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return 2 * self.one * x[:, 1:2] * (0.6 - x[:, 3:4].abs() / 2) - 1

    height = np.abs(np.arange(SIDE) - SIDE // 2) / (SIDE // 2)
    fading = (0.6 - height / 2)[:, None, None]

    def overlap(threshold: float, known: Sequence[KnownCell]) -> float:
        pairs = [(cell.mask * fading > threshold, cell.occupied) for cell in known]
        return float(np.mean([(found & true).sum() / (found | true).sum() for found, true in pairs]))

    learned, kept = split_cells(task.recipe)
    best = max(THRESHOLDS, key=lambda threshold: overlap(threshold, learned))
    assert min(THRESHOLDS) < best < 0.5
    network = Fading()
    assert task.threshold(network) == best
    assert task.card(network).occupancy_threshold == best
    assert task.validate(network)["iou"] == pytest.approx(overlap(best, kept))


def test_cells_are_turned_and_resized_but_never_leave_the_window() -> None:
    z, y, x = np.mgrid[:64, :64, :64]
    bar = (np.abs(y - 31.5) <= 6) & (x >= 1) & (x <= 62) & (np.abs(z - 32) <= 25)
    cell = KnownCell("A_1", np.ones((64, 64), np.float32), np.uint8(255) * bar[32], np.uint8(255) * bar)
    reach, sizes, angles = _reach(cell), [], []
    for seed in range(40):
        matrix, offset = draw_map(np.random.default_rng(seed), reach, 64)
        ends = reach @ matrix.T + offset
        assert (np.abs(ends) <= room_of(64) + 1e-6).all()
        sizes.append(np.cbrt(abs(np.linalg.det(matrix))))
        angles.append(np.arctan2(matrix[2, 1], matrix[1, 1]) % np.pi)
    assert 0.84 < min(sizes) < 0.9
    assert 1.05 < max(sizes) < 1.16
    assert np.ptp(angles) > 2.5
    outline, volume = moved(cell, matrix, offset)[1:]
    assert (volume > 127).sum() == pytest.approx(bar.sum() * sizes[-1] ** 3, rel=0.03)
    assert (outline > 127).sum() == pytest.approx(bar[32].sum() * sizes[-1] ** 2, rel=0.03)


def test_batches_are_decided_by_seed_and_number(cells: Path) -> None:
    known = read_cells(cells)
    one, other = CellPieces(known, seed=3), CellPieces(known, seed=3)
    target, condition = one[7]
    assert target.shape == (1, 1, SIDE, SIDE, SIDE)
    assert condition.shape == (1, 4, SIDE, SIDE, SIDE)
    assert all(np.array_equal(a, b) for a, b in zip(one[7], other[7], strict=True))
    assert not np.array_equal(target, CellPieces(known, seed=4)[7][0])
    assert set(np.unique(target)) == {-1, 1}
    mask = condition[0, 0, 0] > 0
    plane = target[0, 0, SIDE // 2] > 0
    assert (mask & plane).sum() / (mask | plane).sum() > 0.95


def test_any_split_of_a_batch_gives_the_same_loss(cells: Path) -> None:
    task = shapes_task(shape_recipe(cells), CPU)
    network = LocalUNet(LocalUNetConfig(**trained_network(task.recipe).arguments))

    def loss(first: int, stop: int) -> float:
        part = Part(first, stop, 4)
        batch = tuple(torch.as_tensor(array) for array in task.batches(part)[2])
        return float(task.loss(network, batch, Draw(0, 5, part))) * (stop - first)

    with torch.no_grad():
        assert loss(0, 4) == pytest.approx(loss(0, 1) + loss(1, 4), rel=1e-5)


def test_the_loss_vanishes_for_the_true_shape_and_weighs_levels_alike() -> None:
    clean = torch.where(torch.rand(2, 1, 8, 8, 8) > 0.5, 1.0, -1.0)
    times = torch.tensor([0.4, 1.0])

    class Truth(torch.nn.Module):
        """Knows the shapes, is wrong by as much as is said, and checks its input."""

        wrong = torch.zeros(2)

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            alpha = torch.cos(torch.atan(2 * torch.tan(torch.pi / 2 * t[0])))
            noise = (x[:1, :1] - alpha * clean[:1]) / (1 - alpha**2).sqrt()
            assert abs(float(noise.mean())) < 0.2
            assert float(noise.std()) == pytest.approx(1, abs=0.1)
            assert not x[1, :1].any(), "pure noise is told as zeros"
            return clean + self.wrong.view(-1, 1, 1, 1, 1)

    network = Truth()
    batch = (clean, torch.zeros(2, 4, 8, 8, 8))

    def loss() -> float:
        return float(
            shapes_loss(network, batch, times, shift=2.0, generator=torch.Generator().manual_seed(0))
        )

    assert loss() == 0
    network.wrong = torch.tensor([0.5, 0.0])
    assert loss() == pytest.approx(0.25 / 0.3 / 2)
    network.wrong = torch.tensor([0.0, 0.5])
    assert loss() == pytest.approx(0.25 / 0.3 / 2)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_network_learns_heights_from_grey_values(cells: Path, tmp_path: Path, share: float) -> None:
    recipe = shape_recipe(cells, fold=(2, 4), share=share, steps=120, batch=4, validate_every=120)
    card = run(training_job(recipe, tmp_path / "run", tmp_path / "shapes", workers=0))
    assert card.metrics["validation_iou"] > 0.66  # one height for all cells reaches 0.6
    assert card.training["fold"] == [2, 4]
    assert len(card.training["kept_out"]) == 4
    model = load_model(tmp_path / "shapes")
    assert (model.card.task, model.card.axes, model.card.condition_channels) == ("shape", "ZYX", 4)
    assert model.card.diffusion.estimate_only == (share == 1)
    assert model.card.cell_extent == pytest.approx(cell_extent(split_cells(recipe)[0]))
    found = tifffile.imread(tmp_path / "shapes" / "example_output.tif")
    assert found.shape == (SIDE, SIDE)
    assert found[SIDE // 2, SIDE // 2] > 0.5 > found[1, 1]


def test_a_training_on_shapes_is_resumed_on_the_same_curve(cells: Path, tmp_path: Path) -> None:
    whole, first, rest = (
        shape_recipe(cells, steps=steps, checkpoint_every=2, validate_every=2) for steps in (4, 2, 4)
    )
    run(training_job(whole, tmp_path / "a", tmp_path / "one", workers=0))
    run(training_job(first, tmp_path / "b", tmp_path / "two", workers=0))
    run(training_job(rest, tmp_path / "b", tmp_path / "two", resume=True, overwrite=True, workers=0))
    steps = [(tmp_path / name / "log.csv").read_text().splitlines()[1].split(",")[1] for name in "ab"]
    assert steps[0] == steps[1]


@pytest.mark.parametrize(
    ("folder", "values", "sentence"),
    [
        ("mask", None, "not in all of image, mask and obj, 'A_000' first"),
        ("obj", np.zeros((16, 32, 32), np.uint8), "A_000 have the shapes"),
        ("obj", np.zeros((32, 32, 32), np.float32), "holds float32"),
        ("mask", np.zeros((32, 32), np.uint8), "A_000 is empty"),
    ],
)
def test_cells_that_cannot_be_used_are_named(
    tmp_path: Path, folder: str, values: np.ndarray | None, sentence: str
) -> None:
    place = write_cells(tmp_path / "cells", {"A": 2})
    path = place / folder / "A_000.tif"
    path.unlink()
    if values is not None:
        tifffile.imwrite(path, values)
    with pytest.raises(DiffuscopeError, match=sentence):
        read_cells(place)


def test_masks_of_zero_and_one_are_understood(tmp_path: Path) -> None:
    place = write_cells(tmp_path / "cells", {"A": 1})
    path = place / "obj" / "A_000.tif"
    before = read_cells(place)[0].occupied
    tifffile.imwrite(path, (tifffile.imread(path) > 0).astype(np.uint8))
    assert np.array_equal(read_cells(place)[0].occupied, before)


def test_impossible_recipes_are_refused(cells: Path) -> None:
    with pytest.raises(DiffuscopeError, match="has no folder 'mask'"):
        read_cells(_without(cells, "mask"))
    with pytest.raises(DiffuscopeError, match="fold cannot be"):
        shape_recipe(cells, fold=(6, 5))
    with pytest.raises(DiffuscopeError, match="cannot be split into 40 folds"):
        split_cells(shape_recipe(cells, fold=(1, 40)))
    plan = shape_recipe(cells)
    wider = replace(plan, data=replace(plan.data, patch=64))
    with pytest.raises(DiffuscopeError, match="write patch = 32, not 64"):
        split_cells(wider)
    with pytest.raises(DiffuscopeError, match="the folder under"):
        Recipe("x", "shape", shape_recipe(cells).card, data=Data(kind="shapes"))
    with pytest.raises(DiffuscopeError, match="Folds are for"):
        Recipe("x", "restoration", shape_recipe(cells).card, data=Data(fold=(1, 5)))


def _without(cells: Path, name: str) -> Path:
    place = cells.parent / "incomplete"
    for other in {"image", "mask", "obj"} - {name}:
        (place / other).mkdir(parents=True, exist_ok=True)
    return place


def test_networks_of_another_kind_are_refused(cells: Path) -> None:
    recipe = shape_recipe(cells)
    for wrong in ({"dims": 2, "stem": [2, 2], "pool": [2, 2]}, {"condition_channels": 1}):
        broken = Recipe(
            recipe.name, recipe.task, recipe.card, network={**recipe.network, **wrong}, data=recipe.data
        )
        with pytest.raises(DiffuscopeError, match="Shapes take a local-unet in 3D"):
            trained_network(broken)


@pytest.mark.parametrize("name", ["shape-red-blood-cells", "shape-red-blood-cells-one-pass"])
def test_the_recipes_are_small_and_see_the_whole_window(name: str) -> None:
    recipe = read_recipe(RECIPES / f"{name}.toml")
    assert recipe.task == "shape"
    network = LocalUNet(LocalUNetConfig(**trained_network(recipe).arguments))
    assert sum(parameter.numel() for parameter in network.parameters()) < 2.9e6
    for radius, cell in zip(network.receptive_radius, network.total_stride, strict=True):
        assert radius + cell >= 64


def test_the_one_pass_recipe_differs_in_the_noise_levels_alone(tmp_path: Path) -> None:
    ours, other = (
        read_recipe(RECIPES / f"shape-red-blood-cells{suffix}.toml") for suffix in ("", "-one-pass")
    )
    assert other.diffusion.highest_share == 1
    assert (ours.network, ours.data, ours.optimisation) == (other.network, other.data, other.optimisation)
    again = tmp_path / "again.toml"
    again.write_text(recipe_toml(ours), encoding="utf-8")
    assert read_recipe(again) == ours


def test_simulated_cells_have_the_mask_in_the_image_plane() -> None:
    for kind in "AB":
        _, mask, volume = simulated_cell(kind, np.random.default_rng(0))
        assert np.array_equal(mask, volume[SIDE // 2])


def test_real_cells_are_read_and_their_masks_lie_in_the_image_plane(shared_data: Path) -> None:
    known = read_cells(shared_data / "red_blood_cells")
    assert Counter(cell.kind for cell in known) == {"A": 48, "B": 22, "C": 16, "D": 9}
    overlaps = [
        (cell.mask & cell.occupied[32]).sum() / (cell.mask | cell.occupied[32]).sum() for cell in known
    ]
    assert np.mean(overlaps) > 0.99
    assert cell_extent(known) == pytest.approx(50 / 64)
