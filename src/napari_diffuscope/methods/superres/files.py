"""Outputs of a super-resolution in files, begun or continued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from napari_diffuscope.imaging.blocks import BlockSink, describe_input, in_standard_order, open_sink
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.superres.outputs import DEVIATION, describe_superres
from napari_diffuscope.methods.superres.settings import SuperresMode, SuperresSettings
from napari_diffuscope.methods.superres.states import States, refuse_foreign, states_path
from napari_diffuscope.weights.card import CARD_FILE, read_card

DEFAULT_BLOCK = (128, 256, 256)
"""Least lengths of a block: larger ones waste less on what lies around them, smaller ones need less memory."""

_ENDINGS = (".ome.zarr", ".zarr", ".ome.tif", ".ome.tiff", ".tif", ".tiff")


def output_files(output: Path, mode: SuperresMode, deviation: Path | None = None) -> dict[str, Path]:
    """File of each output of a mode, by the output's name.

    Parameters
    ----------
    output
        Of the result.
    mode
        What is computed.
    deviation
        File of the deviation that comes with a mean; ``OUT_deviation`` with the same ending by default.
    """
    if mode == "deviation":
        return {DEVIATION: output}
    files = {"superresolved": output}
    if mode == "mean":
        ending = next((e for e in _ENDINGS if output.name.lower().endswith(e)), output.suffix)
        stem, suffix = (
            output.name[: len(output.name) - len(ending)],
            output.name[len(output.name) - len(ending) :],
        )
        files[DEVIATION] = deviation or output.with_name(f"{stem}_deviation{suffix}")
    return files


@contextmanager
def opened_outputs(
    image: Image, settings: SuperresSettings, files: Mapping[str, Path], *, overwrite: bool = False
) -> Iterator[tuple[dict[str, BlockSink], States]]:
    """Sinks and states for a super-resolution into files; unfinished ones of equal settings are continued.

    Parameters
    ----------
    image, settings
        Input and what to do with it.
    files
        Of each output, from :func:`output_files`: ``.ome.zarr`` or ``.tif``.
    overwrite
        Whether existing outputs are replaced, at the end.

    Yields
    ------
    tuple
        Arguments ``sinks`` and ``states`` of :func:`~napari_diffuscope.methods.superres.job.superresolution_job`.

    Raises
    ------
    DiffuscopeError
        If an output exists, cannot be written, or the image does not fit the settings.
    """
    specs = describe_superres(image, settings)
    identity = run_identity(image, settings)
    leading = len(next(iter(specs.values())).shape) - 3
    block = (1,) * leading + (settings.block or DEFAULT_BLOCK)
    refuse_foreign(states_path(next(iter(files.values())).resolve()))
    with ExitStack() as stack:
        sinks = {
            name: stack.enter_context(
                open_sink(files[name], spec, {**identity, "output": name}, block=block, overwrite=overwrite)
            )
            for name, spec in specs.items()
        }
        first = next(iter(sinks.values()))
        states = States(states_path(first.path), {**identity, "block": first.block})
        yield sinks, states


def run_identity(image: Image, settings: SuperresSettings) -> dict[str, Any]:
    """What decides the numbers of a run, JSON-able."""
    return {
        "method": "superresolution",
        "settings": settings.deciding(),
        "model": _model_identity(settings.model),
        "input": describe_input(in_standard_order(image)),
    }


def _model_identity(model: str) -> Any:
    from napari_diffuscope.weights.model import model_place

    place = model_place(model)
    if (place / CARD_FILE).is_file():
        return read_card(place).sha256
    status = place.stat()
    return [str(place.resolve()), status.st_size, status.st_mtime_ns]
