"""What came of each image of a batch, as a table that is there while it goes on. Free of torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_diffuscope.atomic import replace_table
from napari_diffuscope.errors import printable
from napari_diffuscope.imaging.failures import writing

State = Literal["done", "there already", "failed"]
TABLE = "batch.csv"
COLUMNS = ("number", "image", "result", "state", "seconds", "message")


@dataclass(frozen=True)
class Row:
    """What came of one image.

    Parameters
    ----------
    number
        In the order of the batch, from 1.
    image, result
        Files.
    state
        ``done``, ``there already`` (nothing was computed) or ``failed``.
    seconds
        How long it took.
    message
        Why it failed, or what is to be known of the result.
    """

    number: int
    image: Path
    result: Path
    state: State
    seconds: float = 0.0
    message: str = ""


def write_table(folder: Path, rows: Sequence[Row]) -> None:
    """Write ``batch.csv`` into a folder, all or nothing; one of an earlier run of the batch is replaced.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([row.number, row.image, row.result, row.state, f"{row.seconds:.1f}", row.message])
    path = folder / TABLE
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)  # somebody may have taken it away
        replace_table(path, printable(text.getvalue()), overwrite=True)


@dataclass(frozen=True)
class Report:
    """What came of a batch.

    Parameters
    ----------
    rows
        One for each image.
    folder
        Of the results.
    missing
        Why ``batch.csv`` is not whole; empty if it is.
    """

    rows: tuple[Row, ...]
    folder: Path
    missing: str = ""

    def of(self, state: State) -> tuple[Row, ...]:
        """Rows of one state."""
        return tuple(row for row in self.rows if row.state == state)

    def in_words(self) -> str:
        """One sentence: how many were done, were there already, and failed."""
        counts = [(len(self.of(state)), state) for state in ("done", "there already", "failed")]
        parts = ", ".join(f"{count} {state}" for count, state in counts if count)
        if made_otherwise := sum(bool(row.message) for row in self.of("there already")):
            parts += f", {made_otherwise} of what was there made otherwise than asked for now"
        images = "1 image" if len(self.rows) == 1 else f"{len(self.rows)} images"
        return f"{images}: {parts}; {self.missing or f'{self.folder / TABLE} says what came of each.'}"
