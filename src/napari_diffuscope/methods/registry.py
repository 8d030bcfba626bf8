"""The one place where methods are looked up: commands, docks, records, models and recipes ask here. Free of torch."""

from __future__ import annotations

from napari_diffuscope.methods.generate import GENERATE
from napari_diffuscope.methods.method import Registry
from napari_diffuscope.methods.restore.method import RESTORE
from napari_diffuscope.methods.shape.method import SHAPE
from napari_diffuscope.methods.superres.method import SUPERRES

METHODS = Registry((RESTORE, SUPERRES, SHAPE, GENERATE))


def task_in_words(task: str) -> str:
    """What models of a task are for, in words."""
    return METHODS[task].models_for if task in METHODS else task
