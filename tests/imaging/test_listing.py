"""One listing of the images in a folder, for batches, training and pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.batches.plan import planned
from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import SUFFIXES
from napari_diffuscope.imaging.listing import image_files
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.restore.settings import RestoreSettings
from tests.imaging.test_zarr_scenes import field

NUMBERED = BatchSettings("{name}_{number}.tif")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "raw"
    (place / "deeper").mkdir(parents=True)
    for suffix in SUFFIXES:
        if suffix != ".zarr":
            (place / f"a{suffix.upper()}").touch()
    field(place / "b.ome.zarr", "0.5", np.full((2, 16, 18), 9, np.uint8))
    for name in ("notes.txt", ".hidden.tif"):
        (place / name).touch()
    (place / "deeper" / "c.tif").touch()
    return place


def test_a_batch_and_a_training_take_the_same_files(folder: Path, tmp_path: Path) -> None:
    names = [path.name for path in image_files(folder)]
    assert sorted(names) == sorted([*(f"a{s.upper()}" for s in SUFFIXES if s != ".zarr"), "b.ome.zarr"])
    plan = planned(METHODS["restore"], [folder], tmp_path / "out", RestoreSettings(), choices=NUMBERED)
    assert [item.source.name for item in plan.items] == names
    assert "No images by their names, left out: notes.txt." in plan.notes
    with pytest.raises(DiffuscopeError, match="holds no images"):
        image_files(tmp_path)


def test_pairs_are_made_of_ome_zarr_in_a_folder(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(50, 200, (1, 48, 48)).astype(np.uint8)
    field(tmp_path / "raw" / "b.ome.zarr", "0.5", pixels)
    with pytest.raises(SystemExit) as ended:
        main(["pairs", str(tmp_path / "raw"), "--out", str(tmp_path / "pairs"), "--quiet"])
    assert not ended.value.code
    assert [path.name for path in (tmp_path / "pairs" / "low").iterdir()] == ["b.tif"]
