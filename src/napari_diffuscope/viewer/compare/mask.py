"""Where a model is unsure, or sure: a Labels layer of the pixels whose deviation exceeds a value, or does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.viewer.contrast import shown_pixels
from napari_diffuscope.viewer.layers import same_selection, same_view

#: Deviations of more bytes than this are looked at block by block when they are shown.
MOST_BYTES = 256 * 2**20


class UncertaintyMask:
    """Makes and updates the mask of a deviation; it stays when the comparison ends, since it is for measuring.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self.layer: Any = None
        self._of: Any = None

    @property
    def there(self) -> bool:
        """Whether the mask is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(self, deviation: Any, threshold: float, *, sure: bool) -> None:
        """Make the mask of a deviation, or change it.

        Parameters
        ----------
        threshold
            In intensities.
        sure
            Pixels up to the threshold instead of those beyond.
        """
        data = masked(deviation.data[0] if deviation.multiscale else deviation.data, threshold, sure=sure)
        name = f"{deviation.name} {'≤' if sure else '>'} {threshold:.4g}"
        if self.there and deviation == self._of:
            self.layer.data = data
            self.layer.name = name
            return
        with same_view(self._viewer), same_selection(self._viewer):
            self.layer = self._viewer.add_labels(data, name=name, opacity=0.5, **_place(deviation))
        self._of = deviation


def masked(data: Any, threshold: float, *, sure: bool) -> Any:
    """1 where a deviation exceeds a value, or, for ``sure``, where it does not; 0 elsewhere, and where there is none.

    Returns
    -------
    array
        uint8; lazy where the deviation is, or is large.
    """
    if isinstance(data, np.ndarray) and data.nbytes <= MOST_BYTES:
        return _beyond(data, threshold, sure)
    import dask.array as da

    lazy = data if hasattr(data, "dask") else da.from_array(data)
    return lazy.map_blocks(_beyond, threshold, sure, dtype=np.uint8)


def _beyond(block: np.ndarray, threshold: float, sure: bool) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return ((block <= threshold) if sure else (block > threshold)).astype(np.uint8)


def slider_range(viewer: Any, deviation: Any) -> tuple[float, float, float]:
    """Least deviation of what the window shows, one that a tenth of the pixels exceeds, and the largest."""
    values = np.zeros(0) if deviation.multiscale else shown_pixels(viewer, deviation)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 0.5, 1.0
    low, typical, high = (float(value) for value in np.percentile(values, (0, 90, 100)))
    return (low, typical, high) if high > low else (low, low, low + 1.0)


def _place(layer: Any) -> dict[str, Any]:
    names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
    return {name: getattr(layer, name) for name in names}
