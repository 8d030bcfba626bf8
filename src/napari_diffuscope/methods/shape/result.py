"""What comes out of a prediction of shapes. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class CellShape:
    """The predicted shape of one cell, in a cube of S voxels along each edge (64 for the starter and for DISPR).

    Parameters
    ----------
    label
        Of the cell.
    probability
        float32 ``(S, S, S)``, axes z, y, x, in 0 … 1: the estimate, a sample, or the mean of several.
    occupied
        bool: the object.
    deviation
        float32: standard deviation of the samples' probabilities at every voxel; ``None`` with one result.
    voxel_size
        Edge of a voxel, in µm, or in pixels where the pixel size is unknown.
    origin
        Place ``(z, y, x)`` of the centre of voxel (0, 0, 0), counted from the centre of the image's first pixel, in
        the same unit; plane S / 2 lies at z = 0, in the image plane.
    features
        Of the object; see :func:`~napari_diffuscope.measure.shapes.features.shape_features`.
    spread
        Standard deviation of every feature over the samples: how much the model's answers differ, which is no error
        bar; empty with fewer than two.
    mask_agreement
        Intersection over union of plane S / 2 of the object with the mask, before the option ``match_mask``
        corrects it.
    samples
        bool: the object in every sample, for the modes with several.
    threshold
        From which probability on a voxel belongs to the object.
    complaint
        What is amiss with the cell, though it was worked on; ``None`` if nothing.
    distance
        From the cells of the training, by what the plane shows; ``None`` where the model's card does not know them.
        See :mod:`~napari_diffuscope.methods.shape.familiarity`.
    record
        What made it, JSON-able: the record of the job as far as it concerns this cell.
    """

    label: int
    probability: np.ndarray = field(repr=False)
    occupied: np.ndarray = field(repr=False)
    deviation: np.ndarray | None = field(repr=False)
    voxel_size: float
    origin: tuple[float, float, float]
    features: dict[str, float]
    spread: dict[str, float]
    mask_agreement: float
    samples: tuple[np.ndarray, ...] = field(default=(), repr=False)
    threshold: float = 0.5
    complaint: str | None = None
    distance: float | None = None
    record: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Result of a prediction of shapes.

    Parameters
    ----------
    cells
        By label; empty where the job was told not to keep them.
    refused
        Why no shape was predicted, by label: one sentence each.
    record
        What made them, JSON-able.
    """

    cells: tuple[CellShape, ...]
    refused: dict[int, str]
    record: dict[str, Any]

    def __getitem__(self, label: int) -> CellShape:
        """The shape of a label.

        Raises
        ------
        KeyError
            If none was predicted.
        """
        for cell in self.cells:
            if cell.label == label:
                return cell
        raise KeyError(label)
