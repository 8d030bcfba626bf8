"""What napari learns from the manifest: menus, samples, a writer."""

from __future__ import annotations

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_diffuscope.imaging.tiff import read_image, read_record
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER

from .conftest import made, noisy, run_to_the_end


def test_the_manifest_is_valid_and_all_its_commands_exist() -> None:
    manifest = PluginManifest.from_distribution("napari-diffuscope")
    manifest.validate_imports()
    (reader,) = manifest.contributions.readers or ()
    assert set(reader.filename_patterns) >= {"*.tif", "*.tiff", "*.ome.tif", "*.ome.zarr"}


@pytest.mark.viewer
def test_menus(viewer) -> None:
    from napari._app_model import get_app_model  # only here: napari offers no public look into its menus

    menus = get_app_model().menus
    plugins = [item.command.title for item in menus.get_menu("napari/plugins/napari-diffuscope")]
    assert {title.split(" (")[0] for title in plugins} == {
        "Restore",
        "Super-resolve volume",
        "Predict 3D shape",
        "Generate",
        "Training pairs",
        "Compare",
        "Batch",
        "Train",
        "Models",
    }
    submenu = [item.title for item in menus.get_menu("napari/layers/filter") if hasattr(item, "submenu")]
    assert "Diffuscope" in submenu
    assert [item.command.id for item in menus.get_menu("napari-diffuscope/filter")] == [
        "napari-diffuscope.restore",
        "napari-diffuscope.superres",
    ]
    assert [item.command.id for item in menus.get_menu("napari-diffuscope/measure")] == [
        "napari-diffuscope.shape",
        "napari-diffuscope.compare",
    ]


@pytest.mark.viewer
@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("pair", ["pair clean", "pair noisy"]),
        ("stack", ["stack clean", "stack noisy"]),
        ("anisotropic", ["anisotropic clean", "anisotropic noisy"]),
        ("timelapse", ["timelapse noisy"]),
        ("cells", ["cells image", "cells labels", "cells truth"]),
        ("generated", ["generated"]),
    ],
)
def test_samples_open_with_pixel_size_units_and_axes(viewer, key, names) -> None:
    viewer.open_sample("napari-diffuscope", key)
    assert [layer.name for layer in viewer.layers] == names
    for layer in viewer.layers:
        stored = read_image(SAMPLE_FOLDER / f"{layer.name.replace(' ', '_')}.ome.tif")
        assert tuple(layer.scale) == stored.scale
        assert tuple(str(unit) for unit in layer.units) == stored.units
        assert "".join(layer.axis_labels).upper() == stored.axes
        np.testing.assert_array_equal(
            np.asarray(layer.data).reshape(-1, *stored.plane_shape)[0], stored.read_plane(0)
        )


@pytest.mark.viewer
def test_the_true_shapes_of_cells_lie_around_their_image(viewer) -> None:
    viewer.open_sample("napari-diffuscope", "cells")
    image, labels, truth = viewer.layers
    assert [layer._type_string for layer in viewer.layers] == ["image", "labels", "labels"]
    np.testing.assert_allclose(labels.extent.world, image.extent.world)
    np.testing.assert_allclose(truth.extent.world[:, 1:], image.extent.world)
    middle = truth.world_to_data((0.0, 12.0, 12.0))
    assert middle == pytest.approx((35, 100, 100))
    np.testing.assert_array_equal(truth.data[35], labels.data)


@pytest.mark.viewer
def test_a_result_is_saved_with_scale_and_record(qtbot, viewer, stack, open_dock, tmp_path) -> None:
    run_to_the_end(qtbot, open_dock())
    result = made(viewer, "cells restored")
    (path,) = result.save(str(tmp_path / "out.tif"), plugin="napari-diffuscope")
    stored = read_image(path)
    assert (stored.axes, stored.scale, stored.units) == ("ZYX", (0.5, 0.1, 0.1), ("micrometer",) * 3)
    np.testing.assert_array_equal(stored.read_plane(2), result.data[2])
    assert read_record(path) == result.metadata["napari-diffuscope"]


@pytest.mark.viewer
def test_other_layers_can_be_saved_too(viewer, tmp_path) -> None:
    pixels = noisy(2, 3, 16, 20)
    samples = viewer.add_image(pixels, axis_labels=("sample", "z", "y", "x"), scale=(1, 2, 0.5, 0.5))
    (path,) = samples.save(str(tmp_path / "samples.tif"), plugin="napari-diffuscope")
    np.testing.assert_array_equal(read_image(path).read_plane(5), pixels[1, 2])
    colour = viewer.add_image((noisy(16, 20, 3) / 2).astype(np.uint8), rgb=True)
    (path,) = colour.save(str(tmp_path / "colour.tif"), plugin="napari-diffuscope")
    assert read_image(path).axes == "CYX"
    pyramid = viewer.add_image([pixels[0], pixels[0, :, ::2, ::2]], multiscale=True)
    (path,) = pyramid.save(str(tmp_path / "pyramid.tif"), plugin="napari-diffuscope")
    assert read_image(path).shape == (3, 16, 20)


@pytest.mark.viewer
def test_the_models_dock_shows_every_card(viewer) -> None:
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
    assert "restoration-fluorescence" in dock.models.shown
    for name in dock.models.shown:
        dock.models.choose(name)
        assert "Licence" in dock.cards.toPlainText()


@pytest.mark.viewer
def test_preferences_decide_the_defaults(viewer, stack, open_dock) -> None:
    from napari.settings import get_plugin_settings

    settings = get_plugin_settings("napari-diffuscope").running
    before = settings.device, settings.preview_rate
    try:
        settings.device, settings.preview_rate = "cpu", 2
        dock = open_dock()
        assert dock.settings().device == "cpu"
        assert dock.runner.frames_per_second == 2
    finally:
        settings.device, settings.preview_rate = before
