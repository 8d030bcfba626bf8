"""What a job of a method is given: inputs, settings, where blocks go, how far it is, the record. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from napari_diffuscope.imaging.blocks import Block, BlockPlan
from napari_diffuscope.imaging.blocks.array_sink import Sink, blank_array
from napari_diffuscope.imaging.blocks.sink import BlockFacts
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.unchanged import check_unchanged
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.methods.method import Inputs, Method, Output

Piece = TypeVar("Piece")
Found = TypeVar("Found")

ONE_OF_MANY = "one_of_many"
"""Option of a run on an image of a batch: what that image alone lacks for a setting is said, and the setting left."""


class Crew(Protocol):
    """Who makes pieces of a run that do not depend on each other; without one they are made here, in their order."""

    def device(self, wish: str) -> str:
        """The device that this process takes for one that was wished for."""
        ...

    @property
    def shares_states(self) -> bool:
        """Whether this process only reads and writes states that another one keeps."""
        ...

    def tell(self, options: Mapping[str, Any]) -> None:
        """Give further options to all who make pieces, before the first piece is asked for."""
        ...

    def each(
        self,
        work: Any,
        stage: str,
        pieces: Iterable[Piece],
        make: Callable[[Piece], Job[Found]],
        note: Callable[[Piece, Found], Job[None]],
    ) -> Job[None]:
        """As :meth:`Work.each`."""
        ...


@dataclass
class Work:
    """One run of a method.

    Parameters
    ----------
    method, inputs, settings
        What is done.
    outputs
        What it gives, by name.
    sinks
        Where the blocks of each output go; all cut alike.
    record
        What the result will carry; the job adds what it knows.
    options
        How it is done, without deciding any number: the order of planes, the files that are written, the shelf that
        keeps a model for the next run, the record of a run that is made again, what the process of the run has told.
    done, total
        In the job's own unit.
    afterwards
        Called when the outputs are complete: what only an unfinished run needs is deleted.
    crew
        Who makes the pieces, ``None`` for this process alone.
    """

    method: Method
    inputs: Inputs
    settings: Any
    outputs: Mapping[str, Output]
    sinks: Mapping[str, Sink]
    record: dict[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    afterwards: list[Callable[[], None]] = field(default_factory=list)
    crew: Crew | None = None

    @property
    def image(self) -> Image:
        """The first input."""
        return self.inputs["image"]

    @property
    def plan(self) -> BlockPlan:
        """Blocks of the outputs."""
        sink = next(iter(self.sinks.values()))
        return BlockPlan(sink.spec.shape, sink.block)

    def written(self, block: Block) -> bool:
        """Whether all outputs have a block."""
        return all(sink.done(block) for sink in self.sinks.values())

    def facts(self, block: Block) -> BlockFacts:
        """What was found in a block that all outputs have from an earlier run, as it was given to :meth:`write`."""
        told = (
            sink.facts(block) for sink in self.sinks.values()
        )  # an output that has its name tells nothing more
        return next((facts for facts in told if facts is not None), None)

    def check_inputs(self) -> None:
        """Refuse to go on where the file of an input was exchanged; before anything counts as made from it.

        Raises
        ------
        DiffuscopeError
            Naming the file.
        """
        for image in self.inputs.values():
            check_unchanged(image)

    def blocks(self) -> Iterator[Block]:
        """Blocks that are not written yet, each counted as one step when the next is asked for."""
        plan = self.plan
        self.total = self.total or len(plan)
        for block in plan:
            if not self.written(block):
                yield block
            self.done += 1

    def each(
        self,
        stage: str,
        pieces: Iterable[Piece],
        make: Callable[[Piece], Job[Found]],
        note: Callable[[Piece, Found], Job[None]],
    ) -> Job[None]:
        """Make pieces that do not depend on each other: one after the other, or at the same time by a crew.

        Parameters
        ----------
        stage
            What tells these pieces from those of other calls within the run.
        pieces
            What is missing, as small values that tell a piece in every process: numbers, labels, blocks.
        make
            Makes a piece, in whichever process: all that it gives are pixels that it writes, warnings, and its result.
        note
            Takes the result of a piece into the run, in the process of the run and as soon as the piece is made.
        """

        def checked(piece: Piece, found: Found) -> Job[None]:
            self.check_inputs()
            yield from note(piece, found)

        if self.crew is not None:
            yield from self.crew.each(self, stage, pieces, make, checked)
            return
        for piece in pieces:
            yield from checked(piece, (yield from make(piece)))

    def read(self, block: Block) -> np.ndarray:
        """Pixels of the image where a block of an output of its shape lies, float32."""
        return np.asarray(self.image.data[block.region], dtype=np.float32)

    def write(self, block: Block, values: Mapping[str, np.ndarray], facts: BlockFacts = None) -> Job[None]:
        """Write a block of every output that lacks it, with what was found in it, and show it."""
        for name in self.sinks:
            yield self.put(name, block, values[name], facts)

    def put(self, name: str, block: Block, pixels: np.ndarray, facts: BlockFacts = None) -> Update:
        """Write a block of one output if it lacks it, with what was found in it; returns what shows it."""
        self.check_inputs()
        if not self.sinks[name].done(block):
            self.sinks[name].write_block(block, pixels, facts)
        return self.update(output=name, region=block.region, preview=pixels, final=True)

    def leave_blank(self, block: Block) -> None:
        """Write nothing but blanks into a block of every output that lacks it, without showing it."""
        self.check_inputs()
        for sink in self.sinks.values():
            if not sink.done(block):
                sink.write_block(block, blank_array(block.shape, sink.spec.dtype))

    def show(self, name: str, region: Any, preview: np.ndarray) -> Update:
        """An update with the current estimate of a part of an output."""
        return self.update(output=name, region=region, preview=preview)

    def update(self, **what: Any) -> Update:
        """An update that says how far the work is."""
        return Update(min(self.done, self.total), self.total, **what)

    def warn(self, message: str, **what: Any) -> Update:
        """Something that the user must be told; kept in the record."""
        if message not in self.record["messages"]:
            self.record["messages"].append(message)
        return self.update(message=message, warning=True, **what)
