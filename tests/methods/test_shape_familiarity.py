"""How far cells are from those that a model learned from."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_diffuscope.cli.app import make_app
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.cells import find_cells
from napari_diffuscope.methods.shape.familiarity import NAMES, cell_values, distance_from, measured_cells
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.training.shape.cells import read_cells
from napari_diffuscope.weights.card import read_card
from napari_diffuscope.weights.card_parts import CellFeatures
from napari_diffuscope.weights.catalogue import find_model

MODEL = "shape-red-blood-cells"


@pytest.fixture
def card():
    return read_card(find_model(MODEL))


def distance(card, plane: np.ndarray, mask: np.ndarray) -> float:
    (cell,) = find_cells(mask.astype(int))
    window = ShapeWindow.around(cell, extent=card.cell_extent)
    return distance_from(card.cell_features, cell_values(plane, cell, window))


def test_distances_are_those_of_mahalanobis_and_of_uncorrelated_normal_cells_about_the_root_of_their_number() -> (
    None
):
    rng = np.random.default_rng(0)
    count = len(NAMES)
    known = measured_cells(rng.normal(5, 2, (4000, count)))
    assert known.cells == 4000
    assert distance_from(known, np.full(count, 5.0)) < 0.2
    one_off = np.full(count, 5.0)
    one_off[3] += 2 * 6
    assert distance_from(known, one_off) == pytest.approx(6, rel=0.1)
    # the 95th percentile of a χ distribution with 14 degrees of freedom is 4.87
    assert known.limit == pytest.approx(4.87, rel=0.03)


def test_the_card_of_the_starter_is_what_the_command_measures(shared_data, tmp_path, card) -> None:
    folder = shutil.copytree(find_model(MODEL), tmp_path / "copy")
    values = json.loads((folder / "model.json").read_text())
    del values["cell_features"]
    (folder / "model.json").write_text(json.dumps(values))
    outcome = CliRunner().invoke(
        make_app(), ["models", "cells", str(folder), str(shared_data / "red_blood_cells")]
    )
    assert outcome.exit_code == 0, outcome.output
    assert "76 cells measured" in outcome.output
    again = read_card(folder)
    np.testing.assert_allclose(again.cell_features.mean, card.cell_features.mean, rtol=1e-3, atol=1e-4)
    assert again.cell_features.limit == pytest.approx(card.cell_features.limit, abs=0.05)


def test_red_blood_cells_kept_out_are_near_and_a_nucleus_is_far(shared_data, card) -> None:
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label

    from napari_diffuscope.imaging.files import open_image
    from napari_diffuscope.methods.shape.segment import segment_around

    kept = [c for c in read_cells(shared_data / "red_blood_cells") if c.name in card.training["kept_out"]]
    near = [distance(card, cell.image, cell.mask) for cell in kept]
    assert np.mean(np.array(near) < card.cell_features.limit) > 0.85
    nuclei = open_image(shared_data / "fluorescence_images" / "BPAE_nuclei.tif").read_plane(0)
    smooth = gaussian_filter(nuclei, 2)
    cells = [cell for cell in find_cells(label(smooth > threshold_otsu(smooth))) if not cell.refused]
    windows = [ShapeWindow.around(cell, extent=card.cell_extent) for cell in cells]
    far = [
        distance_from(card.cell_features, cell_values(nuclei, cell, window))
        for cell, window in zip(cells, windows, strict=True)
    ]
    far.append(distance(card, nuclei, segment_around(nuclei, (282, 635)).mask))
    assert min(far) > 2 * card.cell_features.limit


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": (0.0,)},
        {"deviation": (1.0, 0.0)},
        {"deviation": (1.0, float("nan"))},
        {"correlation": ((1.0, 2.0), (2.0, 1.0))},
        {"limit": 0.0},
    ],
)
def test_cards_with_statistics_that_cells_cannot_have_are_refused(wrong) -> None:
    right = {
        "names": ("a", "b"),
        "mean": (0.0, 1.0),
        "deviation": (1.0, 1.0),
        "correlation": ((1.0, 0.1), (0.1, 1.0)),
        "limit": 3.0,
        "cells": 9,
    }
    CellFeatures(**right)
    with pytest.raises(DiffuscopeError, match="cell_features"):
        CellFeatures(**right | wrong)
