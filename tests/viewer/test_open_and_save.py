"""Files opened, restored, saved, closed, opened again and repeated, with everything that they know of themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QEvent

from napari_diffuscope.imaging.blocks import read_zarr_record
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER

from .conftest import PATIENCE, click, noisy, run_to_the_end

pytestmark = pytest.mark.viewer
OURS = "napari-diffuscope"


def save(qtbot, dock, path: Path) -> str:
    """Save as the button does, after its dialog; returns what the dock says."""
    dock.save_to(path)
    qtbot.waitUntil(lambda: not dock._saving.busy, timeout=PATIENCE)
    return dock.bar.status.text()


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def copy_of(tmp_path):
    """Copies a sample file to where a user would have it."""

    def copied(name: str) -> Path:
        (tmp_path / "data").mkdir(exist_ok=True)
        return Path(shutil.copy(SAMPLE_FOLDER / name, tmp_path / "data" / name))

    return copied


@pytest.mark.parametrize("name", ["stack_noisy.ome.tif", "pair_noisy.ome.tif", "timelapse_noisy.ome.tif"])
def test_what_naparis_reader_loses_is_taken_from_the_file(
    qtbot, viewer, open_dock, copy_of, tmp_path, name
) -> None:
    path = copy_of(name)
    (layer,) = viewer.open(path, plugin="napari")
    stored = open_image(path)
    assert {str(unit) for unit in layer.units} == {"pixel"}, "else this test is about nothing"
    dock = open_dock()
    dock.form.region.setCurrentIndex(1)
    assert "unknown" not in dock.form.input.axes_note.text()
    assert f"from the file {name}" in dock.form.input.sizes.remark.text()
    assert dock.form.image().scale == stored.scale
    run_to_the_end(qtbot, dock)
    result = viewer.layers[-1]
    assert set(layer.scale) == {1}, "the user's layer stays as it is"
    said = save(qtbot, dock, tmp_path / "result.tif")
    assert f"pixels of {stored.scale[-1]:.4g} µm" in said
    saved = open_image(tmp_path / "result.tif")
    assert (saved.scale[-2:], saved.units[-2:]) == (stored.scale[-2:], stored.units[-2:])
    step = viewer.dims.current_step
    click(qtbot, dock.form.input.sizes.button)
    assert viewer.dims.current_step == step
    assert tuple(layer.scale) == stored.scale
    assert tuple(result.scale)[-2:] == stored.scale[-2:]
    assert dock.form.input.sizes.isHidden()
    (again,) = layer.save(str(tmp_path / "input.ome.tif"))
    assert (open_image(again).scale, open_image(again).units) == (stored.scale, stored.units)


def test_a_layer_of_naparis_reader_is_saved_by_our_writer_with_the_size_of_its_file(
    viewer, copy_of, tmp_path
) -> None:
    path = copy_of("stack_noisy.ome.tif")
    (layer,) = viewer.open(path, plugin="napari")
    for name in ("all.ome.tif", "all.ome.zarr"):  # without naming a plugin
        (saved,) = layer.save(str(tmp_path / name))
        found, stored = open_image(saved), open_image(path)
        assert (found.axes, found.scale, found.units) == (stored.axes, stored.scale, stored.units)
        np.testing.assert_array_equal(np.asarray(found.data), layer.data)


@pytest.mark.parametrize("ending", [".tif", ".ome.tif", ".ome.zarr"])
def test_a_saved_result_is_opened_again_and_repeated(
    qtbot, viewer, open_dock, copy_of, tmp_path, ending
) -> None:
    path = copy_of("pair_noisy.ome.tif")
    viewer.open(path, plugin=OURS)
    dock = open_dock()
    dock.form.control("seed").setValue(7)
    dock.form.control("mode").setCurrentIndex(1)
    dock.form.control("steps").setValue(2)
    run_to_the_end(qtbot, dock)
    result = viewer.layers[-1]
    before, scale, units = np.array(result.data), tuple(result.scale), tuple(map(str, result.units))
    record = dict(result.metadata[OURS])
    assert f"with pixels of {scale[-1]:.4g} µm" in save(qtbot, dock, tmp_path / f"result{ending}")
    assert written(tmp_path) == {"data", f"result{ending}"}
    viewer.layers.clear()
    dock.form.control("seed").setValue(0)
    dock.form.control("steps").setValue(0)
    (again,) = viewer.open(tmp_path / f"result{ending}", plugin=OURS)
    assert (tuple(again.scale), tuple(map(str, again.units))) == (scale, units)
    assert "".join(again.axis_labels) == "yx"
    np.testing.assert_array_equal(again.data, before)
    assert again.metadata[OURS] == record
    viewer.layers.selection.active = again
    click(qtbot, dock.repeat_button)
    assert f"is not open; it was {path}" in dock.bar.status.text()
    (layer,) = viewer.open(path, plugin=OURS)
    viewer.layers.selection.active = again
    click(qtbot, dock.repeat_button)
    assert dock.form.layer == layer
    assert (dock.form.control("seed").value(), dock.form.control("steps").value()) == (7, 2)
    run_to_the_end(qtbot, dock)
    np.testing.assert_array_equal(viewer.layers[-1].data, before)


def test_the_button_saves_the_last_result_and_refuses_the_input(
    qtbot, viewer, open_dock, copy_of, tmp_path, monkeypatch
) -> None:
    from qtpy.QtWidgets import QFileDialog

    path = copy_of("pair_noisy.ome.tif")
    content = path.read_bytes()
    (layer,) = viewer.open(path, plugin=OURS)
    dock = open_dock()
    assert not dock.save_button.isEnabled()
    run_to_the_end(qtbot, dock)
    viewer.layers.selection.active = layer
    assert dock.save_button.isEnabled()
    answers = [
        (str(path), "OME-TIFF (*.ome.tif)"),
        ("", ""),
        (str(tmp_path / "named"), "OME-Zarr (*.ome.zarr)"),
    ]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: answers.pop(0))
    click(qtbot, dock.save_button)
    assert "is the file of the layer 'pair_noisy'" in dock.bar.status.text()
    assert path.read_bytes() == content
    click(qtbot, dock.save_button)
    assert written(tmp_path) == {"data"}
    click(qtbot, dock.save_button)
    qtbot.waitUntil(lambda: not dock._saving.busy, timeout=PATIENCE)
    assert written(tmp_path) == {"data", "named.ome.zarr"}
    assert read_zarr_record(tmp_path / "named.ome.zarr")["method"] == "restore"


def test_channels_come_with_their_names_and_colours_as_colours(viewer, tmp_path) -> None:
    pixels = noisy(2, 3, 24, 32)
    tifffile.imwrite(
        tmp_path / "two.ome.tif",
        pixels,
        metadata={
            "axes": "CZYX",
            "Channel": {"Name": ["DAPI", "actin"]},
            "PhysicalSizeX": 0.1,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": 0.1,
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeZ": 0.4,
            "PhysicalSizeZUnit": "µm",
        },
    )
    first, second = viewer.open(tmp_path / "two.ome.tif", plugin=OURS)
    assert (first.name, second.name) == ("two DAPI", "two actin")
    assert tuple(first.scale) == (0.4, 0.1, 0.1)
    assert "".join(first.axis_labels) == "zyx"
    assert first.blending == second.blending == "additive"
    np.testing.assert_array_equal(second.data, pixels[1])
    for labels, names in ((["a", "b"], ["ij a", "ij b"]), ("one", ["ij channel 0", "ij channel 1"])):
        tifffile.imwrite(
            tmp_path / "ij.tif", pixels[:, 0], imagej=True, metadata={"axes": "CYX", "Labels": labels}
        )
        assert [layer.name.split(" [")[0] for layer in viewer.open(tmp_path / "ij.tif", plugin=OURS)] == names
    tifffile.imwrite(tmp_path / "photo.tif", (noisy(24, 32, 3) / 3).astype(np.uint8), photometric="rgb")
    (photo,) = viewer.open(tmp_path / "photo.tif", plugin=OURS)
    assert photo.rgb
    stack = viewer.add_image(
        pixels, axis_labels=("c", "z", "y", "x"), metadata={"napari-diffuscope-channels": ["a", "b"]}
    )
    for name in ("named.ome.tif", "named.ome.zarr"):
        (saved,) = stack.save(str(tmp_path / name), plugin=OURS)
        names = [layer.name for layer in viewer.open(saved, plugin=OURS)]
        assert [name.split(" [")[0] for name in names] == ["named a", "named b"]


def test_labels_stay_labels_and_samples_stay_samples(qtbot, viewer, open_dock, tmp_path) -> None:
    labels = viewer.add_labels(np.arange(24 * 32).reshape(24, 32) % 5, scale=(0.2, 0.2), units=("µm", "µm"))
    for name in ("labels.ome.tif", "labels.ome.zarr"):
        (saved,) = labels.save(str(tmp_path / name), plugin=OURS)
        (again,) = viewer.open(saved, plugin=OURS)
        assert again._type_string == "labels"
        assert tuple(again.scale) == (0.2, 0.2)
        np.testing.assert_array_equal(again.data, labels.data)
    pixels = noisy(3, 2, 24, 32)
    samples = viewer.add_image(pixels, axis_labels=("sample", "z", "y", "x"), scale=(1, 0.4, 0.1, 0.1))
    for name in ("samples.ome.tif", "samples.ome.zarr"):
        (saved,) = samples.save(str(tmp_path / name), plugin=OURS)
        (again,) = viewer.open(saved, plugin=OURS)
        assert tuple(again.axis_labels) == ("sample", "z", "y", "x")
        np.testing.assert_array_equal(again.data, pixels)


def test_a_full_disk_leaves_nothing_behind(qtbot, viewer, open_dock, stack, tmp_path, monkeypatch) -> None:
    dock = open_dock()
    run_to_the_end(qtbot, dock)
    kept = tmp_path / "result.tif"
    kept.write_bytes(b"older")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for name in ("result.tif", "result.ome.zarr"):
        save(qtbot, dock, tmp_path / name)
        assert "the disk is full" in dock.bar.status.text()
    monkeypatch.undo()
    assert written(tmp_path) == {"result.tif"}
    assert kept.read_bytes() == b"older"


def test_napari_asks_once_which_reader_to_use(viewer, copy_of) -> None:
    from npe2 import PluginManager

    names = {reader.plugin_name for reader in PluginManager.instance().iter_compatible_readers("a.ome.tif")}
    assert {"napari", OURS} <= names
    assert not [
        reader
        for reader in PluginManager.instance().iter_compatible_readers("a.png")
        if reader.plugin_name == OURS
    ]


@pytest.mark.parametrize("ending", [".tif", ".ome.zarr"])
def test_several_selected_layers_become_the_channels_of_one_file(viewer, tmp_path, ending) -> None:
    keywords = {"scale": (0.2, 0.2), "units": ("µm", "µm"), "axis_labels": ("y", "x")}
    pixels = noisy(2, 24, 32)
    record = {"method": "restoration", "settings": {"seed": 1}}
    for number, name in enumerate(("cells DAPI restored", "cells actin restored")):
        layer = viewer.add_image(pixels[number], name=name, **keywords)
        layer.metadata[OURS] = {**record, "number": number}
    viewer.layers.selection = set(viewer.layers)
    (path,) = viewer.layers.save(str(tmp_path / f"both{ending}"), selected=True)
    assert open_image(path).axes == "CYX"
    first, second = viewer.open(path, plugin=OURS)
    assert (first.name, second.name) == ("both DAPI restored", "both actin restored")
    assert tuple(second.scale) == (0.2, 0.2)
    assert (first.metadata[OURS]["number"], second.metadata[OURS]["number"]) == (0, 1)
    np.testing.assert_array_equal(second.data, pixels[1])
    other = viewer.add_image(noisy(24, 30), name="other", **keywords)
    viewer.layers.selection = {viewer.layers["cells DAPI restored"], other}
    paths = viewer.layers.save(str(tmp_path / f"apart{ending}"), selected=True)
    assert {Path(one).name for one in paths} == {f"apart_cells_DAPI_restored{ending}", f"apart_other{ending}"}
    assert {open_image(one).scale for one in paths} == {(0.2, 0.2)}


def test_napari_ome_zarr_opens_what_is_saved_with_its_sizes_and_channels(viewer, tmp_path) -> None:
    pytest.importorskip("napari_ome_zarr")
    pixels = {name: noisy(3, 40, 300) + number for number, name in enumerate(("DAPI", "GFP"))}
    for name, stack in pixels.items():
        viewer.add_image(
            stack, name=name, scale=(0.5, 0.1, 0.1), units=("um",) * 3, axis_labels=("z", "y", "x")
        )
    place = tmp_path / "cells.ome.zarr"
    viewer.layers.save(str(place), plugin=OURS)
    viewer.layers.clear()
    layers = viewer.open(place, plugin="napari-ome-zarr")
    assert [layer.name.split(": ")[-1] for layer in layers] == list(pixels)
    for layer, stack in zip(layers, pixels.values(), strict=True):
        assert layer.multiscale
        np.testing.assert_array_equal(np.asarray(layer.data[0]), stack)
        np.testing.assert_allclose(layer.scale, (0.5, 0.1, 0.1))


def test_a_window_closed_while_a_result_is_saved_still_gets_its_file(
    qtbot, viewer, stack, open_dock, tmp_path: Path
) -> None:
    dock = open_dock()
    run_to_the_end(qtbot, dock)
    path = tmp_path / "closed.ome.tif"
    dock.save_to(path)
    saving = dock._saving
    viewer.close()  # the dock is never told that it is taken away
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not isalive(dock)
    with qtbot.captureExceptions() as exceptions:
        qtbot.waitUntil(lambda: not saving.busy, timeout=PATIENCE)
    assert path.exists()
    assert not exceptions
