"""File › Open Sample › Diffuscope."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.viewer.layers import SOURCE_KEY

LayerData = tuple[Any, dict[str, Any], str]


def pair() -> list[LayerData]:
    """A noisy image and the clean image behind it."""
    return [_layer("pair_clean"), _layer("pair_noisy")]


def stack() -> list[LayerData]:
    """A noisy z-stack and the clean stack behind it."""
    return [_layer("stack_clean"), _layer("stack_noisy")]


def timelapse() -> list[LayerData]:
    """A noisy time-lapse."""
    return [_layer("timelapse_noisy")]


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
        "metadata": {SOURCE_KEY: str(path)},
    }
    return image.data, keywords, "image"
