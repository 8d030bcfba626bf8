"""The report of a round, written anew after each line: a round that is cut off leaves what was known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Report:
    """Lines of Markdown, and the time that is left.

    Parameters
    ----------
    out
        Folder of the report.
    seconds
        All the time of the round.
    """

    def __init__(self, out: Path, seconds: float) -> None:
        self.path, self.lines = out / "report.md", ["# Round on a GPU"]
        self.began, self.seconds = time.perf_counter(), seconds

    @property
    def left(self) -> float:
        """Seconds until the end of the round."""
        return self.seconds - (time.perf_counter() - self.began)

    def say(self, *lines: str) -> None:
        """Add lines; print them as well."""
        self.lines += lines
        self.path.write_text("\n".join(self.lines) + "\n")
        print(*lines, sep="\n", flush=True)

    @contextmanager
    def part(self, title: str, *, needs: float = 0.0) -> Iterator[bool]:
        """A part of the round: it is told whether there is time for it, and its failure does not end the round."""
        going = self.left >= needs
        began = time.perf_counter()
        self.say("", f"## {title}", "")
        if not going:
            self.say(f"Left out: it needs {needs:.0f} s, and {self.left:.0f} s are left.")
        try:
            yield going
        except Exception as error:
            self.say(f"**Failed**: {type(error).__name__}: {error}")
        self.say("", f"({time.perf_counter() - began:.1f} s; {self.left:.0f} s are left)")
