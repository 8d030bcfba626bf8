"""Parts of planes, restored one at a time as the whole image would have them; what all share is made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Job, Update, relayed
from napari_diffuscope.methods.method import Inputs
from napari_diffuscope.methods.records import begun_record
from napari_diffuscope.methods.restore.job import restore_plane
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.restore.outputs import RESTORED
from napari_diffuscope.methods.restore.run import Run, begun_run, run_of
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.running import array_sinks
from napari_diffuscope.methods.work import Work

Part = tuple[int, tuple[int, int, int, int]]
"""Flat index of a plane, and ``(y0, y1, x0, x1)``."""


class PartMaker:
    """Restores parts of an image.

    Parameters
    ----------
    image, settings
        What is to be done, of all planes; the mode is the best estimate.
    """

    def __init__(self, image: Image, settings: RestoreSettings) -> None:
        self._inputs: Inputs = {"image": image}
        self._settings = settings
        self._run: Run | None = None

    def job(
        self, following: Callable[[], Part | None], take: Callable[[Part, np.ndarray], None]
    ) -> Job[None]:
        """Restores parts until there is none.

        Parameters
        ----------
        following
            Gives the next part, ``None`` at the end.
        take
            Is given a part and its pixels, float32 ``(Y, X)``.

        Raises
        ------
        DiffuscopeError
            As a restoration.
        """
        if self._run is None:
            self._run = yield from begun_run(self._work(self._settings))
            self._run.remembered = {}
        while (part := following()) is not None:
            yield from self._restored(self._run, part, take)

    def _work(self, settings: RestoreSettings) -> Work:
        outputs = RESTORE.outputs(self._inputs, settings)
        record = begun_record(RESTORE, self._inputs, settings)
        # Of the whole image no array is made: nothing is ever written to it.
        small = [replace(each, spec=replace(each.spec, shape=(1,) * len(each.shape))) for each in outputs]
        sinks = array_sinks(RESTORE, outputs if settings.crop else small, settings)
        return Work(RESTORE, self._inputs, settings, {each.name: each for each in outputs}, sinks, record)

    def _restored(self, whole: Run, part: Part, take: Callable[[Part, np.ndarray], None]) -> Job[None]:
        flat, crop = part
        settings = replace(self._settings, planes=(flat,), crop=crop)
        work = self._work(settings)
        run = run_of(work, whole.image, settings, whole.model, whole.bridging.channels, whole.adapted)
        run.reader, run.remembered, run.bridging.lines = whole.reader, whole.remembered, whole.bridging.lines
        run.neighbours = whole.neighbours
        yield from relayed(restore_plane(run, flat), _told)
        sink = work.sinks[RESTORED]
        pixels = sink.read_block(next(iter(work.plan)))
        assert pixels is not None
        take(part, pixels.reshape(pixels.shape[-2:]))
        yield Update(0, 0)


def _told(update: Update) -> Update:
    """Warnings are told, how far a part is is not."""
    return Update(0, 0, message=update.message if update.warning else "", warning=update.warning)
