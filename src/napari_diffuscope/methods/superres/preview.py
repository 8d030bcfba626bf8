"""One XZ slice of a volume, in seconds: what a model makes of it, before the volume is made."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, relayed
from napari_diffuscope.methods.ready import ready_model
from napari_diffuscope.methods.records import begun_record
from napari_diffuscope.methods.states import States
from napari_diffuscope.methods.superres.estimates import noise_of
from napari_diffuscope.methods.superres.filling import Filling
from napari_diffuscope.methods.superres.job import begun_filling
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.outputs import RESULT
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.methods.superres.slices import ALONG_X, as_slices
from napari_diffuscope.methods.superres.volume import Volume
from napari_diffuscope.methods.superres.windows import Ranges, mirrored
from napari_diffuscope.methods.work import Work

METHOD = "superres slice"
"""Of the record: a slice is not what the command line makes."""


@dataclass(frozen=True)
class SliceResult:
    """A slice and the record of how it was made."""

    pixels: np.ndarray
    record: dict[str, Any]


def slice_job(
    image: Image,
    settings: SuperresSettings,
    *,
    row: int,
    leading: tuple[int, ...] = (),
    target: np.ndarray | None = None,
) -> Job[SliceResult]:
    """Make one XZ slice from the measured rows alone.

    It is what the slices along x say; a volume brings them together with those along y. Modes that draw several
    samples show the first one. Intensities are mapped, and noise is drawn, as for the volume.

    Parameters
    ----------
    image, settings
        As for :func:`~napari_diffuscope.methods.superres.job.superres_job`.
    row
        Which slice: index along y.
    leading
        Index along the axes before z, in the order ``TC``.
    target
        Where to write the slice: ``(…, Z, 1, X)``.

    Yields
    ------
    Update
        In steps; regions count in ``target``.

    Raises
    ------
    DiffuscopeError
        As for the volume, and for a row that the image does not have.
    """
    started = time.perf_counter()
    inputs = {"image": image}
    height = image.plane_shape[0]
    if not 0 <= row < height:
        raise DiffuscopeError(f"{image.name!r} has no row {row}; its rows are 0 to {height - 1}.")
    record = begun_record(SUPERRES, inputs, settings)
    work = Work(SUPERRES, inputs, settings, {}, {}, record)
    model = yield from ready_model(work)
    filling, volumes = yield from begun_filling(work, model, States())
    work.total = filling.plan.steps
    volume = next(volume for volume in volumes if volume.leading == tuple(leading))
    pixels = yield from _chain(filling, volume, row, target)
    record |= {"method": METHOD, "row": row, "leading": list(leading)}
    record["seconds"] = round(time.perf_counter() - started, 3)
    return SliceResult(pixels, record)


def _chain(filling: Filling, volume: Volume, row: int, target: np.ndarray | None) -> Job[np.ndarray]:
    """From noise (or nothing) to the pixels ``(Z, 1, X)`` of a slice."""
    core: Ranges = ((0, volume.shape[0]), (row, row + 1), (0, volume.shape[2]))
    seen = filling.model.needed(core, volume.shape, ALONG_X)
    wide, own = volume.condition(filling.model.shown(seen, ALONG_X)), volume.condition(core)
    x = noise_of(filling, volume, 0, 0, 0, core)
    if not filling.plan.noisy:
        x = torch.zeros_like(x)
    before = None
    region = (
        *(slice(0, 1) for _ in volume.leading),
        slice(0, filling.scale.output),
        slice(0, 1),
        slice(None),
    )
    for step in range(filling.plan.steps):
        states = as_slices(_widened(x, seen, volume.shape), ALONG_X)
        evaluation = filling.model.volume(
            lambda some, states=states: states[some],  # type: ignore[misc]
            filling.plan.levels[step],
            wide,
            core,
            volume.shape,
            ALONG_X,
        )
        clean = yield from relayed(evaluation, lambda told: filling.work.warn(told[1]) if told[1] else None)
        if filling.model.replaces:
            x = torch.where(own.known[:, None, None], own.values, x)
        x = filling.plan.step(
            step,
            x,
            clean,
            before,
            lambda at: noise_of(filling, volume, 0, at, 0, core),
        )
        before, filling.work.done = clean, step + 1
        last = step == filling.plan.steps - 1
        pixels = _pixels(filling, volume, core, x if last else clean)
        shown = pixels.reshape((1,) * len(volume.leading) + pixels.shape)
        if last and target is not None:
            target[...] = shown
        yield filling.work.update(output=RESULT, region=region, preview=shown, final=last)
    return pixels


def _widened(x: Tensor, seen: Ranges, shape: tuple[int, int, int]) -> Tensor:
    """The state ``(C, Z, 1, X)`` of a whole slice, mirrored to what the network sees."""
    box, (z, y, columns) = mirrored(seen, shape)
    inside = x[:, box[0], :, box[2]]
    found: Tensor = inside[
        :, torch.from_numpy(z)[:, None, None], torch.from_numpy(y)[:, None], torch.from_numpy(columns)
    ]
    return found


def _pixels(filling: Filling, volume: Volume, core: Ranges, values: Tensor) -> np.ndarray:
    made = volume.finished(volume.line.inverse(np.asarray(values.mean(0))), core, reimpose=filling.reimpose)
    return filling.scale.resampled(made, 0, filling.scale.output)
