"""All images of a file come into the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

pytestmark = pytest.mark.viewer


def test_the_other_images_of_a_file_are_hidden_layers(viewer, tmp_path: Path) -> None:
    path, images = tmp_path / "several.tif", {}
    with tifffile.TiffWriter(path) as writer:
        for edge in (16, 64, 32):  # a thumbnail first
            images[edge] = np.full((edge, edge), edge, np.uint16)
            images[edge][0] = 0
            writer.write(images[edge], photometric="minisblack")
    layers = viewer.open(path, plugin="napari-diffuscope")
    assert [(layer.data.shape[0], bool(layer.visible)) for layer in layers] == [
        (16, False),
        (32, False),
        (64, True),
    ]
    for layer in layers:
        np.testing.assert_array_equal(layer.data, images[layer.data.shape[0]])
    assert [layer.metadata["napari-diffuscope-series"] for layer in layers] == [0, 2, 1]
    assert "image 0" in layers[0].name


def test_scenes_of_a_microscope_are_layers_with_sizes_and_names(viewer, tmp_path: Path) -> None:
    pytest.importorskip(
        "pylibCZIrw", reason='the reader is missing: pip install "napari-diffuscope[formats]"'
    )
    from tests.imaging.microscope_files import write_czi

    noise = np.random.default_rng(0).integers(0, 999, (2, 1, 2, 3, 20, 24)).astype(np.uint16)
    path = write_czi(tmp_path / "two.czi", list(noise), names=["left", "right"], channels=["DAPI", "GFP"])
    layers = viewer.open(path, plugin="napari-diffuscope")
    assert [(layer.name, bool(layer.visible)) for layer in layers] == [
        ("two right DAPI", False),
        ("two right GFP", False),
        ("two left DAPI", True),
        ("two left GFP", True),
    ]
    for layer, pixels in zip(layers, (*noise[1, 0], *noise[0, 0]), strict=True):
        np.testing.assert_array_equal(np.asarray(layer.data), pixels)
        assert tuple(layer.scale) == (0.3, 0.1, 0.1)
        assert {str(unit) for unit in layer.units} == {"micrometer"}


def test_a_microscopes_file_is_left_to_others_where_its_reader_is_missing(monkeypatch, npe2pm) -> None:
    from npe2 import DynamicPlugin

    from napari_diffuscope.viewer.reader import get_reader, read_layers

    assert get_reader("a.czi") is read_layers
    monkeypatch.setattr("napari_diffuscope.imaging.microscope.reading.find_spec", lambda name: None)
    assert get_reader("a.czi") is read_layers, "its sentence names the extra"
    with DynamicPlugin("another") as other:

        @other.contribute.reader(filename_patterns=["*.czi"])
        def read(path: str) -> None: ...

        assert get_reader("a.czi") is None
        assert get_reader("a.tif") is read_layers
    assert get_reader("a.png") is None
