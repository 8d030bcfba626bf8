"""Outputs of a method in files, begun or gone on with; the same for all methods. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.blocks import (
    BlockSink,
    ReorderedSink,
    describe_input,
    open_sink,
)
from napari_diffuscope.imaging.outputs import check_outputs
from napari_diffuscope.imaging.room import check_disk
from napari_diffuscope.jobs import Job, Update, run
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
        "model": model_identity(deciding["model"]) if "model" in deciding else None,
        "inputs": {name: describe_input(image) for name, image in inputs.items()},
    }


@contextmanager
def opened_sinks(
    method: Method, inputs: Inputs, settings: Any, files: Mapping[str, Path], *, overwrite: bool = False
) -> Iterator[dict[str, BlockSink | ReorderedSink]]:
    """Sinks that write files; unfinished ones of an equal run are gone on with.

    Raises
    ------
    DiffuscopeError
        If an output exists and may not be replaced, cannot be written, or another run writes it.
    """
    identity = run_identity(method, inputs, settings)
    with ExitStack() as stack:
        sinks: dict[str, BlockSink | ReorderedSink] = {}
        for each in method.outputs(inputs, settings):
            sink = open_sink(
                files[each.name],
                each.spec,
                {**identity, "output": each.name},
                block=block_of(method, each, settings),
                planes=method.block == "planes",
                overwrite=overwrite,
            )
            sinks[each.name] = sink
            stack.enter_context(sink)
        yield sinks


def files_job(
    method: Method,
    inputs: Inputs,
    settings: Any,
    files: Mapping[str, Path],
    *,
    overwrite: bool = False,
    **options: Any,
) -> Job[Result]:
    """The job of a method whose outputs go into files; the same call goes on where an earlier one was stopped.

    Parameters
    ----------
    method, inputs, settings
        What to do.
    files
        From :func:`output_files`: ``.ome.zarr`` or ``.tif``.
    overwrite
        Whether existing files are replaced, at the end.
    options
        See `napari_diffuscope.methods.work.Work`.

    Raises
    ------
    DiffuscopeError
        As :func:`opened_sinks` and the job.
    """
    with opened_sinks(method, inputs, settings, files, overwrite=overwrite) as sinks:
        return (yield from method_job(method, inputs, settings, sinks=sinks, files=files, **options))


@dataclass(frozen=True)
class Stored:
    """What a run into files gave.

    Parameters
    ----------
    record
        Of the run.
    said
        A sentence on what was written.
    missing
        A sentence on what was to lie beside a result that is whole, and could not be written; empty where nothing.
    """

    record: dict[str, Any]
    said: str
    missing: str = ""


class Destination:
    """Where a run in files goes.

    Parameters
    ----------
    method, inputs, settings
        What will be done.
    output
        File or folder that was named.
    storing
        What was chosen of ``method.storing``.
    beside
        Files chosen for further outputs.
    overwrite
        Whether what exists may be replaced, at the end.
    """

    shown, what = "OUT", "OUT.tif or OUT.ome.zarr, to write or to go on with."
    """What help calls the output, and says of it."""

    stopped = "stopped; the same command goes on from here."
    """What to say when the user stopped it."""

    is_folder = False
    """Whether the result of one run is a folder, in which single files are."""

    def __init__(
        self,
        method: Method,
        inputs: Inputs,
        settings: Any,
        output: Path,
        *,
        storing: Any = None,
        beside: Mapping[str, Path] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.method, self.inputs, self.settings = method, inputs, settings
        self.output, self.storing, self.beside, self.overwrite = output, storing, beside, overwrite
        self.repeated: Mapping[str, Any] | None = None  # record of the run that is made again

    @classmethod
    def storing_of(cls, method: Method, record: Mapping[str, Any]) -> Any:
        """What to choose of ``method.storing`` to make a result again."""
        return method.storing() if method.storing is not None else None

    def check(self, read: Iterable[Path], others: Iterable[Path] = ()) -> None:
        """Refuse what would destroy something, before anything is computed.

        Parameters
        ----------
        read
            Files and folders that are read.
        others
            Further files that will be written.

        Raises
        ------
        DiffuscopeError
            If so.
        """
        raise NotImplementedError

    def options(self) -> dict[str, Any]:
        """What the job of the method is given beside inputs and settings."""
        return {}

    def job(self, **options: Any) -> Job[Stored]:
        """Runs the method, and writes what it gives.

        Parameters
        ----------
        options
            See `napari_diffuscope.methods.work.Work`.

        Raises
        ------
        DiffuscopeError
            As the method's own job; and if something cannot be written.
        """
        raise NotImplementedError

    def write(self, on_update: Callable[[Update], None] | None = None, **options: Any) -> Stored:
        """Run the job."""
        return run(self.job(**options), on_update)


def whole_alone(output: Path, error: DiffuscopeError) -> str:
    """What is said where a result is whole, and a file beside it could not be written."""
    return f"{quoted(output.name)} is whole, but not what lies beside it: {error}"


class FileDestination(Destination):
    """A file for each output; an unfinished one of an equal run is gone on with."""

    def __init__(self, *what: Any, **how: Any) -> None:
        super().__init__(*what, **how)
        self.files = output_files(self.method, self.inputs, self.settings, self.output, self.beside)

    def check(self, read: Iterable[Path], others: Iterable[Path] = ()) -> None:
        """Refuse what would destroy something, before anything is computed."""
        check_outputs(others, read, wholes=self.files.values(), overwrite=self.overwrite)
        specs = {each.name: each.spec for each in self.method.outputs(self.inputs, self.settings)}
        check_disk({path: specs[name] for name, path in self.files.items()})

    def job(self, **options: Any) -> Job[Stored]:
        """Runs the method into the files; the same call goes on where an earlier one was stopped."""
        if self.repeated is not None:
            options["repeated"] = self.repeated
        result = yield from files_job(
            self.method, self.inputs, self.settings, self.files, overwrite=self.overwrite, **options
        )
        written = f"Wrote {' and '.join(map(str, self.files.values()))}"
        try:
            return Stored(result.record, written + self.complete(result))
        except DiffuscopeError as error:  # the files are whole: the run is no failure
            return Stored(result.record, written, whole_alone(self.output, error))

    def complete(self, result: Result) -> str:
        """Write what lies beside the files, if anything; returns what to say of it.

        Raises
        ------
        DiffuscopeError
            If it cannot be written.
        """
        return ""


def model_identity(model: str) -> Any:
    """What tells a model from others, JSON-able: the checksum of its weights, or place, size and time of a checkpoint.

    Raises
    ------
    DiffuscopeError
        If there is no such model.
    """
    from napari_diffuscope.weights.model import model_place

    place = model_place(model)
    if (place / CARD_FILE).is_file():
        return read_card(place).sha256
    status = place.stat()
    return [str(place.resolve()), status.st_size, status.st_mtime_ns]
