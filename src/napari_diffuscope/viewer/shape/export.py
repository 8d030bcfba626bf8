"""Predicted shapes into files: a table, volumes, surfaces; the same files as those of the command line."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.shape.files import ShapeFolder, table, table_row

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.result import CellShape

MESHES = ("stl", "obj", "ply")


def write_csv(
    path: Path, cells: Mapping[int, CellShape], refused: Mapping[int, str]
) -> Generator[None, None, str]:
    """Write the features of all cells; returns what was done, in a sentence.

    Raises
    ------
    DiffuscopeError
        If the file cannot be written.
    """
    from napari_diffuscope.atomic import replace_table
    from napari_diffuscope.imaging.failures import writing

    rows = {label: table_row(shape) for label, shape in cells.items()}
    rows |= {
        label: {"label": label, "complaint": text} for label, text in refused.items() if label not in rows
    }
    yield
    path = path if path.suffix else path.with_suffix(".csv")
    with writing(path):
        replace_table(path, table([rows[label] for label in sorted(rows)]), newline="")
    return f"Wrote the features of {_count(len(cells))} to {path.name}."


def write_volumes(folder: Path, cells: Mapping[int, CellShape], *, unit: str) -> Generator[None, None, str]:
    """Write a TIFF volume for every cell, named by its label, and its probability."""
    sink = ShapeFolder(folder, unit=unit, probability=True, overwrite=True)
    for shape in cells.values():
        sink.add(shape)
        yield
    return f"Wrote the volumes of {_count(len(cells))} into {folder}."


def write_meshes(folder: Path, cells: Mapping[int, CellShape], ending: str) -> Generator[None, None, str]:
    """Write a surface for every cell, named by its label.

    Raises
    ------
    DiffuscopeError
        For an unknown ending, or if a file cannot be written.
    """
    from napari_diffuscope.imaging.failures import writing
    from napari_diffuscope.measure.shapes.meshes import surface_mesh, write_mesh

    if ending not in MESHES:
        raise DiffuscopeError(f"Surfaces are written as {', '.join(MESHES)}, not as {ending!r}.")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for label, shape in cells.items():
        write_mesh(folder / f"{label}.{ending}", surface_mesh(shape.occupied, shape.voxel_size, shape.origin))
        yield
    return f"Wrote the surfaces of {_count(len(cells))} into {folder}."


def _count(cells: int) -> str:
    return "one cell" if cells == 1 else f"{cells} cells"
