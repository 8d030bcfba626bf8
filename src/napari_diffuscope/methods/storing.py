"""Outputs of a method in files, begun or gone on with; the same for all methods. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks import BlockSink, describe_input, in_standard_order, open_sink
from napari_diffuscope.jobs import Update, run
from napari_diffuscope.methods.method import Inputs, Method
from napari_diffuscope.methods.running import Result, block_of, method_job
from napari_diffuscope.weights.card import CARD_FILE, read_card

ENDINGS = (".ome.zarr", ".zarr", ".ome.tif", ".ome.tiff", ".tif", ".tiff")


def output_files(
    method: Method, inputs: Inputs, settings: Any, output: Path, beside: Mapping[str, Path] | None = None
) -> dict[str, Path]:
    """File of each output, by its name: the first gets the name that was given, others ``OUT_name``.

    Parameters
    ----------
    method, inputs, settings
        What will be done.
    output
        Of the first output.
    beside
        Files chosen for others.

    Raises
    ------
    DiffuscopeError
        For a file of an output that there will not be, and as the description of the outputs.
    """
    names = [each.name for each in method.outputs(inputs, settings)]
    chosen = dict(beside or {})
    if surplus := sorted(set(chosen) - set(names[1:])):
        raise DiffuscopeError(f"There will be no {surplus[0]} beside the result; leave out --{surplus[0]}.")
    return {names[0]: output, **{name: chosen.get(name) or beside_name(output, name) for name in names[1:]}}


def beside_name(output: Path, name: str) -> Path:
    """``OUT_name`` with the ending of ``OUT``."""
    ending = next((e for e in ENDINGS if output.name.lower().endswith(e)), output.suffix)
    stem = output.name[: len(output.name) - len(ending)]
    return output.with_name(f"{stem}_{name}{output.name[len(stem) :]}")


def run_identity(method: Method, inputs: Inputs, settings: Any) -> dict[str, Any]:
    """What decides the numbers of a run, JSON-able: only a run of equal identity is gone on with."""
    deciding = settings.deciding()
    return {
        "method": method.name,
        "settings": deciding,
        "model": _model_identity(deciding["model"]) if "model" in deciding else None,
        "inputs": {name: describe_input(in_standard_order(image)) for name, image in inputs.items()},
    }


@contextmanager
def opened_sinks(
    method: Method, inputs: Inputs, settings: Any, files: Mapping[str, Path], *, overwrite: bool = False
) -> Iterator[dict[str, BlockSink]]:
    """Sinks that write files; unfinished ones of an equal run are gone on with.

    Raises
    ------
    DiffuscopeError
        If an output exists and may not be replaced, cannot be written, or another run writes it.
    """
    identity = run_identity(method, inputs, settings)
    with ExitStack() as stack:
        yield {
            each.name: stack.enter_context(
                open_sink(
                    files[each.name],
                    each.spec,
                    {**identity, "output": each.name},
                    block=block_of(method, each, settings),
                    planes=method.block == "planes",
                    overwrite=overwrite,
                )
            )
            for each in method.outputs(inputs, settings)
        }


def run_to_files(
    method: Method,
    inputs: Inputs,
    settings: Any,
    files: Mapping[str, Path],
    *,
    overwrite: bool = False,
    on_update: Callable[[Update], None] | None = None,
    **options: Any,
) -> Result:
    """Run a method into files; the same call goes on where an earlier one was stopped.

    Parameters
    ----------
    method, inputs, settings
        What to do.
    files
        From :func:`output_files`: ``.ome.zarr`` or ``.tif``.
    overwrite
        Whether existing files are replaced, at the end.
    on_update
        Called with every update.
    options
        See `napari_diffuscope.methods.work.Work`.

    Raises
    ------
    DiffuscopeError
        As :func:`opened_sinks` and the job.
    """
    with opened_sinks(method, inputs, settings, files, overwrite=overwrite) as sinks:
        return run(method_job(method, inputs, settings, sinks=sinks, files=files, **options), on_update)


def _model_identity(model: str) -> Any:
    from napari_diffuscope.weights.model import model_place

    place = model_place(model)
    if (place / CARD_FILE).is_file():
        return read_card(place).sha256
    status = place.stat()
    return [str(place.resolve()), status.st_size, status.st_mtime_ns]
