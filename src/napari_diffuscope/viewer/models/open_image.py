"""A small piece of the image that is open, for trying a model on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Image

from napari_diffuscope.errors import DiffuscopeError

EDGE = 384
"""Of the piece; what a model is tried on is the part of it with the most contrast."""


def piece_of_open_image(viewer: Any) -> Callable[[], np.ndarray] | None:
    """What reads a piece of the chosen image, or of the topmost one; ``None`` where no image is open.

    The piece is the middle of the plane that is shown. It is read where it is called, which may be another thread.
    """
    layers = [layer for layer in viewer.layers if isinstance(layer, Image)] if viewer is not None else []
    active = viewer.layers.selection.active if layers else None
    layer = active if active in layers else (layers[-1] if layers else None)
    if layer is None:
        return None
    data = layer.data[0] if layer.multiscale else layer.data
    shape = data.shape[:-1] if layer.rgb else data.shape
    if len(shape) < 2 or not all(shape):
        return None
    point = layer.world_to_data(viewer.dims.point)[-len(shape) :]
    leading = tuple(int(np.clip(round(at), 0, size - 1)) for at, size in zip(point, shape[:-2], strict=False))
    window = tuple(
        slice((size - min(size, EDGE)) // 2, (size - min(size, EDGE)) // 2 + min(size, EDGE))
        for size in shape[-2:]
    )
    rgb = layer.rgb

    def read() -> np.ndarray:
        piece = np.asarray(data[(*leading, *window)], np.float32)
        piece = piece.mean(-1) if rgb else piece
        if not np.isfinite(piece).all() or np.ptp(piece) < 1e-12:
            raise DiffuscopeError(
                "The middle of the open image shows nothing; show a plane with structures and try again."
            )
        return piece

    return read
