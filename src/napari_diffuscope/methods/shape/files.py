"""Predicted shapes in a folder: a volume per cell, a table of features, the record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.tiff import TiffSink, read_record
from napari_diffuscope.methods.shape.record import cell_record
from napari_diffuscope.methods.shape.result import CellShape

TABLE, RECORD = "features.csv", "record.json"

PLACE = ("voxel_size", "origin_z", "origin_y", "origin_x")
"""Columns of the table that say where a volume lies."""


class ShapeFolder:
    """A folder that takes shapes one by one; every file is complete or not there.

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
        if path.exists() and not path.is_dir():
            raise DiffuscopeError(f"{path} is a file; name a folder for the shapes.")
        if path.is_dir() and any(path.iterdir()) and not (overwrite or resume):
            raise DiffuscopeError(
                f"The folder {path} is not empty; add --resume to go on in it, --overwrite to replace files in it, or "
                "give another one."
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
            write_mesh(self.path / f"{shape.label}.{self.mesh}", surface)
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

    def _names(self, label: int) -> list[str]:
        """Files that a cell has in any case."""
        more = [f"{label}_probability.tif"] if self.probability else []
        return [f"{label}.tif", *more, *([] if self.mesh is None else [f"{label}.{self.mesh}"])]

    def _make(self) -> None:
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)

    def _volume(self, name: str, values: np.ndarray, shape: CellShape) -> None:
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
            If one cannot be written.
        """
        rows = self._rows | {label: {"label": label, "complaint": text} for label, text in refused.items()}
        if rows or record is not None:
            self._make()
        if rows:
            with writing(self.path / TABLE):
                replace_text(self.path / TABLE, table([rows[label] for label in sorted(rows)]), newline="")
        if record is not None:
            with writing(self.path / RECORD):
                text = json.dumps(self.whole(record), indent=2, ensure_ascii=False)
                replace_text(self.path / RECORD, text + "\n")


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
