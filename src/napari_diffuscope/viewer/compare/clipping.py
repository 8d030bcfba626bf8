"""Clipping planes that cut a layer in 3D where a line on the canvas lies."""

from __future__ import annotations

from typing import Any

import numpy as np


def clip_at(viewer: Any, layer: Any, fraction: float, *, upright: bool, beyond: bool) -> None:
    """Cut a layer at a line that stands upright or lies on the canvas, as the camera looks at it.

    The plane is given in coordinates of the world. napari calls them coordinates of the data, but hands them on to
    what draws, which takes them for the world's (0.9.2: a volume of other voxels is cut at the wrong place else).

    Parameters
    ----------
    fraction
        Where the line is, from 0 (left or top) to 1.
    beyond
        Keep what lies right of it or below, instead of left or above.
    """
    camera = viewer.scene.camera
    up = np.asarray(camera.up_direction, dtype=float)
    right = np.cross(np.asarray(camera.view_direction, dtype=float), up)
    if str(camera.handedness) == "left":
        right = -right
    along = right if upright else -up
    height, width = (float(length) for length in viewer.canvas.size)
    way = (fraction - 0.5) * (width if upright else height) / float(camera.zoom)
    place = np.asarray(camera.center, dtype=float) + along * way
    normal = along if beyond else -along
    layer.experimental_clipping_planes = [
        {"position": tuple(place.tolist()), "normal": tuple(normal.tolist()), "enabled": True}
    ]
