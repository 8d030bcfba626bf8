"""Prediction of shapes, declared. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.methods.checks import is_whole, listed
from napari_diffuscope.methods.declared import Settings, Text, declared
from napari_diffuscope.methods.method import Input, Inputs, Method, Output
from napari_diffuscope.methods.running import run_method
from napari_diffuscope.methods.shape.result import Shapes
from napari_diffuscope.methods.shape.settings import ShapeSettings


def parse_labels(text: str) -> tuple[int, ...]:
    """Labels of ``"3,5,8"``.

    Raises
    ------
    DiffuscopeError
        If the text is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise DiffuscopeError(f"{quoted(text)} is not understood; write labels such as 3,5,8.")
    return tuple(int(part) for part in parts)


def _checked_labels(value: Any) -> tuple[int, ...]:
    labels = [value] if is_whole(value) else listed(value)
    if labels is None or not all(is_whole(label) for label in labels):
        raise DiffuscopeError(f"The labels must be whole numbers such as (3, 5), not {quoted(value)}.")
    return tuple(int(label) for label in labels)


@dataclass(frozen=True)
class ShapeStoring(Settings):
    """Which shapes are written, and what of each."""

    only: tuple[int, ...] | None = declared(
        None,
        "Only",
        "Labels to work on, such as 3,5,8; all by default.",
        check=_checked_labels,
        text=Text("LABEL,…", parse_labels, lambda labels: ",".join(map(str, labels))),
    )
    probability: bool = declared(False, "Probability", "Also write probabilities, and deviations of samples.")
    mesh: Literal["stl", "obj", "ply"] | None = declared(
        None, "Mesh", "Also write surfaces, in this format.", unset="none"
    )
    resume: bool = declared(False, "Resume", "Go on after an interruption: finished shapes are kept.")


def _no_volumes(inputs: Inputs, settings: ShapeSettings) -> Sequence[Output]:
    """Shapes lie around each cell, and fill no volume of the image."""
    return ()


SHAPE = Method(
    "shape",
    "Predict 3D shape",
    "Predict the 3D shape of every labelled cell from one plane.",
    ShapeSettings,
    _no_volumes,
    "napari_diffuscope.methods.shape.job:shape_job",
    inputs=(
        Input(help="Image of cells.", axes_use="One YX plane of it is worked on."),
        Input("labels", "Label image: every cell has a number of its own.", kind="labels"),
    ),
    doing="Shapes in",
    result="shape",
    models_for="shapes",
    pieces="cells",
    destination="napari_diffuscope.methods.shape.destination:ShapeDestination",
    storing=ShapeStoring,
    effort="napari_diffuscope.methods.shape.effort:shape_effort",
    trial="napari_diffuscope.methods.shape.effort:shape_trial",
)


def predict_shapes(image: Any, labels: Any, *, only: Sequence[int] | None = None, **choices: Any) -> Shapes:
    """Predict the 3D shapes of labelled cells in one call.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file. Of
        several planes one is named with ``plane``.
    labels
        Likewise: whole numbers, 0 where no cell is.
    only
        Labels to work on; all by default.
    choices
        ``axes`` of the image, such as ``"CYX"``; ``series`` and ``labels_series`` of files that hold several images;
        ``settings``, a :class:`~napari_diffuscope.methods.shape.settings.ShapeSettings`, and fields of it to
        replace; ``on_update``, called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Shapes
        ``.cells`` has one :class:`~napari_diffuscope.methods.shape.result.CellShape` per label, ``.refused`` the
        reason for every label without one.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.methods.shape.job.shape_job`, and if image and labels do not fit.

    References
    ----------
    Waibel et al., ISBI 2023 (arXiv 2208.14125).

    Examples
    --------
    >>> shapes = predict_shapes(image, labels, pixel_size=0.1)  # doctest: +SKIP
    >>> shapes[3].features["volume"]  # of the cell with label 3, in µm³  # doctest: +SKIP
    """
    shapes: Shapes = run_method(SHAPE, image, labels, options={"only": only}, **choices).value
    return shapes
