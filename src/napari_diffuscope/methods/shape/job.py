"""Prediction of 3D cell shapes from one plane; Waibel et al., ISBI 2023 (arXiv 2208.14125), and faster.

A cell and its outline are brought into the window of a model, which says of every voxel how probable it is that the
cell is there. Cells are worked on one by one, and what is amiss with one never stops the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory
from napari_diffuscope.imaging.files import image_of, labels_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update, announce, run
from napari_diffuscope.methods.bridging import Tally, bridged_plane
from napari_diffuscope.methods.device import choose_device
from napari_diffuscope.methods.shape.cell_job import ShapeWork, cell_job
from napari_diffuscope.methods.shape.cells import Cell, WindowChecks, find_cells
from napari_diffuscope.methods.shape.model import PUBLISHED, ShapeModel, check_mode
from napari_diffuscope.methods.shape.plan import shape_plan
from napari_diffuscope.methods.shape.record import notes_of, record_of_cell, shape_record
from napari_diffuscope.methods.shape.result import CellShape, Shapes
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.shape.source import labelled_plane
from napari_diffuscope.weights.model import load_model

__all__ = ["CellShape", "Shapes", "predict_shapes", "shape_job"]

OnCell = Callable[[CellShape], None]


def shape_job(
    plane: np.ndarray,
    labels: np.ndarray,
    settings: ShapeSettings,
    *,
    pixel_size: float | None = None,
    only: Sequence[int] | None = None,
    on_cell: OnCell | None = None,
    keep: bool = True,
    inputs: Mapping[str, Image] | None = None,
) -> Job[Shapes]:
    """Predict the shapes of the cells of one plane, one after the other.

    Parameters
    ----------
    plane
        ``(Y, X)``: the image.
    labels
        ``(Y, X)`` whole numbers, 0 where no cell is.
    settings
        What to do.
    pixel_size
        In µm, ``None`` where unknown; ``settings.pixel_size`` goes before it.
    only
        Labels to work on; all by default.
    on_cell
        Called with every shape as soon as it is finished, in the thread of the job.
    keep
        Whether the result holds the shapes; without, memory does not grow with the number of cells.
    inputs
        What the plane and the labels were taken from (``image``, ``labels``), for the record.

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
    started = time.perf_counter()
    plane = _checked_plane(plane, labels)
    pixel_size = settings.pixel_size or pixel_size
    cells = find_cells(labels, only=only, window_checks=WindowChecks(border=settings.window == "cell"))
    if not cells:
        raise DiffuscopeError("No cell is labelled in this plane; outline at least one.")
    device = choose_device(settings.device)
    inputs = inputs or {"image": Image.wrap(plane, "YX")}
    yield from announce(notes_of(inputs))
    yield Update(0, 0, f"Loading {settings.model}")
    model = ShapeModel(load_model(settings.model, device=device), settings.batch)
    check_mode(model.model, settings)
    plan = shape_plan(model.model, settings)
    record = shape_record(inputs, settings, model, plan, device=device, pixel_size=pixel_size)
    tally = Tally()
    if settings.defects == "bridge":
        plane = bridged_plane(plane, tally)
    record["defects"] = tally.to_dict()
    work = ShapeWork(plane, settings, model, plan, pixel_size, record)
    work.window(cells[0])  # what is amiss with the model's window or the plane is amiss for all cells
    taken = {cell.label for cell in cells if settings.anyway or not cell.refused}
    work.total = len(taken) * work.evaluations
    yield from (work.warn(message) for message in (*_announced(work), *tally.sentences(kept=False)))
    found: list[CellShape] = []
    refused: dict[int, str] = {}
    for cell in cells:
        begun = time.perf_counter()
        shape = yield from _one(work, cell, refused, taken=cell.label in taken)
        if shape is None:
            continue
        shape = replace(shape, record=record_of_cell(record, shape, time.perf_counter() - begun))
        record["cells"].append(shape.record["cell"])
        if on_cell is not None:
            on_cell(shape)
        if keep:
            found.append(shape)
        yield work.update(output=str(cell.label), preview=shape.probability, final=True)
    record["seconds"] = round(time.perf_counter() - started, 3)
    return Shapes(tuple(found), refused, record)


def _one(work: ShapeWork, cell: Cell, refused: dict[int, str], *, taken: bool) -> Job[CellShape | None]:
    """The shape of a cell, or ``None`` with the reason among the refused ones."""
    expected = work.done + work.evaluations
    try:
        if not taken:
            raise DiffuscopeError(str(cell.complaint))
        shape = yield from cell_job(work, cell)
    except OutOfMemory:
        raise
    except DiffuscopeError as error:
        refused[cell.label] = work.record["refused"][str(cell.label)] = str(error)
        work.done = expected if taken else work.done
        yield work.update(message=str(error), warning=True, output=str(cell.label))
        return None
    if shape.complaint:
        yield work.update(message=shape.complaint, warning=True, output=str(cell.label))
    return shape


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


def _announced(work: ShapeWork) -> Iterator[str]:
    """What the user must be told before it begins."""
    if work.pixel_size is None:
        yield "The pixel size is unknown: all lengths are in pixels."
    if work.model.model.card.condition_channels == PUBLISHED and work.plane.dtype != np.uint8:
        yield "The grey values are no 8-bit numbers: the least of the plane was taken as 0 and the largest as 255."


def predict_shapes(
    image: Any,
    labels: Any,
    *,
    axes: str | None = None,
    series: int | None = None,
    labels_series: int | None = None,
    only: Sequence[int] | None = None,
    settings: ShapeSettings | None = None,
    on_update: Callable[[Update], None] | None = None,
    **choices: Any,
) -> Shapes:
    """Predict the 3D shapes of labelled cells in one call.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file. Of
        several planes one is named with ``plane``.
    labels
        Likewise: whole numbers, 0 where no cell is.
    axes
        Axes of the image, such as ``"CYX"``; by default by its number of dimensions.
    series, labels_series
        Which image of the file of the image, or of the labels, that holds several; the largest by default.
    only
        Labels to work on; all by default.
    settings, choices
        A :class:`~napari_diffuscope.methods.shape.settings.ShapeSettings`, and fields of it to replace.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Shapes
        ``.cells`` has one :class:`~napari_diffuscope.methods.shape.result.CellShape` per label, ``.refused`` the
        reason for every label without one.

    Raises
    ------
    DiffuscopeError
        As :func:`shape_job`, and if image and labels do not fit.

    Examples
    --------
    >>> shapes = predict_shapes(image, labels, pixel_size=0.1)  # doctest: +SKIP
    >>> shapes[3].features["volume"]  # of the cell with label 3, in µm³  # doctest: +SKIP
    """
    settings = replace(settings or ShapeSettings(), **choices)
    opened = image_of(image, axes, series=series)
    given = labelled_plane(opened, labels_of(labels, series=labels_series), settings)
    job = shape_job(
        given.plane, given.labels, settings, pixel_size=given.pixel_size, only=only, inputs=given.inputs
    )
    return run(job, on_update)
