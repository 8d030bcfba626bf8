"""The first ten minutes: a file opened, restored, saved, closed, opened again and repeated, its pixel size intact."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER
from napari_diffuscope.viewer.widgets import choose

from .conftest import PATIENCE, click, run_to_the_end

pytestmark = [pytest.mark.viewer, pytest.mark.slow]
REAL = (
    "fluorescence_images/BPAE_actin.tif",
    "fluorescence_images/hela-cells.tif",
    "mesospim_nuclei/c5image.tif",
)


def file_of(name: str, request, folder: Path) -> Path:
    if name.endswith(".ome.tif"):
        return Path(shutil.copy(SAMPLE_FOLDER / name, folder))
    path: Path = request.getfixturevalue("shared_data") / name
    return Path(shutil.copy(path, folder))


def save(qtbot, dock, path: Path) -> None:
    dock.save_to(path)
    qtbot.waitUntil(lambda: not dock._saving.busy, timeout=PATIENCE)
    assert dock.bar.status.text().startswith(f"Saved {path.name}"), dock.bar.status.text()


def pixel_size(path: Path) -> float | None:
    image = open_image(path)
    return to_micrometres(image.scale[-1], image.units[-1])


@pytest.mark.parametrize("plugin", ["napari", "napari-diffuscope"])
@pytest.mark.parametrize("name", ["pair_noisy.ome.tif", *REAL])
def test_opened_restored_saved_closed_opened_and_repeated(
    qtbot, viewer, open_dock, request, tmp_path, tiny_model, name, plugin
) -> None:
    path = file_of(name, request, tmp_path)
    layer = viewer.open(path, plugin=plugin)[0]
    viewer.layers.selection.active = layer
    where = (tuple(layer.scale), tuple(map(str, layer.units)), np.array(layer.data).copy())
    dock = open_dock()
    dock.form.input.layers.choose(layer)
    dock.apply(RestoreSettings(model=str(tiny_model), mode="sample", steps=1, seed=3))
    choose(dock.form.region, "slice")
    size = pixel_size(path)
    assert ("unknown" in dock.form.input.axes_note.text()) == (size is None)
    assert run_to_the_end(qtbot, dock).state == "done"
    assert (tuple(layer.scale), tuple(map(str, layer.units))) == where[:2]
    np.testing.assert_array_equal(layer.data, where[2])
    result = viewer.layers[-1]
    pixels, axes = np.array(result.data), "".join(result.axis_labels)
    for ending in (".tif", ".ome.zarr"):
        save(qtbot, dock, tmp_path / f"result{ending}")
    result = None
    viewer.layers.clear()
    for ending in (".tif", ".ome.zarr"):
        again = viewer.open(tmp_path / f"result{ending}", plugin="napari-diffuscope")
        kept = [np.squeeze(one.data) for one in again]
        np.testing.assert_array_equal(np.stack(kept) if len(kept) > 1 else kept[0], np.squeeze(pixels))
        assert pixel_size(tmp_path / f"result{ending}") == (None if size is None else pytest.approx(size))
        assert set(again[0].axis_labels) <= set(axes)
    viewer.open(path, plugin=plugin)
    layer = viewer.layers[again[0].metadata["napari-diffuscope"]["input"]["name"]]
    viewer.layers.selection.active = again[0]
    choose(dock.form.control("mode"), "estimate")
    dock.form.control("seed").setValue(0)
    click(qtbot, dock.repeat_button)
    assert dock.form.layer == layer
    assert (dock.form.control("mode").currentData(), dock.form.control("seed").value()) == ("sample", 3)
    assert run_to_the_end(qtbot, dock).state == "done"
    np.testing.assert_array_equal(viewer.layers[-1].data, pixels)
