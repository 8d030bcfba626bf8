"""Whether a result is one: its shape, and that it is finite where the input is."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.generate import GENERATE, GenerateSettings
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.outputs import select
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.method import SUPERRES
from napari_diffuscope.methods.superres.settings import SuperresSettings
from tests.fuzz.rule import Watch, check_sentence


def check_restored(result: Any, image: Image, settings: RestoreSettings, watch: Watch) -> None:
    """Every chosen plane is finite where its input is."""
    part = select(image, settings)
    (y0, y1), (x0, x1) = part.region
    for spec in RESTORE.outputs({"image": image}, settings):
        values = np.asarray(result.outputs[spec.name])
        if values.shape != spec.shape:
            watch.fault(f"shape: {spec.name} is {values.shape}, not {spec.shape}")
            return
        for flat in part.planes:
            place = tuple(i - first for i, first in zip(image.plane_index(flat), part.first, strict=True))
            made = values[(slice(None), *place)] if settings.mode == "samples" else values[place]
            given = np.isfinite(image.read_plane(flat)[y0:y1, x0:x1])
            if not np.isfinite(made)[..., given].all():
                watch.fault(f"not finite: {spec.name} where the input is ({settings.mode})")
                return
        if spec.name == "deviation" and np.nanmin(values, initial=0.0) < 0:
            watch.fault("value: a negative deviation")


def check_volume(result: Any, image: Image, settings: SuperresSettings, watch: Watch) -> None:
    """A finite input gives a finite volume; a measured voxel stays finite in any case."""
    everything = all(np.isfinite(image.read_plane(flat)).all() for flat in range(image.plane_count))
    for output in SUPERRES.outputs({"image": image}, settings):
        name, values = output.name, np.asarray(result.outputs[output.name])
        if values.shape != output.shape:
            watch.fault(f"shape: {name} is {values.shape}, not {output.shape}")
        elif everything and not np.isfinite(values).all():
            watch.fault(f"not finite: {name} of a finite input ({settings.mode})")


def check_shapes(result: Any, image: Image, settings: ShapeSettings, watch: Watch) -> None:
    """Probabilities in cubes of one size, features that are numbers, reasons that are sentences."""
    for reason in result.refused.values():
        check_sentence(reason, watch)
    for cell in result.cells:
        values = cell.probability
        if values.ndim != 3 or len(set(values.shape)) != 1 or cell.occupied.shape != values.shape:
            watch.fault(f"shape: {values.shape} and {cell.occupied.shape}")
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            watch.fault(f"value: a probability outside of 0 … 1 ({settings.mode})")
        if not all(np.isfinite(value) for value in cell.features.values()):
            watch.fault(f"not finite: features {cell.features}")
        if cell.complaint:
            check_sentence(cell.complaint, watch)


def check_generated(result: Any, image: Image | None, settings: GenerateSettings, watch: Watch) -> None:
    """As many images as asked for, finite."""
    [output] = GENERATE.outputs({} if image is None else {"like": image}, settings)
    values = np.asarray(result.outputs[output.name])
    if values.shape != output.shape:
        watch.fault(f"shape: {output.name} is {values.shape}, not {output.shape}")
    elif image is None and not np.isfinite(values).all():
        watch.fault(f"not finite: {output.name} ({settings.mode})")
