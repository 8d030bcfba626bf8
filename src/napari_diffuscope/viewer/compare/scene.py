"""The layers of a comparison as a scene that can be measured: read plane by plane, off the thread of the window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from napari.layers import Labels
from skimage.draw import polygon2mask

from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.placing import Box, Placed, reference_placed, rounded
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.axes import planes_last
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.records import RECORD_KEY
from napari_diffuscope.viewer.compare.comparison import Comparison
from napari_diffuscope.viewer.compare.sampling import world_to_data
from napari_diffuscope.viewer.layer_sizes import sizes_of_layer, source_of
from napari_diffuscope.viewer.layers import guess_axes, letters_of_labels

Extent = Literal["plane", "all"]

SAMPLE_LABEL = "sample"
"""What results call the axis of their samples."""

ROUND = 64
"""Corners of an ellipse."""


def scene_of(comparison: Comparison, *, extent: Extent = "plane", within: Any = None) -> Scene:
    """What is compared now.

    Parameters
    ----------
    comparison
        The layers; ready.
    extent
        The plane at which the sliders stand, or all planes.
    within
        A Shapes or Labels layer: only what lies inside of its shapes or under its labels counts.

    Raises
    ------
    DiffuscopeError
        If nothing can be compared.
    """
    if comparison.complaint:
        raise DiffuscopeError(comparison.complaint)
    reference = comparison.reference
    _refuse_mixture(comparison)
    placed = _reference(reference)
    others = tuple(_other(comparison, layer) for layer in comparison.others)
    plane = current_plane(comparison, placed)
    box = None
    if extent == "plane":
        box = Box((*((at, at + 1) for at in plane), *((0, length) for length in placed.image.shape[-2:])))
    mask = None if within is None else _mask(comparison, within, placed)
    return Scene(placed, others, box, mask, plane, note=_units_note(comparison))


def _units_note(comparison: Comparison) -> str:
    """A sentence where units of the layers do not go together: then the window takes them all for the same."""
    if comparison.viewer.layers.extent.units is not None:
        return ""
    units = dict.fromkeys(str(layer.units[-1]) for layer in comparison.layers)
    if len(units) < 2:
        return ""
    return (
        f"Units of the layers do not go together ({', '.join(units)}), so the window takes them for the same: give all "
        "layers a pixel size."
    )


def current_plane(comparison: Comparison, reference: Placed) -> tuple[int, ...]:
    """Index along the leading axes of the reference at which the sliders stand."""
    layer = comparison.reference
    matrix, offset = world_to_data(comparison.viewer, layer)
    index = (matrix @ np.asarray(comparison.plane) + offset)[list(axis_order(layer))]
    lengths = reference.image.shape[:-2]
    return tuple(int(np.clip(np.rint(at), 0, length - 1)) for at, length in zip(index, lengths, strict=False))


def are_labels(comparison: Comparison) -> bool:
    """Whether all compared layers are labels."""
    return bool(comparison.layers) and all(isinstance(layer, Labels) for layer in comparison.layers)


def reference_points(comparison: Comparison, layer: Any, points: np.ndarray) -> np.ndarray:
    """Points of another layer, ``(N, n)`` in its data coordinates, as ``(N, 2)`` rows and columns of the reference."""
    own_matrix, own_offset = world_to_data(comparison.viewer, layer)
    world = _to_world(comparison, own_matrix, own_offset, layer.ndim)
    matrix, offset = world_to_data(comparison.viewer, comparison.reference)
    index = (world[0] @ points.T + world[1][:, None]).T @ matrix.T + offset
    rows_and_columns: np.ndarray = index[:, list(axis_order(comparison.reference))[-2:]]
    return rows_and_columns


def _refuse_mixture(comparison: Comparison) -> None:
    kinds = [isinstance(layer, Labels) for layer in comparison.layers]
    if any(kinds) and not all(kinds):
        odd = next(layer for layer, kind in zip(comparison.layers, kinds, strict=True) if kind != kinds[0])
        raise DiffuscopeError(
            f"{quoted(odd.name)} is {'labels' if kinds[0] is False else 'an image'}, the reference is not: numbers "
            "compare images with images and labels with labels."
        )


def axis_order(layer: Any) -> tuple[int, ...]:
    """Axes of a layer in the order of its image, Y and X last."""
    letters = _letters(layer)
    return tuple(letters.index(letter) for letter in planes_last(letters))


def _letters(layer: Any) -> str:
    letters = _with_samples(layer) or guess_axes(layer)
    if not letters:
        raise DiffuscopeError(
            f"{quoted(layer.name)} has {layer.ndim} dimensions; numbers need 2 to 5: a plane, a stack or a time-lapse."
        )
    return letters


def _with_samples(layer: Any) -> str:
    """Axes of a layer with an axis of samples, which gets the first letter that is free; empty for others."""
    at = sample_axis(layer)
    if at is None:
        return ""
    named = [str(label).lower() for label in layer.axis_labels]
    others = letters_of_labels([*named[:at], *named[at + 1 :]], layer.ndim - 1)
    free = next((letter for letter in "TCZ" if letter not in others), "")
    return others[:at] + free + others[at:] if free else ""


def sample_axis(layer: Any) -> int | None:
    """Axis of the samples of a model; ``None`` where a layer has none."""
    named = [str(label).lower() for label in layer.axis_labels]
    return named.index(SAMPLE_LABEL) if SAMPLE_LABEL in named and layer.ndim > 2 else None


def image_of_layer(layer: Any) -> Image:
    """The pixels of an Image or Labels layer, its axes in the order of images; reads none."""
    letters, rgb = _letters(layer), bool(getattr(layer, "rgb", False))
    scale, units = sizes_of_layer(layer, letters).along(letters)
    return Image.wrap(
        list(layer.data) if layer.multiscale else layer.data,
        letters + "S" if rgb else letters,
        scale=scale,
        units=units,
        name=layer.name,
        source=source_of(layer),
    )


def _known(layer: Any) -> dict[str, Any]:
    record = layer.metadata.get(RECORD_KEY)
    at = sample_axis(layer)
    return {
        "record": record if isinstance(record, dict) else None,
        "labels": isinstance(layer, Labels),
        "sample_axis": None if at is None else axis_order(layer).index(at),
    }


def _reference(layer: Any) -> Placed:
    return reference_placed(image_of_layer(layer), **_known(layer))


def _other(comparison: Comparison, layer: Any) -> Placed:
    """Where a layer lies to the reference; along axes that the reference lacks, where the sliders stand."""
    reference = comparison.reference
    own, start = world_to_data(comparison.viewer, reference)
    to_world, at = _to_world(comparison, own, start, reference.ndim)
    matrix, offset = world_to_data(comparison.viewer, layer)
    rows, columns = list(axis_order(layer)), list(axis_order(reference))
    both, rest = rounded((matrix @ to_world)[np.ix_(rows, columns)], (matrix @ at + offset)[rows])
    return Placed(image_of_layer(layer), both, rest, **_known(layer))


def _to_world(
    comparison: Comparison, matrix: np.ndarray, offset: np.ndarray, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """From indices of a layer to world coordinates; those of axes that it lacks are where the sliders stand."""
    count = comparison.viewer.dims.ndim
    inverse = np.linalg.inv(matrix[:, count - dimensions :])
    to_world = np.zeros((count, dimensions))
    to_world[count - dimensions :] = inverse
    at = np.array(comparison.plane, dtype=float)
    at[count - dimensions :] = -inverse @ offset
    return to_world, at


def _mask(comparison: Comparison, layer: Any, reference: Placed) -> Placed:
    if isinstance(layer, Labels):
        return _other(comparison, layer)
    outlines = (
        outline(kind, np.asarray(corners)) for kind, corners in zip(layer.shape_type, layer.data, strict=True)
    )
    drawn = [reference_points(comparison, layer, corners) for corners in outlines if corners is not None]
    if not drawn:
        raise DiffuscopeError(
            f"{quoted(layer.name)} has no shape with an area: draw a rectangle, an ellipse or a polygon."
        )
    shape = reference.image.shape[-2:]
    inside = np.any([polygon2mask(shape, corners) for corners in drawn], axis=0)
    matrix = np.eye(len(reference.image.shape))[-2:]
    return Placed(Image(inside, "YX", name=layer.name), matrix, np.zeros(2), labels=True)


def outline(kind: str, corners: np.ndarray) -> np.ndarray | None:
    """Corners of the polygon that a shape of napari covers; ``None`` for lines and paths."""
    if kind in ("rectangle", "polygon"):
        return corners
    if kind == "ellipse":
        centre, first, second = corners.mean(0), (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
        angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)[:, None]
        around: np.ndarray = centre + np.cos(angle) * first + np.sin(angle) * second
        return around
    return None


def drawn_line(layer: Any) -> np.ndarray | None:
    """``(2, n)``: ends of the selected line of a Shapes layer, else of its last one; ``None`` where it has none."""
    lines = [
        number
        for number, kind in enumerate(layer.shape_type)
        if kind in ("line", "path") and len(layer.data[number]) >= 2
    ]
    chosen: Sequence[int] = [number for number in lines if number in layer.selected_data] or lines
    if not chosen:
        return None
    corners = np.asarray(layer.data[chosen[-1]], dtype=float)
    return np.array([corners[0], corners[-1]])


def line_in_world(comparison: Comparison) -> np.ndarray:
    """``(2, D)``: a line along the rows of the reference through the middle of the common field, in world coordinates.

    Raises
    ------
    DiffuscopeError
        If the layers do not overlap.
    """
    scene = scene_of(comparison)
    (top, bottom), (left, right) = scene.common.ranges[-2:]
    row, reach = (top + bottom - 1) / 2, (right - left) / 4
    matrix, offset = world_to_data(comparison.viewer, comparison.reference)
    to_world, at = _to_world(comparison, matrix, offset, comparison.reference.ndim)
    order = list(axis_order(comparison.reference))
    ends = []
    for column in ((left + right) / 2 - reach, (left + right) / 2 + reach):
        index = np.zeros(len(order))
        index[order] = [*(scene.plane or ()), row, column]
        ends.append(to_world @ index + at)
    return np.array(ends)


def samples_of(comparison: Comparison) -> tuple[str, int, Callable[[int], Placed]] | None:
    """Name, number and place of the samples of the first compared layer that has some; ``None`` where none has."""
    for layer in comparison.others:
        axis = sample_axis(layer)
        if axis is None:
            continue
        data = layer.data[0] if layer.multiscale else layer.data
        placed = _other(comparison, layer)
        at = list(axis_order(layer)).index(axis)

        def sample(number: int, placed: Placed = placed, at: int = at) -> Placed:
            matrix, offset = placed.matrix.copy(), placed.offset.copy()
            matrix[at], offset[at] = 0.0, float(number)
            return Placed(placed.image, matrix, offset, record=placed.record)

        return layer.name, int(data.shape[axis]), sample
    return None
