"""SQUIRREL's error map of the plane in view as a layer over the reference."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from napari_diffuscope.comparison.job import Scene
from napari_diffuscope.comparison.placing import Box
from napari_diffuscope.comparison.singles import squirrel_of
from napari_diffuscope.viewer.compare.scene import axis_order

COLOURS = "magma"


def error_maps(scene: Scene) -> Generator[None, None, list[tuple[str, np.ndarray]]]:
    """Where each image, blurred and fitted to the reference, differs from it: name and map of each.

    Raises
    ------
    DiffuscopeError
        If the pixels of an image do not lie in those of the reference.
    """
    maps = []
    for other in scene.others:
        yield
        maps.append((other.name, squirrel_of(scene.reference, other, plane_of(scene), "nanoj").error_map))
    return maps


def plane_of(scene: Scene) -> Box:
    """The whole plane of the reference at which the sliders stand."""
    return Box(
        (
            *((at, at + 1) for at in scene.plane or ()),
            *((0, length) for length in scene.reference.image.shape[-2:]),
        )
    )


def show_error_map(viewer: Any, reference: Any, plane: Box, name: str, error_map: np.ndarray) -> Any:
    """A layer that lies on the plane of the reference; returns it.

    Parameters
    ----------
    viewer, reference
        The viewer, and the layer of the reference.
    plane
        Of the reference, see :func:`plane_of`.
    name
        Of the image.
    error_map
        ``(Y, X)``, at the pixels of the reference, in its units.
    """
    order = axis_order(reference)
    values = error_map.reshape((1,) * (len(order) - 2) + error_map.shape).transpose(np.argsort(order))
    corner = np.array([start for start, _ in plane.ranges], float)[np.argsort(order)]
    return viewer.add_image(
        values,
        name=f"{name} error map (SQUIRREL)",
        colormap=COLOURS,
        contrast_limits=(0.0, float(np.percentile(error_map, 99.9)) or 1.0),
        scale=reference.scale,
        translate=reference.affine.inverse(reference.data_to_world(corner)),
        rotate=reference.rotate,
        shear=reference.shear,
        affine=reference.affine,
        units=reference.units,
        axis_labels=reference.axis_labels,
    )
