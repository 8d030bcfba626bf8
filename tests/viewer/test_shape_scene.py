"""Shapes of many cells in one volume."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_diffuscope.viewer.shape import scene as shape_scene
from napari_diffuscope.viewer.shape.scene import ShapeScene, Solid


def ball(label: int, centre: tuple[float, float], *, step: float = 0.5, side: int = 16) -> Solid:
    """A ball of 0.35 of the window's edge around a place of the plane."""
    places = (np.indices((side,) * 3) - (side // 2)) * step
    probability = 1 / (1 + np.exp((np.linalg.norm(places, axis=0) - 0.35 * side * step) / (step / 2)))
    origin = (-(side // 2) * step, centre[0] - side // 2 * step, centre[1] - side // 2 * step)
    return Solid(label, probability.astype(np.float32), probability > 0.5, origin, step)


def place_of(scene: ShapeScene, label: int) -> np.ndarray:
    volume = scene.labels
    return (
        np.mean(np.nonzero(volume.array == label), axis=1) * scene.step + np.array(volume.corner) * scene.step
    )


def test_cells_lie_at_their_places_and_keep_their_volumes() -> None:
    scene = ShapeScene(0.5)
    scene.put(ball(3, (10, 20)))
    scene.put(ball(5, (40.25, 7), step=0.8))
    np.testing.assert_allclose(place_of(scene, 3), (0, 10, 20), atol=0.01)
    np.testing.assert_allclose(place_of(scene, 5), (0, 40.25, 7), atol=0.15)
    for label, solid in scene.solids.items():
        voxels = (scene.labels.array == label).sum() * scene.step**3
        assert voxels == pytest.approx(solid.occupied.sum() * solid.step**3, rel=0.05)


def test_a_shape_takes_the_place_of_the_one_before_and_neighbours_get_theirs_back() -> None:
    scene = ShapeScene(0.5)
    scene.put(ball(1, (10, 10)))
    alone = scene.labels.array.copy()
    scene.put(ball(2, (10, 13)))
    assert (scene.labels.array == 1).sum() == (alone == 1).sum(), "what is there already stays"
    before = (scene.labels.array == 2).sum()
    scene.remove(1)
    assert (scene.labels.array == 2).sum() > before
    assert not (scene.labels.array == 1).any()
    scene.put(ball(2, (30, 30)))
    np.testing.assert_allclose(place_of(scene, 2), (0, 30, 30), atol=0.01)


def test_probability_is_the_highest_and_follows() -> None:
    scene = ShapeScene(0.5)
    scene.put(ball(1, (10, 10)))
    field = scene.probability
    assert field.array.shape == scene.labels.array.shape
    assert field.array.max() == pytest.approx(1, abs=0.01)
    first = field.array.copy()
    scene.put(ball(2, (10, 12)))
    scene.remove(2)
    kept = scene.probability
    region = kept.region(field.corner, first.shape)
    np.testing.assert_allclose(kept.array[region], first, atol=1e-6)
    assert kept.array.sum() == pytest.approx(first.sum(), rel=1e-5)


def test_surfaces_are_in_pixels_of_the_plane() -> None:
    scene = ShapeScene(0.5)
    scene.put(ball(1, (10, 20)))
    scene.put(ball(4, (30, 20)))
    assert len(scene.surface()[1]) == 0, "nothing is computed where somebody waits"
    assert len(list(scene.compute_surfaces())) == 2
    vertices, faces, numbers = scene.surface()
    assert faces.max() == len(vertices) - 1
    np.testing.assert_allclose(vertices[numbers == 4].mean(axis=0), (0, 30, 20), atol=0.1)
    assert np.ptp(vertices[numbers == 4][:, 0]) == pytest.approx(0.7 * 16 * 0.5, abs=0.6)


def test_a_grid_that_would_grow_too_large_becomes_coarser(monkeypatch) -> None:
    monkeypatch.setattr(shape_scene, "MOST_VOXELS", 60_000)
    scene = ShapeScene(0.5)
    scene.put(ball(1, (10, 10)))
    assert scene.step == 0.5
    _ = scene.probability
    scene.put(ball(2, (60, 60)))
    assert scene.step > 0.5
    assert scene.labels.array.size <= 60_000
    np.testing.assert_allclose(place_of(scene, 1), (0, 10, 10), atol=0.5)
    np.testing.assert_allclose(place_of(scene, 2), (0, 60, 60), atol=0.5)
    assert scene.probability.array.shape == scene.labels.array.shape


def test_while_a_shape_is_refined_there_is_always_one() -> None:
    scene = ShapeScene(0.5)
    scene.put(ball(1, (10, 10)))
    shapes = [ball(1, (10, 10)), ball(1, (11, 10))]
    worker = threading.Thread(target=lambda: [scene.put(shapes[number % 2]) for number in range(60)])
    worker.start()
    seen = []
    while worker.is_alive():
        seen.append(scene.empty)
        with scene.lock:
            seen.append(not (scene.labels.array == 1).any())
    worker.join()
    assert not any(seen)


def test_the_grid_is_about_as_fine_as_the_voxels() -> None:
    assert [ShapeScene.fitting_step(step) for step in (2.0, 1.0, 0.5, 0.34, 0.01)] == [1, 1, 0.5, 1 / 3, 0.25]
