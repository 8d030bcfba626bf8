"""One cell, from its window in the plane to an object with features."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from napari_diffuscope.diffusion.moments import Moments
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.shape.cells import Cell
from napari_diffuscope.methods.shape.familiarity import cell_values, distance_from
from napari_diffuscope.methods.shape.model import PUBLISHED, ShapeModel, eight_bit
from napari_diffuscope.methods.shape.occupancy import agreement, binarised
from napari_diffuscope.methods.shape.plan import ShapePlan
from napari_diffuscope.methods.shape.result import CellShape
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.methods.work import Work


@dataclass
class ShapeWork:
    """What all cells share.

    Parameters
    ----------
    work
        The run: settings, record, and how many network evaluations of one sample are done.
    plane
        ``(Y, X)``.
    model, plan
        What to do.
    pixel_size
        In µm, or ``None``.
    """

    work: Work
    plane: np.ndarray
    model: ShapeModel
    plan: ShapePlan
    pixel_size: float | None
    features: Callable[..., Mapping[str, float]] = field(init=False)
    grey: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        from napari_diffuscope.measure.shapes.features import shape_features

        self.features = shape_features
        published = self.model.model.card.condition_channels == PUBLISHED
        self.grey = eight_bit(self.plane) if published else self.plane

    @property
    def settings(self) -> ShapeSettings:
        """What was chosen."""
        chosen: ShapeSettings = self.work.settings
        return chosen

    @property
    def evaluations(self) -> int:
        """Of one cell."""
        return self.plan.evaluations * self.settings.draws

    @property
    def own_threshold(self) -> float:
        """The model's threshold for averages; a sample is a shape already, and cut at one half."""
        own = self.model.model.card.occupancy_threshold
        average = self.settings.mode == "estimate" or self.settings.draws > 1
        return own if own is not None and average else 0.5

    def window(self, cell: Cell) -> ShapeWindow:
        """The model's window for a cell."""
        side = self.model.side
        if self.settings.window == "plane":
            return ShapeWindow.of_plane(self.plane.shape, pixel_size=self.pixel_size, side=side)
        extent = self.model.model.card.cell_extent
        return ShapeWindow.around(cell, pixel_size=self.pixel_size, extent=extent, side=side)


def cell_job(run: ShapeWork, cell: Cell) -> Job[CellShape]:
    """Predict the shape of one cell.

    Yields
    ------
    Update
        After every evaluation, with the current probability as ``preview``; ``output`` is the label.

    Raises
    ------
    DiffuscopeError
        If nothing of the cell is left in the window, or the model finds no object.
    """
    window = run.window(cell)
    mask = window.mask(cell)
    if not mask.any():
        raise DiffuscopeError(f"Nothing is left of cell {cell.label} in the model's window; it is too thin.")
    condition = run.model.condition(window.image(run.grey), mask)
    moments, samples = Moments(), []
    while moments.count < run.settings.draws:
        for drawn in (yield from _some_samples(run, cell, condition, moments)):
            moments.add(torch.from_numpy(drawn))
            if run.settings.draws > 1:
                samples.append(binarised(drawn, mask, run.settings)[0])
    mean = moments.mean.numpy()
    deviation = None
    if run.settings.draws > 1:
        deviation = moments.deviation.numpy() * np.float32(run.model.model.card.deviation_scale)
    return _measured(run, cell, window, mask, mean, deviation, tuple(samples))


def _some_samples(run: ShapeWork, cell: Cell, condition: np.ndarray, moments: Moments) -> Job[np.ndarray]:
    """The next samples of a cell, as many at once as the memory allows: ``(count, S, S, S)``."""
    while True:
        count = run.model.per_call(run.settings.draws - moments.count)
        before = run.work.done
        evaluation = run.model.samples(
            condition, run.plan, seed=run.settings.seed, cell=cell.label, first=moments.count, count=count
        )

        def shown(current: np.ndarray, count: int = count) -> Update:
            run.work.done += count
            return run.work.update(output=str(cell.label), preview=_mean_with(moments, current))

        try:
            drawn = yield from relayed(evaluation, shown)
            run.work.done += count
            return drawn
        except (RuntimeError, MemoryError) as error:
            message = run.model.back_off(count, error)
        run.work.done = before
        yield run.work.warn(message)


def _mean_with(moments: Moments, current: np.ndarray) -> np.ndarray:
    """Mean of the finished samples and of the current estimates of those in the works."""
    total = current.sum(0)
    if moments.count:
        total = total + moments.mean.numpy() * np.float32(moments.count)
    mean: np.ndarray = total / np.float32(moments.count + len(current))
    return mean


def _measured(
    run: ShapeWork,
    cell: Cell,
    window: ShapeWindow,
    mask: np.ndarray,
    mean: np.ndarray,
    deviation: np.ndarray | None,
    samples: tuple[np.ndarray, ...],
) -> CellShape:
    """The object in the probabilities, and its features."""
    own = run.own_threshold
    occupied, probability, threshold = binarised(mean, mask, run.settings, own)
    if not occupied.any():
        raise DiffuscopeError(
            f"The model found no object for cell {cell.label}: no voxel is above the threshold; check its outline, "
            "or whether the model suits these cells."
        )
    # Corrected by the mask it would agree in any case: what is told is how far the model agreed by itself.
    unchanged = occupied
    if run.settings.match_mask:
        unchanged = binarised(mean, mask, replace(run.settings, match_mask=False), own)[0]
    features = dict(run.features(occupied, voxel_size=window.voxel_size))
    each = [run.features(one, voxel_size=window.voxel_size) for one in samples if one.any()]
    spread = {name: float(np.std([one[name] for one in each], ddof=1)) for name in features if len(each) > 1}
    return CellShape(
        label=cell.label,
        probability=probability,
        occupied=occupied,
        deviation=deviation,
        voxel_size=window.voxel_size,
        origin=window.origin,
        features=features,
        spread=spread,
        mask_agreement=agreement(unchanged, mask),
        samples=samples,
        threshold=threshold,
        complaint=_complaint(cell, occupied),
        distance=_distance(run, cell, window),
    )


def _distance(run: ShapeWork, cell: Cell, window: ShapeWindow) -> float | None:
    """How far the cell is from those of the training, where the card knows them."""
    known = run.model.model.card.cell_features
    return None if known is None else round(distance_from(known, cell_values(run.plane, cell, window)), 2)


def _complaint(cell: Cell, occupied: np.ndarray) -> str | None:
    """What is amiss with the cell or its object."""
    found = [cell.complaint] if cell.complaint else []
    faces = (occupied[[0, -1]], occupied[:, [0, -1]], occupied[:, :, [0, -1]])
    if any(face.any() for face in faces):
        found.append(
            f"The shape of cell {cell.label} reaches the border of the model's window and may be cut off."
        )
    return " ".join(found) or None
