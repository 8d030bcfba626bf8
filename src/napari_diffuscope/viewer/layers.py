"""Layers in and out: an image of a layer, and the keywords that put a result where its input is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS, checked_axes, default_axes
from napari_diffuscope.imaging.image import RGB, Image
from napari_diffuscope.imaging.units import to_micrometres, unit_name
from napari_diffuscope.imaging.views import AxisView
from napari_diffuscope.methods.method import Output
from napari_diffuscope.viewer.layer_sizes import (
    NOTES_KEY,
    SERIES_KEY,
    SOURCE_KEY,
    LayerSizes,
    Steps,
    layer_id,
    own_sizes,
    says_sizes,
    sizes_note,
    sizes_of_layer,
    source_of,
    stored_description,
)

__all__ = [
    "NOTES_KEY",
    "SERIES_KEY",
    "SOURCE_KEY",
    "Placed",
    "appearance",
    "guess_axes",
    "image_from_layer",
    "letters_of_labels",
    "new_axes",
    "output_keywords",
    "same_selection",
    "source_of",
    "view_for_layer",
]

#: What people and readers call the axes.
_LETTER_OF = {
    **{letter.lower(): letter for letter in LETTERS},
    **dict.fromkeys(("time", "frame", "frames", "timepoint"), "T"),
    **dict.fromkeys(("channel", "channels", "ch"), "C"),
    **dict.fromkeys(("depth", "slice", "plane", "slices"), "Z"),
    **dict.fromkeys(("height", "row", "rows"), "Y"),
    **dict.fromkeys(("width", "column", "columns", "col"), "X"),
}
#: Axes that a result can have and its input layer has not.
_NEW_LABELS = {"N": "sample", "C": "channel", "Z": "z"}


class Placed(NamedTuple):
    """What `output_keywords` needs to know of an output: its axes, and the index in the input of its first element."""

    axes: str
    origin: tuple[float, ...]


def guess_axes(layer: Any) -> str:
    """Axes of a layer: what its axis labels or its file say, else the usual ones for its number of dimensions.

    Returns
    -------
    str
        One letter per dimension of the layer; the colours of an RGB layer are not counted. Empty when the layer
        has too few or too many dimensions for an image.
    """
    named = _named_axes(layer.axis_labels, layer.ndim) or _axes_in_file(layer)
    if named:
        return named
    try:
        return default_axes(layer.ndim)
    except DiffuscopeError:
        return ""


def letters_of_labels(labels: Sequence[str], dimensions: int) -> str:
    """Axes that labels name, else the usual ones for a number of dimensions.

    Raises
    ------
    DiffuscopeError
        For fewer than 2 and more than 5 dimensions.
    """
    return _named_axes(labels, dimensions) or default_axes(dimensions)


def _named_axes(labels: Sequence[str], dimensions: int) -> str:
    """Axes that labels name; empty where they say nothing, as "axis -1" does."""
    letters = "".join(_LETTER_OF.get(str(label).strip().lower(), "?") for label in labels)
    try:
        return checked_axes(letters, dimensions)
    except DiffuscopeError:
        return ""


def _axes_in_file(layer: Any) -> str:
    """Axes that the file of a layer names, where its shape is that of the layer; else empty."""
    stored = None if getattr(layer, "rgb", False) else stored_description(layer)
    return stored.axes if stored else ""


def image_from_layer(layer: Any, *, axes: str, rgb: RGB = "luminance") -> Image:
    """The image that a layer shows, reading no pixel; its sizes are those of its file where the layer has none.

    Parameters
    ----------
    layer
        A napari Image layer: numpy, dask or zarr, multiscale (the full resolution is taken) or RGB.
    axes
        One letter of ``TCZYX`` per dimension of the layer; the colours of an RGB layer are not counted.
    rgb
        What to do with colours.

    Raises
    ------
    DiffuscopeError
        If the axes do not fit, or the pixels are no real numbers.
    """
    letters = checked_axes(axes, layer.ndim)
    sizes = sizes_of_layer(layer, letters)
    scale, units = sizes.along(letters)
    notes = tuple(layer.metadata.get(NOTES_KEY, ()))
    if sizes.file:
        notes += (f"The sizes ({sizes.in_words}) were taken from {sizes.file}; the layer itself says none.",)
    return Image.wrap(
        list(layer.data) if layer.multiscale else layer.data,
        letters + "S" if layer.rgb else letters,
        scale=scale,
        units=units,
        rgb=rgb,
        name=layer.name,
        source=source_of(layer),
        notes=notes,
        series=layer.metadata.get(SERIES_KEY, 0),
    )


def output_keywords(
    layer: Any, output: Placed | Output, *, axes: str, grid: Steps | None = None, typed: Steps | None = None
) -> dict[str, Any]:
    """Keywords of ``add_image`` that put a result where its input is.

    The result may be cropped, may lack planes, and may have axes that the layer has not (samples, the channels
    of an RGB layer, or the depth of a shape), which come first. It keeps scale, rotation, shear, affine, units and
    axis labels, and its translation is that of its own first voxel.

    Parameters
    ----------
    layer
        The input layer.
    output
        Axes and origin of the result.
    axes
        Axes of the input layer.
    grid
        Distance of the result's elements and its unit, of axes on which they differ from the layer's. An axis that
        the layer has not begins at its origin times that distance; without one, at 0 in steps of 1.
    typed
        What the elements of the layer really measure, where it says nothing and somebody typed it; the result lies
        over the layer all the same, and its sizes are noted in its metadata.
    """
    letters = checked_axes(axes, layer.ndim)
    finer = _in_units_of(layer, letters, grid or {}, typed or {})
    steps = [
        float(np.copysign(finer[letter][0], step)) if letter in finer else step
        for letter, step in zip(letters, layer.scale, strict=True)
    ]
    units = [
        finer[letter][1] if letter in finer else unit
        for letter, unit in zip(letters, layer.units, strict=True)
    ]
    new = new_axes(output.axes, letters)
    corner = np.array([output.origin[output.axes.index(letter)] for letter in letters], dtype=float)
    # Physical coordinates (before `affine`) of the first voxel: rotation and shear turn the offset, too.
    translate = layer.affine.inverse(np.asarray(layer.data_to_world(corner)))
    own = [finer.get(letter, (1.0, "pixel")) for letter in new]
    starts = [
        output.origin[output.axes.index(letter)] * step if letter in finer else 0.0
        for letter, (step, _) in zip(new, own, strict=True)
    ]
    labels = layer.axis_labels
    if _named_axes(labels, layer.ndim) != letters:  # what the layer does not say is known by now
        labels = tuple(letters.lower())
    placed = dict(zip(letters, steps, strict=True)) | {a: finer[a][0] for a in new if a in finer}
    noted = _noted(layer, letters, placed, typed or {})
    return {
        "scale": (*(step for step, _ in own), *steps),
        "translate": (*starts, *np.ravel(translate)),
        "rotate": _embed(np.asarray(layer.rotate), len(new)),
        "shear": _embed(_shear_matrix(layer), len(new)),
        "affine": _embed(np.asarray(layer.affine), len(new)),
        "units": (*(unit for _, unit in own), *units),
        "axis_labels": (*(_NEW_LABELS[letter] for letter in new), *labels),
        "multiscale": False,
        "rgb": False,
        "metadata": sizes_note(new + letters, noted, layer_id(layer)) if noted else {},
    }


def other_steps(output: Output, image: Image | None) -> dict[str, tuple[float, str]]:
    """Steps and units of an output on the axes on which they differ from those of an image; all without one."""
    steps = dict(zip(output.axes, zip(output.scale, output.units, strict=True), strict=True))
    if image is None:
        return steps
    before = dict(zip(image.axes, zip(image.scale, map(unit_name, image.units), strict=True), strict=True))
    return {letter: step for letter, step in steps.items() if step != before.get(letter, step)}


def free_keywords(output: Output) -> dict[str, Any]:
    """Keywords of ``add_image`` for a result that belongs to no layer."""
    return {
        "scale": output.scale,
        "units": output.units,
        "axis_labels": tuple(_NEW_LABELS.get(letter, letter.lower()) for letter in output.axes),
        "multiscale": False,
        "rgb": False,
    }


def _in_units_of(layer: Any, letters: str, grid: Steps, typed: Steps) -> Steps:
    """Steps of a result as steps in the window: over a layer that shows no sizes, whatever its elements measure."""
    own = own_sizes(layer, letters)
    if says_sizes(own):
        return grid
    known = _known_steps(layer, letters, typed)
    return {
        a: (own.steps[a][0] * step / known[a][0], own.steps[a][1])
        if a in letters and _is_length(unit) and _is_length(known[a][1])
        else (step, unit)
        for a, (step, unit) in grid.items()
    }


def _is_length(unit: str) -> bool:
    return to_micrometres(1.0, unit) is not None


def _known_steps(layer: Any, letters: str, typed: Steps) -> Steps:
    """What the elements of a layer measure: as typed for the output, noted beside the layer, or in its file."""
    return sizes_of_layer(layer, letters).steps | {a: step for a, step in typed.items() if a in letters}


def _noted(layer: Any, letters: str, steps: Mapping[str, float], typed: Steps) -> Steps:
    """Sizes of a result that its scale does not show, since its input layer shows none."""
    own = own_sizes(layer, letters)
    if says_sizes(own):
        return {}
    known = _known_steps(layer, letters, typed)
    if not says_sizes(LayerSizes(known)):
        return {}
    as_wide = {"Z": "X"}  # a depth that the layer has not is counted in its pixels
    return {
        a: (known[like][0] * abs(step) / own.steps[like][0], known[like][1])
        for a, step in steps.items()
        if (like := a if a in known else as_wide.get(a, "")) in known
    }


def new_axes(output_axes: str, layer_axes: str) -> str:
    """Axes of a result that its input layer has not, in their order."""
    return "".join(letter for letter in output_axes if letter not in layer_axes)


def view_for_layer(array: Any, output_axes: str, layer_axes: str) -> Any:
    """The same memory, or the same lazy array, with the axes in the layer's own order, new ones first."""
    target = new_axes(output_axes, layer_axes) + layer_axes
    order = [output_axes.index(letter) for letter in target]
    return array.transpose(order) if isinstance(array, np.ndarray) else AxisView(array, order)


def _shear_matrix(layer: Any) -> np.ndarray:
    """Shear as a matrix; napari gives the upper triangle alone where that says everything."""
    shear = np.asarray(layer.shear)
    if shear.ndim == 2:
        return shear
    matrix = np.eye(layer.ndim)
    matrix[np.triu_indices(layer.ndim, k=1)] = shear
    return matrix


def _embed(matrix: np.ndarray, new: int) -> np.ndarray:
    """A linear or homogeneous matrix that leaves ``new`` first axes as they are."""
    whole = np.eye(len(matrix) + new)
    whole[new:, new:] = matrix
    return whole


def appearance(layer: Any) -> dict[str, Any]:
    """Colormap, gamma, interpolation and blending of a layer, for a result in the same intensity units."""
    return {
        "colormap": "gray" if layer.rgb else layer.colormap,
        "gamma": layer.gamma,
        "interpolation2d": layer.interpolation2d,
        "interpolation3d": layer.interpolation3d,
        "rendering": layer.rendering,
        "blending": str(layer.blending),
    }


@contextmanager
def same_view(viewer: Any) -> Iterator[None]:
    """Keep what the window shows while layers come; napari shows everything anew where one brings an axis."""
    camera, empty = viewer.scene.camera, not viewer.layers
    before = {name: getattr(camera, name) for name in ("center", "zoom", "angles")}
    ndisplay = viewer.dims.ndisplay
    yield
    if not empty and viewer.dims.ndisplay == ndisplay:
        for name, value in before.items():
            setattr(camera, name, value)


@contextmanager
def same_selection(viewer: Any) -> Iterator[None]:
    """Keep the selected layer while others come, so that the next click goes where the last one went."""
    selection = viewer.layers.selection
    before = selection.active
    yield
    if before is not None and before in viewer.layers and selection.active != before:
        selection.active = before
