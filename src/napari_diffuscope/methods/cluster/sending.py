"""What a worker is told of a run: inputs, settings, where blocks go, and what must be equal there."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import napari_diffuscope
from napari_diffuscope.errors import DiffuscopeError, OutOfMemory, OutOfRoom
from napari_diffuscope.imaging.blocks import Block, VolumeSpec
from napari_diffuscope.imaging.blocks.sink import BlockFacts, ShardWriter, converted
from napari_diffuscope.imaging.files import open_image, open_labels
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.memory import is_out_of_memory
from napari_diffuscope.imaging.views import base_array
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.running import method_job
from napari_diffuscope.methods.storing import model_identity
from napari_diffuscope.methods.work import Crew, Work

SOURCES = ("errors.py", "jobs.py", "imaging", "diffusion", "networks", "weights", "methods")
"""What of the package decides numbers."""

EQUAL = ("torch", "numpy", "scipy", "zarr")
"""Packages of which all processes need the same version."""


@dataclass(frozen=True)
class Facts:
    """What must be equal in all processes, so that their pieces are of one kind.

    Parameters
    ----------
    versions
        Of packages, by name; of this one with a checksum of its sources.
    model
        What tells the model from others.
    """

    versions: Mapping[str, str]
    model: Any = None

    @classmethod
    def here(cls, settings: Any) -> Facts:
        """Those of this process.

        Raises
        ------
        DiffuscopeError
            If the model is not there.
        """
        own = f"{napari_diffuscope.__version__} ({sources_checksum()[:8]})"
        versions = {"napari-diffuscope": own, **{name: version(name) for name in EQUAL}}
        model = getattr(settings, "model", None)
        return cls(versions, None if model is None else model_identity(model))

    def check(self, settings: Any) -> None:
        """Refuse to work in a process of other facts.

        Raises
        ------
        DiffuscopeError
            Naming what differs.
        """
        there = Facts.here(settings)
        for name, wanted in self.versions.items():
            if there.versions[name] != wanted:
                raise DiffuscopeError(
                    f"it has {name} {there.versions[name]}, but the command {wanted}; install the same everywhere."
                )
        if there.model != self.model:
            raise DiffuscopeError(
                f"its model {settings.model} has other weights than that of the command; copy the model there."
            )


@lru_cache(maxsize=1)
def sources_checksum() -> str:
    """SHA-256 of the sources that decide numbers."""
    root = Path(napari_diffuscope.__file__).parent
    places = [root / name for name in SOURCES]
    files = [file for place in places for file in (sorted(place.rglob("*.py")) or [place])]
    digest = sha256()
    for file in files:
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class SentImage:
    """An image on its way: with its pixels, or with the way to its file.

    Parameters
    ----------
    image
        Without data where it is opened again.
    file
        To be opened again; empty where the pixels are sent.
    labels
        Whether they are labels.
    rgb
        How colours are taken.
    shape
        What the file must have: lengths of the axes. What it must be is the stamp of the image.
    """

    image: Image
    file: str = ""
    labels: bool = False
    rgb: Any = "luminance"
    shape: tuple[int, ...] = ()

    @classmethod
    def of(cls, image: Image, *, labels: bool, rgb: Any) -> SentImage:
        """An image made ready to be sent."""
        lazy = type(base_array(image.data)).__module__.startswith("napari_diffuscope.")
        if image.source is None or not lazy:
            return cls(image)
        path = Path(image.source).resolve()
        blank = replace(image, data=np.empty((1,) * len(image.shape), image.dtype), channels=())
        return cls(blank, str(path), labels, rgb, image.shape)

    def opened(self) -> Image:
        """The image, in another process.

        Raises
        ------
        DiffuscopeError
            If its file is not there, or another one is.
        """
        if not self.file:
            return self.image
        path = Path(self.file)
        if not path.exists():
            raise DiffuscopeError(f"{self.file} is not there; put it on a disk that all workers share.")
        for axes in dict.fromkeys((self.image.typed_axes or None, None, self.image.axes)):
            found = self._read(path, axes)
            if found is not None and (found.axes, found.shape) == (self.image.axes, self.shape):
                break
        else:
            found = None
        if found is None or (self.image.stamp is not None and found.stamp != self.image.stamp):
            raise DiffuscopeError(f"{self.file} is another file there than where the command runs.")
        return replace(self.image, data=found.data, stamp=found.stamp)

    def _read(self, path: Path, axes: str | None) -> Image | None:
        try:
            if self.labels:
                return open_labels(path, series=self.image.series)
            return open_image(path, axes=axes, rgb=self.rgb, series=self.image.series)
        except DiffuscopeError:
            return None


SentBlock = tuple[int, "np.ndarray | None", BlockFacts]
"""Number of a block, its pixels where they are not in the file already, and what was found in it."""


@dataclass
class MemberSink:
    """Where a worker puts its blocks: into the file itself, or into its answer; see `Sink`.

    Parameters
    ----------
    spec, block
        As of the sink of the run.
    shards
        Writes into the file; ``None`` to send the pixels back.
    """

    spec: VolumeSpec
    block: tuple[int, ...]
    shards: ShardWriter | None
    record: Any = None
    finishing_steps: int = 0
    answer: list[SentBlock] = field(default_factory=list)

    def done(self, block: Block) -> bool:
        """Never: what is asked for is wanted."""
        return False

    def write_block(self, block: Block, values: np.ndarray, facts: BlockFacts = None) -> None:
        """Take the pixels of a block."""
        if self.shards is None:
            self.answer.append((block.index, converted(values, np.dtype(self.spec.dtype)), facts))
        else:
            self.shards.write(block, values)
            self.answer.append((block.index, None, facts))

    def read_block(self, block: Block) -> None:
        """Nothing is kept."""

    def facts(self, block: Block) -> None:
        """Nothing is kept."""

    def finishing(self) -> Job[None]:
        """Not the business of a worker."""
        yield from ()

    def taken(self) -> tuple[SentBlock, ...]:
        """Blocks since they were taken last."""
        blocks, self.answer = tuple(self.answer), []
        return blocks


@dataclass(frozen=True, eq=False)
class MethodProgram:
    """The run of a method, as a worker begins it.

    Parameters
    ----------
    method, settings, options
        As of the run.
    inputs
        On their way.
    sinks
        By the name of the output.
    facts
        What must be equal.
    """

    method: Method
    settings: Any
    options: Mapping[str, Any]
    inputs: Mapping[str, SentImage]
    sinks: Mapping[str, MemberSink]
    facts: Facts

    @classmethod
    def of(cls, work: Work) -> MethodProgram:
        """That of a run.

        Raises
        ------
        DiffuscopeError
            If the model is not there.
        """
        settings, options = placed(work.settings, Path.cwd()), dict(work.options)
        if "files" in options:
            options["files"] = {name: Path(path).resolve() for name, path in options["files"].items()}
        options = {key: value for key, value in options.items() if key != "shelf" and not callable(value)}
        sinks = {
            name: MemberSink(sink.spec, sink.block, sink.shards() if hasattr(sink, "shards") else None)
            for name, sink in work.sinks.items()
        }
        kinds, rgb = (
            {each.name: each.kind for each in work.method.inputs},
            getattr(settings, "rgb", "luminance"),
        )
        inputs = {
            name: SentImage.of(image, labels=kinds.get(name) == "labels", rgb=rgb)
            for name, image in work.inputs.items()
        }
        return cls(work.method, settings, {**options, "keep": True}, inputs, sinks, Facts.here(settings))

    def begun(self, crew: Crew, shelf: Any) -> Job[Any]:
        """The job, in the process of a worker.

        Raises
        ------
        DiffuscopeError
            If something needed is not there, or not the same.
        """
        self.facts.check(self.settings)
        inputs = {name: sent.opened() for name, sent in self.inputs.items()}
        return method_job(
            self.method, inputs, self.settings, sinks=self.sinks, crew=crew, shelf=shelf, **self.options
        )


def on_worker(problem: DiffuscopeError) -> DiffuscopeError:
    """What is wrong in another process, with the name of its machine."""
    return DiffuscopeError(f"On the worker {socket.gethostname()}: {problem}")


def ended_here(error: BaseException) -> DiffuscopeError | None:
    """What to say where memory or disk of this machine ended, with its name; ``None`` of all other errors."""
    if isinstance(error, OutOfMemory | OutOfRoom):
        return on_worker(error)
    if isinstance(error, RuntimeError | MemoryError) and is_out_of_memory(error):
        return on_worker(
            OutOfMemory(
                "memory ran out; give it more, or choose smaller tiles or blocks, and run this again."
            )
        )
    return None


def placed(settings: Any, place: Path) -> Any:
    """Settings whose model is named so that it is found from every folder.

    Parameters
    ----------
    settings
        Of a method.
    place
        Folder in which they were made.
    """
    model = getattr(settings, "model", None)
    if model is None or not (place / model).exists():
        return settings
    return replace(settings, model=str(place / model))
