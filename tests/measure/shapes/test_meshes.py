"""Surfaces are closed, face outwards, lie where the object lies, and come back from files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from skimage.measure import mesh_surface_area

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.shapes.meshes import MESH_FORMATS, Mesh, surface_mesh, write_mesh

from .bodies import ball, ellipsoid, places, torus


def assert_closed(mesh: Mesh) -> int:
    """Every edge has one face on either side, which run along it in opposite directions; how many edges."""
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    there, back = (np.unique(way, axis=0, return_counts=True) for way in (edges, edges[:, ::-1]))
    np.testing.assert_array_equal(there[0], back[0])
    assert (there[1] == 1).all()
    return len(edges) // 2


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return surface_mesh(torus(9, 4, places(32)), 0.2, origin=(-3.1, 40.0, 7.0))


def test_surfaces_are_closed_and_face_outwards(mesh: Mesh) -> None:
    edges = assert_closed(mesh)
    # Euler's number of a ring is 0
    assert len(mesh.vertices) - edges + len(mesh.faces) == 0
    assert mesh.volume == pytest.approx(torus(9, 4, places(32)).sum() * 0.2**3, rel=2e-3)
    assert mesh.area == pytest.approx(mesh_surface_area(mesh.vertices, mesh.faces), rel=1e-5)


def test_normals_of_a_ball_point_away_from_its_centre() -> None:
    found = surface_mesh(ball(10, places(26)))
    middle = found.vertices[found.faces].mean(axis=1) - found.vertices.mean(axis=0)
    assert ((middle[:, ::-1] * found.crosses).sum(axis=1) >= 0).all()


def test_surfaces_lie_where_the_object_lies() -> None:
    """Origin is the centre of voxel (0, 0, 0); sizes differ from axis to axis."""
    body = np.zeros((40, 50, 60), dtype=bool)
    body[10:31, 5:46, 20:41] = True
    sizes, origin = np.array([0.5, 0.1, 0.2]), np.array([100.0, -20.0, 3.0])
    found = surface_mesh(body, tuple(sizes), tuple(origin))
    low = origin + (np.array([10, 5, 20]) - 0.5) * sizes
    high = origin + (np.array([30, 45, 40]) + 0.5) * sizes
    # what the blur takes from edges and corners, faces give back: a tenth of a voxel
    np.testing.assert_allclose(found.vertices.min(axis=0) / sizes, low / sizes, atol=0.1)
    np.testing.assert_allclose(found.vertices.max(axis=0) / sizes, high / sizes, atol=0.1)
    np.testing.assert_allclose(found.vertices.mean(axis=0), (low + high) / 2, atol=0.01)


def test_objects_at_the_border_have_closed_surfaces() -> None:
    for body in (np.ones((5, 6, 7), dtype=bool), np.ones((5, 6, 7))):
        assert_closed(surface_mesh(body))


def test_probabilities_have_their_surface_at_one_half() -> None:
    distance = np.sqrt((places(40) ** 2).sum(axis=0))
    probability = np.clip(0.5 + (12.3 - distance) / 6, 0, 1)
    found = surface_mesh(probability.astype(np.float32), 0.5)
    centre = (found.vertices.min(axis=0) + found.vertices.max(axis=0)) / 2
    radii = np.linalg.norm(found.vertices - centre, axis=1)
    assert radii == pytest.approx(0.5 * 12.3, rel=0.01)
    assert found.volume == pytest.approx(4 / 3 * np.pi * 6.15**3, rel=0.01)


@pytest.mark.parametrize(
    ("volume", "sentence"),
    [
        (np.zeros((5, 5, 5), dtype=bool), "no voxels"),
        (np.full((5, 5, 5), 0.4), "No probability is above 0.5"),
        (np.full((5, 5, 5), np.nan), "finite"),
        (np.ones((5, 5)), "volume"),
    ],
)
def test_without_an_object_there_is_no_surface(volume: np.ndarray, sentence: str) -> None:
    with pytest.raises(DiffuscopeError, match=sentence):
        surface_mesh(volume)


def read_stl(path: Path) -> tuple[np.ndarray, np.ndarray]:
    content = path.read_bytes()
    (count,) = struct.unpack_from("<I", content, 80)
    assert len(content) == 84 + 50 * count
    values = [struct.unpack_from("<12f", content, 84 + 50 * number) for number in range(count)]
    return np.array(values).reshape(count, 4, 3)[:, 1:], np.array(values).reshape(count, 4, 3)[:, 0]


def read_obj(path: Path) -> np.ndarray:
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    points = np.array([line[1:] for line in lines if line[0] == "v"], dtype=float)
    faces = np.array([line[1:] for line in lines if line[0] == "f"], dtype=int) - 1
    return points[faces]


def read_ply(path: Path) -> np.ndarray:
    head, body = path.read_bytes().split(b"end_header\n", 1)
    counts = [int(line.split()[-1]) for line in head.decode().splitlines() if line.startswith("element")]
    points = np.frombuffer(body, "<f4", 3 * counts[0]).reshape(-1, 3)
    faces = np.frombuffer(body[12 * counts[0] :], np.dtype([("n", "u1"), ("i", "<i4", 3)]))
    assert len(faces) == counts[1]
    assert set(faces["n"]) == {3}
    return points[faces["i"]]


def test_files_hold_the_triangles_as_x_y_z(mesh: Mesh, tmp_path: Path) -> None:
    triangles = mesh.vertices[:, ::-1][mesh.faces]
    for ending in MESH_FORMATS:
        write_mesh(tmp_path / f"cell.{ending}", mesh)
    corners, normals = read_stl(tmp_path / "cell.stl")
    np.testing.assert_array_equal(corners, triangles)
    np.testing.assert_allclose(read_obj(tmp_path / "cell.obj"), triangles, rtol=1e-6)
    np.testing.assert_array_equal(read_ply(tmp_path / "cell.ply"), triangles)
    large = mesh.areas > 1e-6
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[large]
    np.testing.assert_allclose(
        normals[large], cross / np.linalg.norm(cross, axis=1, keepdims=True), atol=2e-3
    )
    assert (tmp_path / "cell.stl").read_bytes()[:5] != b"solid"


def test_files_are_replaced_all_or_nothing(mesh: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "cell.stl"
    path.write_bytes(b"old")
    write_mesh(str(path), surface_mesh(ellipsoid((4, 3, 2), places(12))))
    assert path.read_bytes() != b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["cell.stl"]
    with pytest.raises(DiffuscopeError, match="could not be written"):
        write_mesh(tmp_path / "missing" / "cell.ply", mesh)
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(DiffuscopeError, match="could not be written"):
        write_mesh(tmp_path / "folder.obj", mesh)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cell.stl", "folder.obj"]


@pytest.mark.parametrize("name", ["cell.vtk", "cell"])
def test_other_formats_are_refused(mesh: Mesh, tmp_path: Path, name: str) -> None:
    with pytest.raises(DiffuscopeError, match=r"written as .stl, .obj, .ply, not as"):
        write_mesh(tmp_path / name, mesh)
