"""Surfaces of voxel objects as triangles, and files of them.

A surface through the faces of voxels is a staircase, half as large again as the object's; through their centres
(marching cubes on 0 and 1) it is still 9 % too large. So the object is first blurred a little. That alone would
shrink whatever is convex, so the surface is taken at the value at which it encloses the volume of the voxels.
Marching cubes: Lewiner, Lopes, Vieira, Tavares, J Graphics Tools 8, 1 (2003).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage, optimize

from napari_diffuscope.atomic import replace_bytes
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.measure.shapes.voxels import VoxelSize, bounding_box, object_array, voxel_sizes

BLUR = 1.0
"""Standard deviation, in voxels, of the Gaussian over an object of 0 and 1."""

MARGIN = 4
"""Empty voxels around an object, so that the blurred one has faded and its surface is closed."""

LEVEL_TOLERANCE = 1e-3
"""How closely the value is found at which the surface encloses the volume of the voxels."""


@dataclass(frozen=True)
class Mesh:
    """A closed surface of triangles.

    Parameters
    ----------
    vertices
        ``(N, 3)`` float32, positions as (z, y, x) in µm, or in pixels where their size is not known.
    faces
        ``(M, 3)`` int32, three vertices each, counter-clockwise seen from outside in the right-handed
        coordinates (x, y, z).
    """

    vertices: np.ndarray
    faces: np.ndarray

    @cached_property
    def crosses(self) -> np.ndarray:
        """``(M, 3)`` outward vectors as (x, y, z), twice as long as their triangle is large."""
        first, second, third = self._corners
        return np.asarray(np.cross(second - first, third - first))

    @cached_property
    def areas(self) -> np.ndarray:
        """``(M,)`` areas of the triangles, in squared units."""
        return np.asarray(np.linalg.norm(self.crosses, axis=1) / 2)

    @property
    def area(self) -> float:
        """Area of the surface."""
        return float(self.areas.sum())

    @property
    def volume(self) -> float:
        """Volume inside, by the divergence theorem; cavities do not count."""
        first = self._corners[0]
        return float(np.einsum("mi,mi->", first - first.mean(axis=0), self.crosses) / 6)

    @property
    def _corners(self) -> np.ndarray:
        """(3, M, 3) positions of the corners as (x, y, z)."""
        return np.asarray(self.vertices[:, ::-1].astype(np.float64)[self.faces.T])


def surface_mesh(
    volume: object, voxel_size: VoxelSize = 1.0, origin: Sequence[float] = (0.0, 0.0, 0.0)
) -> Mesh:
    """The surface of an object.

    Parameters
    ----------
    volume
        ``(Z, Y, X)``. bool or labels (all but 0): the surface encloses the volume of the voxels.
        Real numbers, such as probabilities: the surface where they pass 0.5, unsmoothed.
    voxel_size
        One size or (z, y, x).
    origin
        Position of the centre of voxel (0, 0, 0), (z, y, x) in the same unit.

    Returns
    -------
    Mesh
        Closed, also where the object touches the faces of the volume.

    Raises
    ------
    DiffuscopeError
        If the array is no volume, or holds no object.
    """
    sizes = np.asarray(voxel_sizes(voxel_size))
    if np.asarray(volume).dtype.kind == "f":
        vertices, faces = _probable_surface(np.asarray(volume))
    else:
        vertices, faces = _object_surface(object_array(volume, "the object"))
    return Mesh((vertices * sizes + np.asarray(origin)).astype(np.float32), faces)


def _object_surface(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, in voxels, and faces of the surface with the volume of the voxels."""
    box = bounding_box(occupied)
    blurred = ndimage.gaussian_filter(np.pad(occupied[box], MARGIN).astype(np.float32), BLUR)
    vertices, faces = _marched(blurred, _level(blurred, int(occupied.sum())))
    return vertices + [side.start - MARGIN for side in box], faces


def _level(blurred: np.ndarray, count: int) -> float:
    """The value at which a surface encloses so many voxels."""

    def excess(level: float) -> float:
        return Mesh(*_marched(blurred, level)).volume - count

    # One half is right for flat surfaces, and near for all that is more than a few voxels thick. The lowest
    # value is reached three voxels outside, above what is left of the blurred object at the end of its margin.
    edges = (1e-3, 0.5 if blurred.max() > 0.5 else 0.999 * float(blurred.max()))
    if excess(edges[1]) > 0:
        edges = (edges[1], 0.9999 * float(blurred.max()))
    level: float = optimize.brentq(excess, *edges, xtol=LEVEL_TOLERANCE)
    return level


def _probable_surface(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if probability.ndim != 3 or not np.isfinite(probability).all():
        raise DiffuscopeError("Probabilities must be finite numbers in a volume (z, y, x).")
    if probability.max() <= 0.5:
        raise DiffuscopeError("No probability is above 0.5, so there is no object and no surface.")
    vertices, faces = _marched(
        np.pad(probability, 1, constant_values=min(0.0, float(probability.min()))), 0.5
    )
    return vertices - 1, faces


def _marched(field: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(field, level)
    return np.asarray(vertices), np.asarray(faces)


def write_mesh(path: Path | str, mesh: Mesh) -> None:
    """Write a surface as STL (binary), OBJ or PLY (binary), by the ending of the name.

    Parameters
    ----------
    path
        Ends in ``.stl``, ``.obj`` or ``.ply``; a file of that name is replaced, all or nothing.
    mesh
        Its vertices are written as x, y, z, in their unit (these formats know no units).

    Raises
    ------
    DiffuscopeError
        For another ending, or if it cannot be written.
    """
    path = Path(path)
    write = _WRITERS.get(path.suffix.lower())
    if write is None:
        raise DiffuscopeError(
            f"Surfaces are written as {', '.join(_WRITERS)}, not as {path.suffix or 'a name without ending'!r}."
        )
    with writing(path):
        replace_bytes(path, write(mesh))


def _stl(mesh: Mesh) -> bytes:
    """80 bytes, the number of triangles, and for each its normal, three corners and two empty bytes."""
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])
    triangles = np.zeros(len(mesh.faces), dtype=record)
    lengths = np.linalg.norm(mesh.crosses, axis=1, keepdims=True)
    triangles["normal"] = mesh.crosses / np.where(lengths > 0, lengths, 1)
    triangles["corners"] = mesh.vertices[:, ::-1][mesh.faces]
    # not "solid": with that word files of text begin
    header = b"binary STL by napari-diffuscope".ljust(80)
    return header + struct.pack("<I", len(triangles)) + triangles.tobytes()


def _obj(mesh: Mesh) -> bytes:
    lines = ["# surface by napari-diffuscope"]
    lines += [f"v {x:.7g} {y:.7g} {z:.7g}" for z, y, x in mesh.vertices.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode("ascii")


def _ply(mesh: Mesh) -> bytes:
    header = (
        "ply\nformat binary_little_endian 1.0\ncomment surface by napari-diffuscope\n"
        f"element vertex {len(mesh.vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, mesh.faces
    vertices = np.ascontiguousarray(mesh.vertices[:, ::-1], dtype="<f4")
    return header.encode("ascii") + vertices.tobytes() + faces.tobytes()


_WRITERS: dict[str, Callable[[Mesh], bytes]] = {".stl": _stl, ".obj": _obj, ".ply": _ply}

MESH_FORMATS = tuple(ending[1:] for ending in _WRITERS)
"""Endings of the files that :func:`write_mesh` writes, without the point."""
