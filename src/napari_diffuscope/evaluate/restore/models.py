"""The models under test: their best estimates, samples and what they cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.harness import label_of
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.blending import evaluator_for
from napari_diffuscope.methods.ready import MEASURING
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.running import array_sinks, method_job
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.model import load_model

PLANE = 1024
"""Edge of the plane on which the overhead of the halos is counted."""


@dataclass(frozen=True)
class Candidate:
    """A model under test.

    Parameters
    ----------
    label
        What it is called in the tables.
    place
        Its name or path.
    card, sha256
        What is known of it.
    overhead
        Pixels evaluated over pixels of a plane of 1024², at the size of tile used for it.
    """

    label: str
    place: str
    card: ModelCard
    sha256: str
    overhead: float

    @property
    def samples(self) -> bool:
        """Whether it can draw samples."""
        return not self.card.diffusion.estimate_only


@dataclass(frozen=True)
class Timed:
    """Result of a model.

    Parameters
    ----------
    image
        In counts.
    seconds
        How long it took without loading the weights.
    scale
        Difference of counts that was 1 to the network.
    """

    image: np.ndarray
    seconds: float
    scale: float = 1.0


def candidates(places: Sequence[str], reserved: Sequence[str]) -> tuple[Candidate, ...]:
    """Open the models under test.

    Parameters
    ----------
    places
        Names or paths.
    reserved
        Labels that are taken.

    Raises
    ------
    DiffuscopeError
        If one is absent, damaged, no model for restoration, or named twice.
    """
    opened: list[Candidate] = []
    for place in places:
        model = load_model(place)
        if model.card.task != "restore":
            raise DiffuscopeError(
                f"{place} is a model for {model.card.task}, not for restoration; leave it out."
            )
        region = ((0, PLANE), (0, PLANE))
        tiles = evaluator_for(model, (PLANE, PLANE), region).tiles()
        overhead = sum(float(np.prod(tile.window_shape)) for tile in tiles) / PLANE**2
        label = label_of(model.card.name, place, [*reserved, *(other.label for other in opened)])
        opened.append(Candidate(label, place, model.card, model.sha256, overhead))
    return tuple(opened)


def estimate(
    candidate: Candidate, noisy: np.ndarray, *, device: str, adapt: bool = False, mirrored: bool = False
) -> Job[Timed]:
    """Best estimate of an image (Y, X) in counts: the model adapted to it or not, over mirror images or not."""
    settings = RestoreSettings(model=candidate.place, device=device, adapt=adapt, mirrored=mirrored)
    return (yield from _restored(noisy, settings, noisy.shape))


def draw_samples(
    candidate: Candidate, noisy: np.ndarray, crop: int, *, samples: int, steps: int, seed: int, device: str
) -> Job[Timed]:
    """Samples of the middle part of an image: (samples, crop, crop) counts."""
    rows, columns = middle(noisy.shape, crop)
    settings = RestoreSettings(
        model=candidate.place,
        mode="samples",
        samples=samples,
        steps=steps,
        seed=seed,
        device=device,
        crop=(rows.start, rows.stop, columns.start, columns.stop),
    )
    shape = (samples, rows.stop - rows.start, columns.stop - columns.start)
    return (yield from _restored(noisy, settings, shape))


def middle(shape: Sequence[int], edge: int) -> tuple[slice, slice]:
    """Middle part of an image, at most ``edge`` pixels high and wide."""
    starts = [max(0, (n - edge) // 2) for n in shape]
    rows, columns = (slice(start, min(n, start + edge)) for start, n in zip(starts, shape, strict=True))
    return rows, columns


def _restored(noisy: np.ndarray, settings: RestoreSettings, shape: Sequence[int]) -> Job[Timed]:
    image = np.full(tuple(shape), np.nan, np.float32)
    inputs = {"image": Image.wrap(noisy, "YX")}
    sinks = array_sinks(RESTORE, RESTORE.outputs(inputs, settings), settings, {"restored": image})
    job = method_job(RESTORE, inputs, settings, sinks=sinks)
    began: float | None = None
    try:
        while True:
            update = next(job)
            if began is None and update.message == MEASURING:  # the weights are loaded
                began = time.perf_counter()
            yield Update(update.done, update.total)
    except StopIteration as stop:
        [intensity] = stop.value.record["intensity"]
        return Timed(image, time.perf_counter() - (began or 0.0), intensity["scale"])
    finally:
        job.close()
