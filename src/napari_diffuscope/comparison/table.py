"""Numbers as a table: what each column means stands with it, and a number that is missing says why."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted

IS_REFERENCE = "This is the reference."
"""Why the reference has no errors."""


@dataclass(frozen=True)
class Column:
    """A measure.

    Parameters
    ----------
    name
        How programs call it.
    title
        How people call it, with its unit.
    help
        What it says, best value first.
    basis
        What it was computed from here: data range, fit and grid.
    """

    name: str
    title: str
    help: str
    basis: str = ""


@dataclass(frozen=True)
class Cell:
    """A number, or why there is none, or is one of some planes only."""

    value: float | None = None
    why: str = ""

    @property
    def text(self) -> str:
        """The number with four digits; a dash where there is none."""
        return "–" if self.value is None else number_text(self.value)


@dataclass(frozen=True)
class Table:
    """Images down, measures across.

    Parameters
    ----------
    columns, rows
        The measures, and the names of the images; the reference first.
    cells
        ``cells[row][column]``.
    notes
        What holds for all numbers: the reference, the field, the planes, what was taken for granted.
    """

    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def __getitem__(self, name: str) -> dict[str, float | None]:
        """Numbers of an image, by the name of the measure."""
        if name not in self.rows:
            raise DiffuscopeError(
                f"The table has no row {quoted(name)}; it has {', '.join(map(quoted, self.rows))}."
            )
        row = self.cells[self.rows.index(name)]
        return {column.name: cell.value for column, cell in zip(self.columns, row, strict=True)}

    def cell(self, row: str, column: str) -> Cell:
        """A number, or why there is none."""
        names = [each.name for each in self.columns]
        if column not in names:
            raise DiffuscopeError(f"The table has no column {quoted(column)}; it has {', '.join(names)}.")
        return self.cells[self.rows.index(row)][names.index(column)]

    def to_dict(self) -> dict[str, dict[str, float | None]]:
        """Numbers by image and measure."""
        return {row: self[row] for row in self.rows}

    def to_csv(self) -> str:
        """Comma-separated, with full digits; above it, behind ``#``, what the columns mean and what is missing."""
        buffer = io.StringIO(newline="")
        for line in self._header():
            buffer.write(f"# {line}\n")
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["image", *(column.name for column in self.columns)])
        for name, row in zip(self.rows, self.cells, strict=True):
            writer.writerow([name, *("" if cell.value is None else repr(cell.value) for cell in row)])
        return buffer.getvalue()

    def to_markdown(self) -> str:
        """A table for a notebook or an issue, and below it what it says."""
        lines = ["| " + " | ".join(["image", *(_plain(column.title) for column in self.columns)]) + " |"]
        lines.append("|" + " --- |" + " ---: |" * len(self.columns))
        for name, row in zip(self.rows, self.cells, strict=True):
            lines.append("| " + " | ".join([_plain(name), *(cell.text for cell in row)]) + " |")
        return "\n".join([*lines, "", *(f"- {_plain(line)}" for line in self._header())]) + "\n"

    def _header(self) -> Iterator[str]:
        yield from self.notes
        for column in self.columns:
            basis = f" Here: {column.basis}." if column.basis else ""
            yield f"{column.name}: {column.title}. {column.help}{basis}"
        yield from self.reasons()

    def reasons(self) -> Iterator[str]:
        """Why numbers are missing, or are of some planes only."""
        for name, row in zip(self.rows, self.cells, strict=True):
            for column, cell in zip(self.columns, row, strict=True):
                if cell.why and cell.why != IS_REFERENCE:
                    yield f"{name}, {column.name}: {cell.why}"

    def __str__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        head = "".join(f'<th title="{html.escape(c.help)}">{html.escape(c.title)}</th>' for c in self.columns)
        body = "".join(
            f"<tr><th>{html.escape(name)}</th>"
            + "".join(f'<td title="{html.escape(cell.why)}">{cell.text}</td>' for cell in row)
            + "</tr>"
            for name, row in zip(self.rows, self.cells, strict=True)
        )
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"


def number_text(value: float) -> str:
    """A number with four digits, as people write it."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.4g}"


def _plain(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
