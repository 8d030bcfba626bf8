"""What a single plane says of a cell: size and form of its outline, and how bright it is where."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_diffuscope.measure.arrays import vanishes

RINGS = 4
"""Parts of equal depth, from the outline to the middle, whose brightness is compared."""


def plane_features(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Features of one cell in one plane.

    Parameters
    ----------
    image
        ``(Y, X)`` grey values.
    mask
        ``(Y, X)`` bool with at least one pixel.

    Returns
    -------
    dict
        Area, perimeter, eccentricity, solidity, extent, circularity (4π area / perimeter²), both axes, and the
        first four moments of Hu, of the mask; of the grey values inside mean, deviation, skewness, 5th and 95th
        percentile, mean gradient relative to the mean, and the mean in rings of equal depth relative to the mean.
    """
    from skimage.measure import moments_hu, regionprops

    region = regionprops(mask.astype(np.uint8))[0]
    perimeter = max(float(region.perimeter_crofton), 1.0)
    features = {
        "area": float(region.area),
        "perimeter": perimeter,
        "eccentricity": float(region.eccentricity),
        "solidity": float(region.solidity),
        "extent": float(region.extent),
        "circularity": 4 * np.pi * float(region.area) / perimeter**2,
        "long_axis": float(region.axis_major_length),
        "short_axis": float(region.axis_minor_length),
    }
    hu = moments_hu(np.asarray(region.moments_normalized))[:4]
    features |= {f"hu_{i + 1}": float(np.sign(v) * np.log10(abs(v) + 1e-12)) for i, v in enumerate(hu)}
    return features | _grey(np.asarray(image, np.float64), mask)


def _grey(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    values = image[mask]
    mean, spread = float(values.mean()), float(values.std())
    flat = vanishes(spread, float(np.abs(values).max()))
    skewness = 0.0 if flat else float(((values - mean) ** 3).mean() / spread**3)
    low, high = np.percentile(values, [5, 95])
    steep = np.hypot(*np.gradient(image))[mask].mean()
    features = {
        "mean": mean,
        "deviation": spread,
        "skewness": skewness,
        "percentile_5": float(low),
        "percentile_95": float(high),
        "gradient": float(steep / max(abs(mean), 1e-9)),
    }
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    ring = np.minimum((RINGS * depth / (depth.max() + 1e-9)).astype(int), RINGS - 1)
    for number in range(RINGS):
        inside = image[mask & (ring == number)]
        features[f"ring_{number + 1}"] = float(inside.mean() / max(abs(mean), 1e-9)) if inside.size else 1.0
    return features
