"""Prediction of 3D cell shapes from one plane; Waibel et al., ISBI 2023 (arXiv 2208.14125), and faster.

A cell and its outline are brought into the window of a model, which says of every voxel how probable it is that the
cell is there. Cells are worked on one by one, and what is amiss with one never stops the others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.bridging import Tally, bridged_plane
from napari_diffuscope.methods.ready import ready_model
from napari_diffuscope.methods.shape.cell_job import ShapeWork, cell_job
from napari_diffuscope.methods.shape.cells import Cell, cells_for
from napari_diffuscope.methods.shape.model import PUBLISHED, ShapeModel
from napari_diffuscope.methods.shape.plan import shape_plan
from napari_diffuscope.methods.shape.record import note_shapes, record_of_cell
from napari_diffuscope.methods.shape.result import CellShape, Shapes
from napari_diffuscope.methods.shape.source import labelled_plane
from napari_diffuscope.methods.work import Work


def shape_job(work: Work) -> Job[Shapes]:
    """Predict the shapes of the cells of one plane, one after the other.

    Parameters
    ----------
    work
        Its inputs are ``image`` and ``labels``. Its options, all of which may be missing:

        - ``given``: the plane and its labels, where somebody has read them already (`LabelledPlane`);
        - ``only``: labels to work on;
        - ``on_cell``: called with every shape as soon as it is finished, in the thread of the job;
        - ``keep``: whether the result holds the shapes (it does); without, memory does not grow with the cells.

    Yields
    ------
    Update
        In network evaluations of one sample. ``output`` is the label, ``preview`` the current probability
        ``(S, S, S)``; the last one of a cell has ``final``. Refused cells, and what is amiss with others, are
        warnings.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, labels that are none, or too little memory. What is amiss with one cell is in
        ``refused`` of the result.
    """
    settings = work.settings
    given = work.options.get("given") or labelled_plane(work.image, work.inputs["labels"], settings)
    plane = _checked_plane(given.plane, given.labels)
    cells = cells_for(given.labels, settings, only=work.options.get("only"))
    if not cells:
        raise DiffuscopeError("No cell is labelled in this plane; outline at least one.")
    model = ShapeModel((yield from ready_model(work)), settings.batch)
    plan = shape_plan(model.model, settings)
    tally = Tally()
    if settings.defects == "bridge":
        plane = bridged_plane(plane, tally)
    note_shapes(work.record, model, plan, pixel_size=given.pixel_size, defects=tally.to_dict())
    run = ShapeWork(work, plane, model, plan, given.pixel_size)
    run.window(cells[0])  # what is amiss with the model's window or the plane is amiss for all cells
    taken = {cell.label for cell in cells if settings.anyway or not cell.refused}
    work.total = len(taken) * run.evaluations
    yield from map(work.warn, (*_announced(run), *tally.sentences(kept=False)))
    return (yield from _all(run, cells, taken))


def _all(run: ShapeWork, cells: tuple[Cell, ...], taken: set[int]) -> Job[Shapes]:
    """The shapes of all cells, in their order."""
    work, record = run.work, run.work.record
    by_label = {cell.label: cell for cell in cells}
    shapes: dict[int, CellShape] = {}
    refused: dict[int, str] = {}

    def note(label: int, found: CellShape | str) -> Job[None]:
        if isinstance(found, str):
            refused[label] = record["refused"][str(label)] = found
            yield work.update(message=found, warning=True, output=str(label))
            return
        if found.complaint:
            yield work.update(message=found.complaint, warning=True, output=str(label))
        shape = replace(found, record=record_of_cell(record, found, found.record["seconds"]))
        record["cells"].append(shape.record["cell"])
        if on_cell := work.options.get("on_cell"):
            on_cell(shape)
        if work.options.get("keep", True):
            shapes[label] = shape
        yield work.update(output=str(label), preview=shape.probability, final=True)

    yield from work.each(
        "cells", list(by_label), lambda label: _one(run, by_label[label], taken=label in taken), note
    )
    order = {label: number for number, label in enumerate(by_label)}
    record["cells"].sort(key=lambda cell: order[cell["label"]])
    return Shapes(tuple(shapes[label] for label in order if label in shapes), refused, record)


def _one(run: ShapeWork, cell: Cell, *, taken: bool) -> Job[CellShape | str]:
    """The shape of a cell and the seconds it took, or the reason why there is none."""
    begun, expected = time.perf_counter(), run.work.done + run.evaluations
    try:
        if not taken:
            raise DiffuscopeError(str(cell.complaint))
        shape = yield from cell_job(run, cell)
    except OutOfMemory:
        raise
    except DiffuscopeError as error:
        run.work.done = expected if taken else run.work.done
        return str(error)
    return replace(shape, record={"seconds": time.perf_counter() - begun})


def _checked_plane(plane: Any, labels: Any) -> np.ndarray:
    array = np.asarray(plane)
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise DiffuscopeError(
            f"Shapes are predicted from one plane (Y, X) of numbers, not from an array of shape {array.shape} and "
            f"type {array.dtype}; choose a plane."
        )
    if np.shape(labels) != array.shape:
        raise DiffuscopeError(
            f"The labels have the shape {np.shape(labels)}, but the image {array.shape}; they must agree."
        )
    return array


def _announced(run: ShapeWork) -> Iterator[str]:
    """What the user must be told before it begins."""
    if run.pixel_size is None:
        yield "The pixel size is unknown: all lengths are in pixels."
    if run.model.model.card.condition_channels == PUBLISHED and run.plane.dtype != np.uint8:
        yield "The grey values are no 8-bit numbers: the least of the plane was taken as 0 and the largest as 255."
