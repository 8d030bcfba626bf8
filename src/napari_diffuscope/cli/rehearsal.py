"""``--dry-run``: what a command would write, and how long it would take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.methods.storing import Destination


def rehearse(destination: Destination, *, quiet: bool = False) -> None:
    """Try the first blocks and print what was found out; nothing is written.

    Raises
    ------
    DiffuscopeError
        As the run would.
    """
    from napari_diffuscope.jobs import run
    from napari_diffuscope.methods.rehearsal import rehearsal_job
    from napari_diffuscope.progress import in_words

    job = rehearsal_job(destination.method, destination.inputs, destination.settings, **destination.options())
    with show_progress("Trying", quiet=quiet) as on_update:
        found = run(job, on_update)
    files: Mapping[str, Path] = getattr(destination, "files", {})
    for output in found.outputs:
        typer.echo(_line(output, files.get(output.name, destination.output), found.blocks[output.name]))
    if not found.outputs:
        typer.echo(f"{destination.output}: {destination.what}")
    if found.skipped is not None:
        empty, total = found.skipped.empty, found.skipped.total
        typer.echo(f"Empty: {empty:,} of {total:,} parts ({empty / max(total, 1):.0%}), which are skipped.")
    typer.echo(_room(files, found.outputs, destination.output))
    time = "unknown" if found.seconds is None else f"about {in_words(found.seconds)}"
    tried = f", from {found.tried} of them tried here" if found.tried else ", from its beginning tried here"
    typer.echo(f"Time: {time}{tried}. Nothing was written.")


def _line(output: Any, file: Path, blocks: int) -> str:
    from napari_diffuscope.imaging.failures import in_bytes

    shape = " × ".join(f"{letter} {length}" for letter, length in zip(output.axes, output.shape, strict=True))
    pieces = f"{blocks:,} blocks" if blocks > 1 else "1 block"
    return f"{file}: {output.label}, {shape}, {output.spec.dtype}, {in_bytes(output.spec.nbytes)}, {pieces}"


def _room(files: Mapping[str, Path], outputs: Any, place: Path) -> str:
    from napari_diffuscope.imaging.failures import in_bytes
    from napari_diffuscope.imaging.room import free_at, needed

    free = in_bytes(free_at(place))
    if not outputs:
        return f"Disk: {free} free; how much is needed is known afterwards."
    wanted = sum(needed(files[each.name], each.spec) for each in outputs if each.name in files)
    least = "at least " if any(path.suffix.lower() == ".zarr" for path in files.values()) else ""
    return f"Disk: {least}{in_bytes(wanted)} needed, {free} free."
