"""The starter for shapes: on cells that it never saw, and on the sample that ships."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope import ShapeSettings, predict_shapes
from napari_diffuscope.cli import main
from napari_diffuscope.evaluate.shape.fits import FITS, tune
from napari_diffuscope.methods.shape.occupancy import largest_piece
from napari_diffuscope.methods.shape.result import Shapes
from napari_diffuscope.methods.shape.settings import DEFAULT_SHAPE_MODEL
from napari_diffuscope.training.shape.cells import KnownCell, read_cells
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.catalogue import STARTERS

SAMPLES = Path(__file__).parents[2] / "sample_data"
IMAGE, LABELS = SAMPLES / "cells_image.ome.tif", SAMPLES / "cells_labels.ome.tif"


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    return float((found & true).sum() / (found | true).sum())


def predicted(cell: KnownCell) -> np.ndarray:
    shapes = predict_shapes(cell.image, cell.mask.astype(np.int32), window="plane", anyway=True)
    return shapes.cells[0].occupied


def test_it_is_better_than_a_tuned_cylinder_on_cells_it_never_saw(shared_data: Path) -> None:
    kept = read_card(STARTERS / DEFAULT_SHAPE_MODEL).training["kept_out"]
    cells = read_cells(shared_data / "red_blood_cells")
    seen = [cell for cell in cells if cell.name not in kept]
    unseen = [cell for cell in cells if cell.name in kept]
    assert (len(seen), len(unseen)) == (76, 19)
    cylinder = tune(FITS[0], seen)
    ours = [overlap(predicted(cell), cell.occupied) for cell in unseen]
    fits = [overlap(cylinder.shape_of(cell.mask, cell.side), cell.occupied) for cell in unseen]
    assert np.mean(ours) > np.mean(fits) + 0.02
    assert np.mean(ours) > 0.58


@pytest.fixture(scope="module")
def ensemble() -> Shapes:
    return predict_shapes(IMAGE, LABELS, only=[2, 5, 9], mode="ensemble", samples=3)


def test_samples_are_whole_shapes_that_differ(ensemble: Shapes) -> None:
    assert [shape.label for shape in ensemble.cells] == [2, 5]
    assert "touches the border" in ensemble.refused[9]
    for shape in ensemble.cells:
        assert shape.mask_agreement > 0.9
        assert shape.deviation is not None
        assert 0.2 < shape.deviation.max() <= 0.6
        volumes = np.array([sample.sum() for sample in shape.samples])
        assert 0.02 < volumes.std(ddof=1) / volumes.mean() < 0.6
        for sample in shape.samples:
            assert sample[32].any()
            assert np.array_equal(sample, largest_piece(sample))
            faces = [np.abs(np.diff(sample.astype(int), axis=axis)).sum() for axis in range(3)]
            ball = 6 * np.pi * (0.75 * sample.sum() / np.pi) ** (2 / 3)  # faces of a ball of this volume
            assert sum(faces) < 2.5 * ball, "noise would have a face for every few voxels"


def test_the_estimate_takes_seconds_for_a_cell() -> None:
    predict_shapes(IMAGE, LABELS, only=[5])
    began = time.process_time()
    (shape,) = predict_shapes(IMAGE, LABELS, only=[2]).cells
    assert time.process_time() - began < 30, "of all cores; a few on those of today"
    assert shape.threshold == read_card(STARTERS / DEFAULT_SHAPE_MODEL).occupancy_threshold


def test_command_line_and_python_give_the_same(tmp_path: Path, ensemble: Shapes) -> None:
    out = tmp_path / "shapes"
    words = ["shape", str(IMAGE), str(out), "--labels", str(LABELS), "--only", "2,5,9"]
    with pytest.raises(SystemExit) as stop:
        main([*words, "--mode", "ensemble", "--samples", "3", "--quiet"])
    assert not stop.value.code
    for shape in ensemble.cells:
        assert np.array_equal(tifffile.imread(out / f"{shape.label}.tif") > 0, shape.occupied)
    with (out / "features.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"2", "5", "9"}
    assert float(rows["2"]["volume"]) == ensemble[2].features["volume"]
    assert float(rows["2"]["volume_sd"]) == ensemble[2].spread["volume"]
    assert rows["9"]["complaint"] == ensemble.refused[9]
    assert ShapeSettings().model == DEFAULT_SHAPE_MODEL
