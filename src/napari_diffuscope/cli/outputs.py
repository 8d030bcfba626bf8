"""Files that a restoration writes: all complete, or none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from napari_diffuscope.cli.progress import show_progress
from napari_diffuscope.cli.signals import exit_code
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.outputs import check_outputs, write_json
from napari_diffuscope.imaging.tiff import TiffSink
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.restore.outputs import OutputSpec, describe_outputs
from napari_diffuscope.methods.restore.settings import Mode, RestoreSettings

STDOUT = Path("-")


@dataclass(frozen=True)
class Destination:
    """Where results go.

    Parameters
    ----------
    output
        TIFF file of the result.
    deviation
        TIFF file of the deviation that comes with a mean; beside ``output`` by default.
    record
        JSON file of the record, ``-`` for stdout.
    overwrite
        Whether files that exist may be replaced.
    """

    output: Path
    deviation: Path | None = None
    record: Path | None = None
    overwrite: bool = False

    def files(self, mode: Mode) -> dict[str, Path]:
        """File of each output of a mode, by the output's name."""
        if mode == "mean":
            return {"restored": self.output, "deviation": self.deviation or self._beside("_deviation")}
        return {"deviation" if mode == "deviation" else "restored": self.output}

    def check(self, inputs: Iterable[Path], mode: Mode) -> None:
        """Refuse what could destroy a file, before anything is computed.

        Raises
        ------
        DiffuscopeError
            As :func:`~napari_diffuscope.imaging.outputs.check_outputs`.
        """
        files = [*self.files(mode).values(), *record_files(self.record)]
        check_outputs(files, inputs, overwrite=self.overwrite)

    def _beside(self, suffix: str) -> Path:
        name = self.output.name
        ending = next((e for e in (".ome.tif", ".ome.tiff") if name.lower().endswith(e)), self.output.suffix)
        return self.output.with_name(
            f"{name[: len(name) - len(ending)]}{suffix}{name[len(name) - len(ending) :]}"
        )


def restore_to_files(
    image: Image, settings: RestoreSettings, destination: Destination, *, quiet: bool
) -> None:
    """Restore an image under a progress bar and write what comes out.

    Raises
    ------
    DiffuscopeError
        As the job; no file is left behind then.
    typer.Exit
        With 130 after Ctrl-C; no file is left behind.
    """
    specs, files = describe_outputs(image, settings), destination.files(settings.mode)
    places = {spec: files[spec.name] for spec in specs}
    with _stopping_cleanly():
        record = _write(image, settings, places, overwrite=destination.overwrite, quiet=quiet)
    give_record(record, destination.record, overwrite=destination.overwrite)
    if not quiet:
        typer.echo(f"Wrote {' and '.join(map(str, files.values()))}", err=True)


def _write(
    image: Image,
    settings: RestoreSettings,
    files: Mapping[OutputSpec, Path],
    *,
    overwrite: bool,
    quiet: bool,
) -> dict[str, Any]:
    with ExitStack() as stack:
        sinks = {
            spec.name: stack.enter_context(_sink(image, spec, path, overwrite=overwrite))
            for spec, path in files.items()
        }
        on_update = stack.enter_context(show_progress(f"Restoring {image.name}", quiet=quiet))
        from napari_diffuscope.methods.restore.job import restoration_job

        record = run(restoration_job(image, settings, sinks=sinks), on_update).record
        for name, sink in sinks.items():
            sink.record = {**record, "output": name}
    return record


def _sink(image: Image, spec: OutputSpec, path: Path, *, overwrite: bool) -> TiffSink:
    extra = len(spec.axes) - len(image.axes)
    return TiffSink(
        path,
        shape=spec.shape,
        axes=spec.axes,
        scale=(1.0,) * extra + image.scale,
        units=("pixel",) * extra + image.units,
        overwrite=overwrite,
    )


@contextmanager
def _stopping_cleanly() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo("diffuscope: stopped; no file was written.", err=True)
        raise typer.Exit(exit_code(stop)) from None


def record_files(path: Path | None) -> list[Path]:
    """The file that ``--json`` names, if it is one."""
    return [] if path in (None, STDOUT) else [path]


def give_record(record: dict[str, Any], path: Path | None, *, overwrite: bool) -> None:
    """Print a record (``-``), write it into a file, or neither (``None``).

    Raises
    ------
    DiffuscopeError
        If the file exists and is not to be replaced, or cannot be written.
    """
    if path == STDOUT:
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False))
    elif path is not None:
        write_json(path, record, overwrite=overwrite)
