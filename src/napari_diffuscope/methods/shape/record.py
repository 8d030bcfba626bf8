"""The record that predicted shapes carry: everything needed to make them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_diffuscope.methods.records import made_with
from napari_diffuscope.methods.shape.result import CellShape
from napari_diffuscope.methods.shape.settings import ShapeSettings

if TYPE_CHECKING:
    from napari_diffuscope.methods.shape.model import ShapeModel
    from napari_diffuscope.methods.shape.plan import ShapePlan


def note_shapes(
    record: dict[str, Any],
    model: ShapeModel,
    plan: ShapePlan,
    *,
    pixel_size: float | None,
    defects: dict[str, Any],
) -> None:
    """Add what all cells share; ``cells`` and ``refused`` are filled as it goes."""
    record |= {
        "pixel_size": pixel_size,
        "unit": unit_of(pixel_size),
        "window": model.side,
        "sampler": {"name": plan.solver, "evaluations": plan.evaluations},
        "defects": defects,
        "cells": [],
        "refused": {},
    }


def unit_of(pixel_size: float | None) -> str:
    """Unit of all lengths: ``micrometer``, or ``pixel`` where the pixel size is unknown."""
    return "pixel" if pixel_size is None else "micrometer"


def cell_record(shape: CellShape) -> dict[str, Any]:
    """What the record says of one cell."""
    return {
        "label": shape.label,
        "voxel_size": shape.voxel_size,
        "origin": list(shape.origin),
        "threshold": shape.threshold,
        "mask_agreement": shape.mask_agreement,
        "complaint": shape.complaint,
        "distance": shape.distance,
        "features": dict(shape.features),
        "spread": dict(shape.spread),
    }


def made_alike(record: Mapping[str, Any], settings: ShapeSettings, sha256: str) -> bool:
    """Whether a shape with this record is what a model and settings would make again, but for the image."""
    same_model = (record.get("model") or {}).get("sha256") == sha256
    return same_model and made_with(record, "shape", settings)


def record_of_cell(record: dict[str, Any], shape: CellShape, seconds: float) -> dict[str, Any]:
    """The record that one shape carries: that of the job without the other cells.

    Parameters
    ----------
    record
        Of the job.
    shape
        Of the cell.
    seconds
        That it took.
    """
    others = ("cells", "refused", "messages")
    own = {name: value for name, value in record.items() if name not in others}
    return {**own, "seconds": round(seconds, 3), "cell": cell_record(shape)}
