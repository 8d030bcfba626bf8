"""Images that know whether their file is still the one that was opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.stamps import Stamp
from napari_diffuscope.imaging.views import base_array


def stamped(image: Image) -> Image:
    """An image that knows the state of its file; one that was opened from a file knows it already."""
    if image.stamp is not None or image.source is None:
        return image
    return replace(image, stamp=Stamp.of(image.source, image.scene))


def check_unchanged(image: Image) -> None:
    """Refuse to go on with an image whose file was exchanged since it was opened, where pixels are read from it.

    Raises
    ------
    DiffuscopeError
        If it was.
    """
    stamp = image.stamp
    if stamp is None or isinstance(base_array(image.data), np.ndarray) or not stamp.changed:
        return
    raise DiffuscopeError(
        f"{quoted(Path(stamp.place).name)} was exchanged while it was being worked on, and no result is made of two "
        "images; put the file back that was there to go on, or start over with the new one."
    )
