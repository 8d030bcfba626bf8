"""Running a method: the one job around all jobs, and the one call for Python. Free of torch until a job begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.array_sink import ArraySink, Sink, plane_block
from napari_diffuscope.imaging.blocks.spec import default_block
from napari_diffuscope.imaging.scenes import one_of
from napari_diffuscope.imaging.unchanged import stamped
from napari_diffuscope.jobs import Job, Update, announce, relayed, run
from napari_diffuscope.methods.method import Inputs, Method, Output, loaded
from napari_diffuscope.methods.opening import check_complete, opened_inputs
from napari_diffuscope.methods.records import begun_record
from napari_diffuscope.methods.work import Crew, Work


@dataclass(frozen=True)
class Result:
    """What a method gave.

    Every output is an attribute of its own name too; ``None`` where the mode gives none.

    Parameters
    ----------
    outputs
        By name: arrays, or the paths of the files that were written.
    specs
        Axes, shapes and places of the outputs.
    record
        What made them, JSON-able.
    value
        What else the job gave.
    """

    outputs: Mapping[str, Any]
    specs: Mapping[str, Output]
    record: dict[str, Any]
    value: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.outputs.get(name)


def method_job(
    method: Method,
    inputs: Inputs,
    settings: Any,
    *,
    sinks: Mapping[str, Sink],
    team: Any = None,
    crew: Crew | None = None,
    **options: Any,
) -> Job[Result]:
    """The job of a method: says what the inputs have to say, works, completes outputs and record.

    Parameters
    ----------
    method, inputs, settings
        What to do.
    sinks
        For each output where its blocks go; blocks that a sink has are not made again.
    team
        A connected cluster that makes the pieces (`napari_diffuscope.methods.cluster.team.Team`), if any.
    crew
        Who makes the pieces, where that is settled.
    options
        Of the method's own job, see `Work`.

    Raises
    ------
    DiffuscopeError
        As the method's own job.
    """
    started = time.perf_counter()
    outputs = {output.name: output for output in method.outputs(inputs, settings)}
    inputs = {name: stamped(image) for name, image in inputs.items()}
    record = begun_record(method, inputs, settings)
    work = Work(method, inputs, settings, outputs, sinks, record, options)
    with nullcontext(crew) if team is None else team.running(work) as work.crew:
        yield from announce(record["messages"])
        yield work.update()
        value = yield from loaded(method.job)(work)
    work.check_inputs()
    record["seconds"] = round(time.perf_counter() - started, 3)
    finished = {}
    for name, sink in sinks.items():
        sink.record = {**record, "output": name}
        finished[name] = yield from relayed(
            sink.finishing(), lambda update: work.update(message=update.message)
        )
    for clean_up in work.afterwards:
        clean_up()
    return Result(finished, outputs, record, value)


def block_of(method: Method, output: Output, settings: Any) -> tuple[int, ...]:
    """Least lengths of the blocks of an output."""
    shape = output.shape
    chosen = getattr(settings, "block", None)
    if chosen:
        return (1,) * (len(shape) - len(chosen)) + tuple(chosen)
    return plane_block(shape) if method.block == "planes" else default_block(output.spec)


def array_sinks(
    method: Method,
    outputs: Sequence[Output],
    settings: Any,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> dict[str, ArraySink]:
    """Outputs in memory: in arrays that are there, by the name of the output, or in new ones."""
    there = arrays or {}
    return {
        each.name: ArraySink(each.spec, block_of(method, each, settings), there.get(each.name))
        for each in outputs
    }


def memory_job(method: Method, inputs: Inputs, settings: Any, **options: Any) -> Job[Result]:
    """The job of a method whose outputs go into memory.

    Raises
    ------
    DiffuscopeError
        As :func:`method_job`.
    """
    sinks = array_sinks(method, method.outputs(inputs, settings), settings)
    return method_job(method, inputs, settings, sinks=sinks, **options)


def run_method(
    method: Method,
    *sources: Any,
    axes: str | None = None,
    series: int | None = None,
    scene: int | str | None = None,
    settings: Any = None,
    on_update: Callable[[Update], None] | None = None,
    options: Mapping[str, Any] | None = None,
    cluster: Any = None,
    **choices: Any,
) -> Result:
    """Run a method in memory, with the same defaults and results as the window and the command line.

    Parameters
    ----------
    method
        Which.
    sources
        One for each of its inputs: an :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask,
        zarr), or the path of a file; ``None`` for one that is left out.
    axes
        Axes of the first, such as ``"ZYX"``; by default by its number of dimensions.
    series, scene
        Which image of the file of the first, where that holds several: its number, or its name; give one of them. The
        largest by default.
    settings, choices
        The method's settings, and fields of them to replace; of a further input ``NAME_series``, a number or a name.
    on_update
        Called with every :class:`~napari_diffuscope.jobs.Update`.
    options
        See `Work`.
    cluster
        Who makes the pieces: ``"local:4"`` for processes of this machine, the address of a dask scheduler, a dask
        cluster or ``distributed.Client``; this process alone by default.

    Raises
    ------
    DiffuscopeError
        For inputs or settings that do not work.
    """
    named = {each.name: source for each, source in zip(method.inputs, sources, strict=True)}
    numbers = {each.name: choices.pop(f"{each.name}_series", None) for each in method.inputs}
    if method.image is not None:
        numbers[method.image.name] = one_of(series, scene)
    elif axes is not None or series is not None or scene is not None:
        raise DiffuscopeError(f"{method.title} has no image of which axes or a series could be said.")
    base: Any = settings or method.settings()
    settings = replace(base, **choices)
    inputs = opened_inputs(method, named, settings, axes=axes, series=numbers)
    check_complete(method, inputs)
    with team_of(cluster, settings, on_update) as team:
        return run(memory_job(method, inputs, settings, team=team, **(options or {})), on_update)


def team_of(cluster: Any, settings: Any, on_update: Callable[[Update], None] | None) -> Any:
    """A context that gives a connected cluster, or ``None`` where none was asked for.

    Raises
    ------
    DiffuscopeError
        On entering, as `napari_diffuscope.methods.cluster.connecting.opened_team`.
    """
    if cluster is None:
        return nullcontext()

    def tell(line: str) -> None:
        if on_update is not None:
            on_update(Update(0, 0, line))

    opened_team = loaded("napari_diffuscope.methods.cluster.connecting:opened_team")
    return opened_team(cluster, device=getattr(settings, "device", "cpu"), tell=tell)
