"""``napari_diffuscope.run_batch``: many images from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.job import batch_job
from napari_diffuscope.batches.plan import planned
from napari_diffuscope.batches.settings import BatchSettings
from napari_diffuscope.batches.table import Report
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.scenes import one_of
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.running import team_of


def run_batch(
    method: str,
    sources: str | PathLike[str] | Sequence[str | PathLike[str]],
    folder: str | PathLike[str],
    *,
    pattern: str | None = None,
    recursive: bool = False,
    others: Mapping[str, str | PathLike[str] | None] | None = None,
    axes: str | None = None,
    series: int | None = None,
    scene: int | str | None = None,
    overwrite: bool = False,
    storing: Mapping[str, Any] | None = None,
    settings: Any = None,
    on_update: Callable[[Update], None] | None = None,
    cluster: Any = None,
    **choices: Any,
) -> Report:
    """Work on many images, one after the other; the model is loaded once, and none stops the rest.

    The same call goes on where an earlier one was stopped: results that are there stay.

    Parameters
    ----------
    method
        ``"restore"``, ``"superres"`` or ``"shape"``.
    sources
        Files, folders and patterns such as ``"raw/*.tif"``.
    folder
        Where results and ``batch.csv`` go.
    pattern, recursive
        Names of the results, such as ``"{name}_restored.ome.zarr"``; whether folders in folders are looked through.
        See :class:`~napari_diffuscope.batches.settings.BatchSettings`.
    others
        For further inputs (``labels`` of shapes) one file for all images, a folder with a file of the same name for
        each, or a pattern such as ``"masks/{name}_cells.tif"``.
    axes
        Of all images, where their files are silent or wrong.
    series, scene
        Which image of each file, where it holds several: its number, or its name; give one of them. By default the
        largest, and all fields of a plate in OME-Zarr.
    overwrite
        Whether results that are there are made again.
    storing
        What may be chosen of how results are written.
    settings, choices
        The method's settings, and fields of them to replace.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`; an exception that it raises stops the batch.
    cluster
        Who works on several images at the same time: ``"local:4"`` for processes of this machine, the address of a
        dask scheduler, a dask cluster or ``distributed.Client``.

    Returns
    -------
    Report
        ``.rows`` say what came of each image: ``done``, ``there already`` or ``failed``, and why.

    Raises
    ------
    DiffuscopeError
        If the batch cannot begin; what is wrong with one image is told in its row.

    Examples
    --------
    >>> run_batch("restore", "raw", "restored", mode="mean").of("failed")  # doctest: +SKIP
    """
    if method not in METHODS:
        raise DiffuscopeError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
    declared_method = METHODS[method]
    base: Any = settings or declared_method.settings()
    chosen = replace(base, **choices)
    number = one_of(series, scene)
    paths = [sources] if isinstance(sources, str | PathLike) else list(sources)
    plan = planned(
        declared_method,
        [Path(path) for path in paths],
        Path(folder),
        chosen,
        choices=BatchSettings(pattern, recursive),
        others={name: Path(path) for name, path in (others or {}).items() if path is not None},
        series=number,
    )
    stored = declared_method.storing(**(storing or {})) if declared_method.storing is not None else None
    numbers = {} if declared_method.image is None else {declared_method.image.name: number}
    how: dict[str, Any] = {"storing": stored, "axes": axes, "series": numbers, "overwrite": overwrite}
    with team_of(cluster, chosen, on_update) as team:
        return run(batch_job(plan, chosen, team=team, **how), on_update)
