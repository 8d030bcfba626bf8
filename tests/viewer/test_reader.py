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
