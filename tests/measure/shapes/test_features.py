"""Features of balls, ellipsoids and rings against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.shapes.features import FEATURES, feature_units, shape_features
from napari_diffuscope.measure.shapes.meshes import surface_mesh

from .bodies import ball, ellipsoid, ellipsoid_surface, places, torus, turned


def test_the_formula_for_ellipsoids_is_right() -> None:
    """Against the integral of |∂r/∂u × ∂r/∂v|, a flat disc and nearly a ball."""
    a, b, c = 5.0, 4.0, 2.0
    u, v = np.meshgrid((np.arange(400) + 0.5) / 400 * np.pi, (np.arange(800) + 0.5) / 400 * np.pi)
    normal = np.sin(u) * np.sqrt(
        (b * c * np.sin(u) * np.cos(v)) ** 2 + (a * c * np.sin(u) * np.sin(v)) ** 2 + (a * b * np.cos(u)) ** 2
    )
    assert ellipsoid_surface((a, b, c)) == pytest.approx(normal.mean() * 2 * np.pi**2, rel=1e-4)
    assert ellipsoid_surface((1.0001, 1, 0.9999)) == pytest.approx(4 * np.pi, rel=1e-3)


@pytest.mark.parametrize(
    ("radius", "tolerance"), [(4, 0.03), (6, 0.02), (8, 0.015), (12, 0.01), (20, 0.006), (30, 0.006)]
)
def test_balls(radius: float, tolerance: float) -> None:
    found = shape_features(ball(radius, places(seed=radius)), voxel_size=0.5)
    r = 0.5 * radius
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * r**3, rel=2 * tolerance)
    assert found["surface"] == pytest.approx(4 * np.pi * r**2, rel=2 * tolerance)
    assert 1 - tolerance < found["sphericity"] <= 1
    assert 1 - tolerance < found["convexity"] <= 1
    assert found["roughness"] < 0.003
    for name in ("major_axis", "middle_axis", "minor_axis"):
        assert found[name] == pytest.approx(2 * r, rel=tolerance)
    for name in ("elongation", "flatness"):
        assert 1 <= found[name] < 1 + tolerance
    for name in ("extent_z", "extent_y", "extent_x"):
        assert found[name] == pytest.approx(2 * r, abs=0.5)


@pytest.mark.parametrize(
    ("radii", "tolerance"),
    [((26.0, 18.0, 10.0), 0.008), ((28.0, 12.0, 9.0), 0.008), ((27.0, 24.0, 6.0), 0.015)],
    ids=["scalene", "long", "flat"],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_ellipsoids_however_they_lie(radii: tuple[float, float, float], tolerance: float, seed: int) -> None:
    """The rim of the flat one is curved over 1.3 to 1.5 voxels, about the blur: 1.2 % of its surface are lost."""
    a, b, c = radii
    found = shape_features(ellipsoid(radii, turned(places(seed=seed), seed)))
    volume, surface = 4 / 3 * np.pi * a * b * c, ellipsoid_surface(radii)
    assert found["volume"] == pytest.approx(volume, rel=0.005)
    assert found["surface"] == pytest.approx(surface, rel=tolerance)
    best = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3)
    assert found["sphericity"] == pytest.approx(best / surface, rel=tolerance + 0.003)
    assert found["major_axis"] == pytest.approx(2 * a, rel=0.005)
    assert found["middle_axis"] == pytest.approx(2 * b, rel=0.005)
    assert found["minor_axis"] == pytest.approx(2 * c, rel=0.01)
    assert found["elongation"] == pytest.approx(a / b, rel=0.01)
    assert found["flatness"] == pytest.approx(b / c, rel=0.01)
    assert found["convexity"] > 0.985


def test_the_box_of_a_turned_ellipsoid() -> None:
    """Half the extent along a direction e is √Σ(aᵢ eᵢ)²."""
    radii, seed = (26.0, 18.0, 10.0), 3
    rotation = turned(np.eye(3).reshape(3, 3, 1, 1), seed).reshape(3, 3)
    found = shape_features(ellipsoid(radii, turned(places(seed=seed), seed)))
    extents = 2 * np.sqrt(((np.array(radii)[:, None] * rotation) ** 2).sum(axis=0))
    assert [found[f"extent_{axis}"] for axis in "zyx"] == pytest.approx(extents, abs=1.5)


@pytest.mark.parametrize("seed", [None, 4])
def test_a_ring(seed: int | None) -> None:
    ring, tube = 20.0, 7.0
    position = places(seed=5)
    found = shape_features(torus(ring, tube, position if seed is None else turned(position, seed)))
    volume, surface = 2 * np.pi**2 * ring * tube**2, 4 * np.pi**2 * ring * tube
    # the hull: a disc of the ring's radius, thickened by the tube's
    hull = 2 * np.pi * ring**2 * tube + np.pi**2 * ring * tube**2 + 4 / 3 * np.pi * tube**3
    assert found["volume"] == pytest.approx(volume, rel=0.005)
    assert found["surface"] == pytest.approx(surface, rel=0.01)
    assert found["convexity"] == pytest.approx(volume / hull, rel=0.02)
    across = 2 * np.sqrt(5 * (ring**2 / 2 + 3 * tube**2 / 8))
    assert found["major_axis"] == pytest.approx(across, rel=0.005)
    assert found["middle_axis"] == pytest.approx(across, rel=0.005)
    assert found["minor_axis"] == pytest.approx(2 * np.sqrt(5 * tube**2 / 4), rel=0.01)
    assert found["elongation"] == pytest.approx(1, abs=0.01)
    assert found["flatness"] == pytest.approx(
        np.sqrt((ring**2 / 2 + 3 * tube**2 / 8) / (tube**2 / 4)), rel=0.01
    )


@pytest.mark.parametrize(("step", "tolerance"), [(2.0, 0.01), (4.0, 0.05)])
def test_coarse_planes(step: float, tolerance: float) -> None:
    """The same ellipsoid on voxels that are longer along z."""
    radii = (15.0, 24.0, 18.0)
    z, y, x = places(seed=6, shape=(int(48 / step), 64, 64))
    found = shape_features(ellipsoid(radii, np.stack([z * step, y, x])), voxel_size=(0.1 * step, 0.1, 0.1))
    assert found["volume"] == pytest.approx(4 / 3 * np.pi * np.prod(radii) / 1000, rel=tolerance)
    assert found["surface"] == pytest.approx(ellipsoid_surface(radii) / 100, rel=tolerance)
    assert found["major_axis"] == pytest.approx(4.8, rel=tolerance)
    assert found["minor_axis"] == pytest.approx(3.0, rel=tolerance)
    assert found["extent_z"] == pytest.approx(3.0, abs=0.1 * step)


def test_every_feature_follows_the_voxel_size_by_its_unit() -> None:
    body = torus(20, 8, places(60))
    small, large = shape_features(body, voxel_size=1), shape_features(body, voxel_size=0.3)
    powers = {"": 0, "µm": 1, "µm²": 2, "µm³": 3}
    assert tuple(small) == tuple(feature_units()) == FEATURES
    for name, unit in feature_units().items():
        assert large[name] == pytest.approx(small[name] * 0.3 ** powers[unit], rel=1e-4, abs=1e-6), name
    assert feature_units("pixel")["surface"] == "pixel²"


def test_turning_by_right_angles_changes_only_the_extents() -> None:
    body = ellipsoid((14, 9, 6), places(40, seed=7)) | ball(7, places(40, seed=8) - 5)
    first, other = shape_features(body), shape_features(np.ascontiguousarray(body.transpose(2, 0, 1)[::-1]))
    assert [other[f"extent_{axis}"] for axis in "zyx"] == [first[f"extent_{axis}"] for axis in "xzy"]
    for name in FEATURES[:-3]:
        assert other[name] == pytest.approx(first[name], rel=2e-3, abs=2e-5), name


def rippled(height: float, waves: int, radius: float = 24.0) -> np.ndarray:
    """A ball with ``waves`` meridian waves of a height relative to its radius, fading towards the poles."""
    z, y, x = places(72, seed=9)
    distance = np.sqrt(z**2 + y**2 + x**2)
    wave = np.cos(waves * np.arctan2(y, x)) * (np.hypot(y, x) / distance) ** waves
    return np.asarray(distance <= radius * (1 + height * wave))


def kept(degree: int, sigma: float, radius: float) -> float:
    """How much of a spherical harmonic is left on the outline of a ball blurred by a Gaussian.

    By the theorem of Funk and Hecke exp(x cos γ), with x = (radius / σ)², weakens degree l by the modified
    spherical Bessel function i_l(x); degree 1 only moves the ball and is kept.
    """
    x = (radius / sigma) ** 2
    return float(special.ive(degree + 0.5, x) / special.ive(1.5, x))


def test_roughness_of_a_rippled_ball() -> None:
    """The wave is the spherical harmonic of degree and order 10."""
    height, waves, radius = 0.1, 10, 24.0
    x, weights = special.roots_legendre(200)
    mean_height = height * (np.sqrt(1 - x**2) ** waves * weights).sum() / 2 * (2 / np.pi)
    expected = mean_height * (kept(waves, 1.0, radius) - kept(waves, 0.1 * radius, radius))
    assert shape_features(rippled(height, waves))["roughness"] == pytest.approx(expected, rel=0.15)


def test_roughness_orders_bodies() -> None:
    smooth, low, high = (shape_features(rippled(height, 8))["roughness"] for height in (0, 0.04, 0.08))
    z, y, x = np.abs(places(64))
    cube = shape_features((z < 20) & (y < 20) & (x < 20))["roughness"]
    assert smooth < 0.003 < low < high
    assert high == pytest.approx(2 * low, rel=0.2)
    assert cube > 5 * smooth


def test_sphericity_and_convexity_tell_dents_from_length() -> None:
    position = places(64, seed=10)
    long = shape_features(ellipsoid((28, 10, 10), position))
    dented = shape_features(
        ball(24, position) & ~ball(18, position - np.array([20, 0, 0]).reshape(3, 1, 1, 1))
    )
    assert long["convexity"] > 0.98
    assert long["sphericity"] < 0.9
    assert dented["convexity"] < 0.9
    assert dented["elongation"] < 1.2 < long["elongation"]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (1, 1, 12), (2, 2, 2)])
def test_the_smallest_objects_have_finite_features(shape: tuple[int, int, int]) -> None:
    found = shape_features(np.ones(shape, dtype=np.uint8), voxel_size=0.2)
    assert all(np.isfinite(value) for value in found.values())
    assert found["volume"] == pytest.approx(np.prod(shape) * 0.008)
    assert found["surface"] > 0
    assert [found[f"extent_{axis}"] for axis in "zyx"] == pytest.approx([0.2 * edge for edge in shape])


def test_objects_at_the_faces_of_a_volume_are_closed() -> None:
    body = ball(12, places(40, seed=11))
    cropped = body[np.ix_(*(body.any(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)))]
    whole, tight = shape_features(body), shape_features(cropped)
    assert tight == pytest.approx(whole, rel=1e-4)


def test_labels_count_as_one_object_and_cavities_have_a_surface() -> None:
    body = ball(15, places(48))
    assert shape_features(body * 7) == shape_features(body)
    hollow = shape_features(body & ~ball(8, places(48)))
    assert hollow["surface"] == pytest.approx(4 * np.pi * (15**2 + 8**2), rel=0.015)
    assert hollow["convexity"] == pytest.approx(1 - (8 / 15) ** 3, rel=0.015)


@pytest.mark.parametrize(
    ("volume", "voxel_size", "sentence"),
    [
        (np.zeros((4, 4, 4), bool), 1.0, "no voxels"),
        (np.ones((4, 4), bool), 1.0, "must have 3 dimensions"),
        (np.ones((4, 4, 4)), 1.0, "threshold probabilities first"),
        (np.ones((4, 4, 4), bool), 0.0, "positive"),
        (np.ones((4, 4, 4), bool), (1.0, 1.0), "one or three"),
        (np.ones((4, 4, 4), bool), float("nan"), "positive"),
    ],
)
def test_what_cannot_be_measured_is_refused(volume, voxel_size, sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        shape_features(volume, voxel_size=voxel_size)


def test_the_surface_of_the_features_is_that_of_the_mesh() -> None:
    body = torus(12, 5, places(44))
    mesh = surface_mesh(body, 0.25)
    found = shape_features(body, voxel_size=0.25)
    assert found["surface"] == pytest.approx(mesh.area, rel=1e-5)
    assert found["volume"] == pytest.approx(mesh.volume, rel=2e-3)
