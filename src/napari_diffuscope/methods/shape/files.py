"""Predicted shapes in a folder: a volume per cell, a table of features, the record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from napari_diffuscope.atomic import replace_table, replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import check_folder, check_outputs, foreign_in, same_place, working_in
from napari_diffuscope.imaging.tiff import TiffSink, read_record
from napari_diffuscope.methods.shape.record import cell_record
from napari_diffuscope.methods.shape.result import CellShape

TABLE, RECORD = "features.csv", "record.json"

PLACE = ("voxel_size", "origin_z", "origin_y", "origin_x")
"""Columns of the table that say where a volume lies."""


class ShapeFolder:
    """A folder that takes shapes one by one; every file is complete or not there.

    Used as a context manager, it lets no other process write to the folder meanwhile. Files that no prediction of
    shapes has made are never replaced.

    Parameters
    ----------
    path
        Made with the first file, if it is missing.
    unit
        Of all lengths: ``micrometer`` or ``pixel``.
    probability
        Whether probabilities, and deviations where there are some, are written too.
    mesh
        Ending of the files of surfaces, one of :data:`~napari_diffuscope.measure.shapes.meshes.MESH_FORMATS`.
    overwrite
        Whether files that exist are replaced.
    resume
        Whether the folder may hold shapes that are to be kept, see :meth:`keep`.

    Raises
    ------
    DiffuscopeError
        If it is a file, or is not empty and may not be written over.
    """

    def __init__(
        self,
        path: Path,
        *,
        unit: str = "pixel",
        probability: bool = False,
        mesh: str | None = None,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        self.path, self.unit, self.probability, self.mesh = path, unit, probability, mesh
        self._rows: dict[int, dict[str, Any]] = {}
        #: What the records say of the cells that were taken over.
        self.kept: list[dict[str, Any]] = []
        self._inside: ExitStack | None = None
        self._made = False
        if path.exists() and not path.is_dir():
            raise DiffuscopeError(f"{path} is a file; name a folder for the shapes.")
        check_folder(path)
        if foreign_in(path, ()) is not None and not (overwrite or resume):
            raise DiffuscopeError(
                f"The folder {path} is not empty; add --resume to go on in it, --overwrite to replace files in it, or "
                "give another one."
            )

    def __enter__(self) -> Self:
        """Make the folder, where missing, and let no other process write to it."""
        self._inside = ExitStack()
        self._inside.enter_context(working_in(self.path))
        return self

    def __exit__(self, *error: object) -> None:
        """Leave it; a folder without a file is taken away."""
        if self._inside is not None:
            self._inside.close()

    def check_replaced(
        self, labels: Collection[int], *, inputs: Iterable[Path] = (), others: Iterable[Path] = ()
    ) -> None:
        """Refuse to replace files that no prediction of shapes has made.

        Parameters
        ----------
        labels
            Cells that are wanted.
        inputs
            Files that are read.
        others
            Further files that will be written.

        Raises
        ------
        DiffuscopeError
            If a file of the folder is one of those, or holds something else.
        """
        names = [name for label in sorted(labels) for name in self._names(label, most=True)]
        files = [self.path / name for name in (*names, TABLE, RECORD)]
        check_outputs(others, [], wholes=files, folders=[self.path], overwrite=True)
        for path in files:
            if any(same_place(path, source) for source in inputs):
                raise DiffuscopeError(
                    f"{path} is an input, which is never replaced; give another folder for the shapes."
                )
            self._check_ours(path)

    def _check_ours(self, path: Path) -> None:
        if path.exists() and not is_of_shapes(path):
            raise DiffuscopeError(
                f"{path} was not made by a prediction of shapes, and is not replaced; move it or give another folder."
            )

    def add(self, shape: CellShape) -> None:
        """Write the files of one cell; the volumes hold its record.

        Raises
        ------
        DiffuscopeError
            If a file cannot be written.
        """
        self._make()
        if self.probability:
            self._volume(f"{shape.label}_probability.tif", shape.probability, shape)
            if shape.deviation is not None:
                self._volume(f"{shape.label}_deviation.tif", shape.deviation, shape)
        if self.mesh is not None:
            from napari_diffuscope.measure.shapes.meshes import surface_mesh, write_mesh

            surface = surface_mesh(shape.occupied, shape.voxel_size, shape.origin)
            path = self.path / f"{shape.label}.{self.mesh}"
            self._check_ours(path)
            write_mesh(path, surface)
        # Last, so that a cell whose volume is there has all its files, also after a kill.
        self._volume(f"{shape.label}.tif", shape.occupied.astype(np.uint8), shape)
        self._rows[shape.label] = table_row(shape)

    def keep(self, labels: Collection[int], is_same: Callable[[Mapping[str, Any]], bool]) -> tuple[int, ...]:
        """Take over the finished shapes of an earlier run.

        Parameters
        ----------
        labels
            Cells that are wanted.
        is_same
            Whether a shape with this record would be made again.

        Returns
        -------
        tuple of int
            Labels that need not be predicted: all of their files are there.

        Raises
        ------
        DiffuscopeError
            If one was made otherwise.
        """
        for label in sorted(labels):
            wanted = [self.path / name for name in self._names(label)]
            if not all(path.is_file() for path in wanted):
                continue
            record = read_record(wanted[0]) or {}
            if not is_same(record):
                raise DiffuscopeError(
                    f"{wanted[0]} was made from another image, by another model or with other settings; give another "
                    "folder, or --overwrite."
                )
            self.kept.append(record["cell"])
            self._rows[label] = row_of_cell(record["cell"])
        return tuple(int(cell["label"]) for cell in self.kept)

    def whole(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The record of a job with the cells that were taken over."""
        cells = sorted([*self.kept, *record["cells"]], key=lambda cell: int(cell["label"]))
        return {**record, "cells": cells}

    def _names(self, label: int, *, most: bool = False) -> list[str]:
        """Files that a cell has in any case, or may have."""
        more = [f"{label}_probability.tif"] if self.probability else []
        more += [f"{label}_deviation.tif"] if self.probability and most else []
        return [f"{label}.tif", *more, *([] if self.mesh is None else [f"{label}.{self.mesh}"])]

    def _make(self) -> None:
        """Make the folder once: where it is deleted meanwhile, what was in it is not there any more."""
        if self._inside is None and not self._made:
            with writing(self.path):
                self.path.mkdir(parents=True, exist_ok=True)
        self._made = True

    def _volume(self, name: str, values: np.ndarray, shape: CellShape) -> None:
        self._check_ours(self.path / name)
        with TiffSink(
            self.path / name,
            shape=values.shape,
            axes="ZYX",
            scale=(shape.voxel_size,) * 3,
            units=(self.unit,) * 3,
            dtype=values.dtype,
            record=shape.record or None,
        ) as sink:
            sink[...] = values

    def _check_there(self) -> None:
        if gone := [label for label in self._rows if not (self.path / f"{label}.tif").exists()]:
            raise DiffuscopeError(
                f"{len(gone)} of the {len(self._rows)} shapes that were written into {self.path} are no longer there, "
                f"that of cell {gone[0]} first; predict them again."
            )

    def finish(self, record: Mapping[str, Any] | None, refused: Mapping[int, str]) -> None:
        """Write the table and the record.

        Parameters
        ----------
        record
            Of the job; ``None`` where it was stopped: then the table of the finished cells is all there is.
        refused
            Why other cells have no shape, by label.

        Raises
        ------
        DiffuscopeError
            If one cannot be written, or a shape that was is no longer there.
        """
        self._check_there()
        rows = self._rows | {label: {"label": label, "complaint": text} for label, text in refused.items()}
        if rows or record is not None:
            self._make()
        if rows:
            with writing(self.path / TABLE):
                replace_table(self.path / TABLE, table([rows[label] for label in sorted(rows)]), newline="")
        if record is not None:
            with writing(self.path / RECORD):
                text = json.dumps(self.whole(record), indent=2, ensure_ascii=False)
                replace_text(self.path / RECORD, text + "\n")


def is_of_shapes(path: Path) -> bool:
    """Whether a file is one that `ShapeFolder` writes."""
    try:
        if path.suffix in (".tif", ".tiff"):
            return (read_record(path) or {}).get("method") == "shape"
        if path.name == RECORD:
            record = json.loads(path.read_text(encoding="utf-8"))
            return isinstance(record, dict) and record.get("method") == "shape"
        with path.open("rb") as file:
            head = file.read(200)
    except (DiffuscopeError, OSError, ValueError):
        return False
    return head.startswith(b"label,") if path.name == TABLE else b"by napari-diffuscope" in head


def table_row(shape: CellShape) -> dict[str, Any]:
    """One line of the table: place, features, their spread over the samples, agreement with the mask."""
    return row_of_cell(cell_record(shape))


def row_of_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The same from what a record says of a cell."""
    return {
        "label": cell["label"],
        "complaint": cell["complaint"] or "",
        "mask_agreement": cell["mask_agreement"],
        **({} if cell.get("distance") is None else {"distance_from_training": cell["distance"]}),
        **dict(zip(PLACE, (cell["voxel_size"], *cell["origin"]), strict=True)),
        **cell["features"],
        **{f"{name}_sd": value for name, value in cell["spread"].items()},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV, with every column that one of them has; what a row does not have is left empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    ordered = sorted(columns, key=lambda name: name.endswith("_sd"))  # a first row may have no spread
    text = io.StringIO()
    writer = csv.DictWriter(text, ordered, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
