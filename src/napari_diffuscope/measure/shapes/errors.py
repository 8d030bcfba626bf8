"""How far a predicted 3D shape is from the true one, as in the evaluation of SHAPR and DISPR.

Waibel, Röell, Rieck, Giryes, Marr, "A diffusion model predicts 3D shapes from 2D microscopy images", ISBI 2023
(arXiv 2208.14125); the definitions are those of their code. All are counts of voxels, so they
depend on the resolution of the volumes: compare numbers on grids of 64³ alone. For surfaces in µm²
see :mod:`napari_diffuscope.measure.shapes.features`.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_diffuscope.measure.arrays import same_shape
from napari_diffuscope.measure.shapes.voxels import object_array

SMOOTHING = 2.0
"""Standard deviation, in voxels, of the Gaussian that roughness is measured against."""


def shape_errors(predicted: object, true: object) -> dict[str, float]:
    """Overlap, and relative errors of volume, surface and roughness.

    Parameters
    ----------
    predicted, true
        ``(Z, Y, X)`` bool or labels (all but 0), of one shape. The prediction may be empty, the truth not.

    Returns
    -------
    dict
        ``iou``: intersection over union, 0 to 1 (the papers report 1 minus it). ``volume_error``,
        ``surface_error``, ``roughness_error``: |predicted - true| / true, 0 and up, of the number of voxels,
        of :func:`surface_voxels` and of :func:`rough_voxels`. An error is infinite where the true count is
        0 and the predicted one is not.

    Raises
    ------
    DiffuscopeError
        If an array is no volume of voxels, shapes differ or the truth is empty.
    """
    truth = object_array(true, "the true shape")
    guess = object_array(predicted, "the predicted shape", empty=True)
    same_shape(truth, guess, "the true and the predicted shape")
    return {
        "iou": float((truth & guess).sum() / (truth | guess).sum()),
        "volume_error": _relative(int(guess.sum()), int(truth.sum())),
        "surface_error": _relative(surface_voxels(guess), surface_voxels(truth)),
        "roughness_error": _relative(rough_voxels(guess), rough_voxels(truth)),
    }


def surface_voxels(occupied: np.ndarray) -> int:
    """Voxels of an object ``(Z, Y, X)`` bool with background among their 26 neighbours.

    What lies beyond the volume is no background.
    """
    background = ndimage.binary_dilation(~occupied, np.ones((3, 3, 3), dtype=bool))
    return int((background & occupied).sum())


def rough_voxels(occupied: np.ndarray) -> int:
    """Voxels of ``(Z, Y, X)`` bool that change when the object is smoothed and thresholded at one half.

    The volume is mirrored at its faces.
    """
    smooth = ndimage.gaussian_filter(occupied.astype(np.float64), SMOOTHING) > 0.5
    return int((smooth ^ occupied).sum())


def _relative(guess: int, truth: int) -> float:
    if truth == 0:
        return 0.0 if guess == 0 else float("inf")
    return abs(guess - truth) / truth
