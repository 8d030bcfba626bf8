"""File › Open Sample › Diffuscope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.layers import SOURCE_KEY

LayerData = tuple[Any, dict[str, Any], str]


def pair() -> list[LayerData]:
    """A noisy image and the clean image behind it."""
    return [_layer("pair_clean"), _layer("pair_noisy")]


def stack() -> list[LayerData]:
    """A noisy z-stack and the clean stack behind it."""
    return [_layer("stack_clean"), _layer("stack_noisy")]


def anisotropic() -> list[LayerData]:
    """A stack with coarse steps along z, and the isotropic stack behind it."""
    return [_layer("anisotropic_clean"), _layer("anisotropic_noisy")]


def timelapse() -> list[LayerData]:
    """A noisy time-lapse."""
    return [_layer("timelapse_noisy")]


def cells() -> list[LayerData]:
    """A plane through simulated cells, their labels, and their true shapes (hidden at first)."""
    image, labels = _layer("cells_image"), _labels_layer("cells_labels")
    data, keywords, kind = _labels_layer("cells_truth")
    # the imaged plane, which is the middle one, lies where an image without z lies
    translate = (-(data.shape[0] // 2) * keywords["scale"][0], 0.0, 0.0)
    return [image, labels, (data, keywords | {"translate": translate, "visible": False}, kind)]


def generated() -> list[LayerData]:
    """Images of microtubules that were never in a cell, with the record of their run."""
    from napari_diffuscope.imaging.record_of_file import record_of_file

    data, keywords, kind = _layer("generated")
    keywords["metadata"][RECORD_KEY] = record_of_file(Path(keywords["metadata"][SOURCE_KEY]))
    return [(np.asarray(data), keywords, kind)]


def _labels_layer(name: str) -> LayerData:
    data, keywords, _ = _layer(name)
    del keywords["contrast_limits"]
    return np.asarray(data), keywords, "labels"


def _layer(name: str) -> LayerData:
    from napari_diffuscope.imaging.tiff import read_image
    from napari_diffuscope.simulate.sample_files import sample_path

    path = sample_path(name)
    image = read_image(path)
    keywords = {
        "name": name.replace("_", " "),
        "scale": image.scale,
        "units": image.units,
        "axis_labels": tuple(image.axes.lower()),
        "multiscale": False,
        "contrast_limits": _limits(image.read_plane(image.plane_count // 2)),
        "metadata": {SOURCE_KEY: str(path)},
    }
    return image.data, keywords, "image"


def _limits(plane: np.ndarray) -> tuple[float, float]:
    """Contrast in which the structures of a plane are seen: without its darkest and few brightest pixels."""
    low, high = np.percentile(plane, [0.5, 99.8])
    return float(low), float(max(high, low + 1))
