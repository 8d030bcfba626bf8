"""Features of one 3D object: size, surface, form.

Sizes come in the unit of the voxel size, ratios without one. What each feature means, and how far it can be
believed, is on the page about shape features of the documentation.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage, spatial, special

from napari_diffuscope.measure.shapes.meshes import BLUR, Mesh, surface_mesh
from napari_diffuscope.measure.shapes.voxels import (
    VoxelSize,
    bounding_box,
    equivalent_radius,
    object_array,
    voxel_sizes,
)

_POWERS = {
    "volume": 3,
    "surface": 2,
    "sphericity": 0,
    "convexity": 0,
    "roughness": 0,
    "major_axis": 1,
    "middle_axis": 1,
    "minor_axis": 1,
    "elongation": 0,
    "flatness": 0,
    "extent_z": 1,
    "extent_y": 1,
    "extent_x": 1,
}

FEATURES = tuple(_POWERS)
"""Names of the features, in their order."""

USUAL = (1e-4, 1e5)
"""Sizes of voxels that are measured as they are."""

ROUGHNESS_SCALE = 0.1
"""Standard deviation of the Gaussian that roughness is measured against, in radii of the sphere of equal volume."""


def feature_units(unit: str = "µm") -> dict[str, str]:
    """Unit of every feature for a unit of length: ``"µm³"``, ``"µm²"``, ``"µm"`` or ``""`` for ratios."""
    superscripts = {0: "", 1: unit, 2: f"{unit}²", 3: f"{unit}³"}
    return {name: superscripts[power] for name, power in _POWERS.items()}


def shape_features(occupied: object, *, voxel_size: VoxelSize = 1.0) -> dict[str, float]:
    """All features of one object.

    Parameters
    ----------
    occupied
        ``(Z, Y, X)`` bool or labels (all but 0): one object. Pieces that do not touch count as one;
        the surface of cavities counts.
    voxel_size
        Size of a cubic voxel, or (z, y, x).

    Returns
    -------
    dict
        By name, in the order of :data:`FEATURES`; units as of :func:`feature_units`:

        - ``volume``: of the voxels.
        - ``surface``: area of a surface that encloses the same volume (:func:`.meshes.surface_mesh`).
        - ``sphericity``: π^⅓ (6 volume)^⅔ / surface (Wadell, J Geology 43, 250 (1935)); 1 for a sphere, else less.
        - ``convexity``: volume / volume of the convex hull; 1 where there is neither dent nor hole.
        - ``roughness``: mean distance of the surface from a smoothed one, see :func:`roughness`; 0 for a sphere.
        - ``major_axis``, ``middle_axis``, ``minor_axis``: full axes of the ellipsoid with the same second moments.
        - ``elongation``, ``flatness``: major / middle and middle / minor axis; 1 for a sphere, else more.
        - ``extent_z``, ``extent_y``, ``extent_x``: edges of the bounding box.

    Raises
    ------
    DiffuscopeError
        If there is no object or the voxel size is not positive.
    """
    whole = object_array(occupied, "the object")
    sizes = voxel_sizes(voxel_size)
    if not USUAL[0] <= min(sizes) <= max(sizes) <= USUAL[1]:
        unit = min(sizes)  # geometry in tiny or huge numbers is lost in rounding
        plain = shape_features(whole, voxel_size=tuple(size / unit for size in sizes))
        return {name: value * unit ** _POWERS[name] for name, value in plain.items()}
    voxels = whole[bounding_box(whole)]
    volume = float(voxels.sum() * np.prod(sizes))
    mesh = surface_mesh(voxels, sizes)
    major, middle, minor = principal_axes(voxels, voxel_size=sizes)
    extents = (edge * size for edge, size in zip(voxels.shape, sizes, strict=True))
    values = (
        volume,
        mesh.area,
        sphericity(volume, mesh.area),
        convexity(mesh),
        roughness(voxels, mesh, voxel_size=sizes),
        major,
        middle,
        minor,
        major / middle,
        middle / minor,
        *extents,
    )
    return dict(zip(FEATURES, values, strict=True))


def sphericity(volume: float, surface: float) -> float:
    """Surface of the sphere of the same volume over the surface: π^⅓ (6 volume)^⅔ / surface."""
    return math.cbrt(math.pi * (6 * volume) ** 2) / surface


def convexity(mesh: Mesh) -> float:
    """Volume inside a surface over that of its convex hull."""
    return mesh.volume / float(spatial.ConvexHull(mesh.vertices.astype(np.float64)).volume)


def principal_axes(occupied: np.ndarray, *, voxel_size: VoxelSize = 1.0) -> tuple[float, float, float]:
    """Full lengths of the axes, longest first, of the solid ellipsoid with an object's second moments.

    Parameters
    ----------
    occupied
        ``(Z, Y, X)`` bool with at least one voxel. Voxels are boxes, so that even one has three axes.
    voxel_size
        Size of a voxel, or (z, y, x).
    """
    sizes = np.asarray(voxel_sizes(voxel_size))
    places = np.argwhere(occupied) * sizes
    moments = np.cov(places, rowvar=False, bias=True) if len(places) > 1 else np.zeros((3, 3))
    # a solid ellipsoid of semi-axis a has variance a²/5 along it, a box of edge h has h²/12
    variances = np.linalg.eigvalsh(moments + np.diag(sizes**2 / 12))
    minor, middle, major = 2 * np.sqrt(5 * variances)
    return float(major), float(middle), float(minor)


def roughness(occupied: np.ndarray, mesh: Mesh, *, voxel_size: VoxelSize = 1.0) -> float:
    """Mean distance between a surface and the same surface smoothed, in radii of the sphere of equal volume.

    The object is smoothed by a Gaussian of a tenth of that radius. Where it was flat over that length, the
    smoothed object is Φ(d / σ) at a distance d under its surface (Φ: the normal distribution function), so
    d follows from its value; as smoothing shall not change the volume, distances count from their mean.

    Parameters
    ----------
    occupied
        ``(Z, Y, X)`` bool.
    mesh
        Its surface, voxel (0, 0, 0) at the origin.
    voxel_size
        Size of a voxel, or (z, y, x).

    Returns
    -------
    float
        0 for a sphere. Edges and high curvature count as well as ripples. Objects with a radius below some
        15 voxels have no structure finer than the smoothed surface, and numbers near 0.
    """
    sizes = np.asarray(voxel_sizes(voxel_size))
    radius = equivalent_radius(float(occupied.sum() * np.prod(sizes)))
    sigma = np.maximum(ROUGHNESS_SCALE * radius / sizes, BLUR)
    margin = np.ceil(4 * sigma).astype(int)
    smooth = ndimage.gaussian_filter(np.pad(occupied, margin[:, None]).astype(np.float32), sigma)
    places = mesh.vertices / sizes + margin
    values = ndimage.map_coordinates(smooth, places.T, order=1)
    depth = special.ndtri(np.clip(values, 1e-3, 1 - 1e-3)) * ROUGHNESS_SCALE
    weights = np.bincount(mesh.faces.ravel(), np.repeat(mesh.areas, 3), minlength=len(mesh.vertices))
    centre = np.average(depth, weights=weights)
    return float(np.average(np.abs(depth - centre), weights=weights))
