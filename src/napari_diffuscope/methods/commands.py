"""The command line that gives the same numbers as a run in the window. Free of torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from napari_diffuscope.methods.declared import given_settings
from napari_diffuscope.methods.method import Method


def command_line(
    method: Method,
    sources: list[str],
    output: str,
    settings: Any,
    *,
    axes: str | None = None,
    series: int | None = None,
    further: Mapping[str, int | None] | None = None,
    optional: Mapping[str, str] | None = None,
    storing: Any = None,
    more: Sequence[str] = (),
    batch: Any = None,
) -> str:
    """A shell command with every setting that is not the default.

    Parameters
    ----------
    method
        Which.
    sources
        A file for each input.
    output
        File to write.
    settings
        What was chosen.
    axes
        Axes of the first input, where they were chosen by hand.
    series
        Which image of the first input, where that holds several and it is not the one taken by default.
    further
        The same of further inputs, by their names.
    optional
        Files of inputs that may be left out, by their names.
    storing
        What was chosen of how results are written.
    more
        Further images of a batch.
    batch
        How its results are called.
    """
    words = ["diffuscope", method.name, *sources[:1], *more, output]
    needed = [each for each in method.others if not each.optional]
    for each, source in zip(needed, sources[1:], strict=True):
        words += [f"--{each.name}", source]
    for name, source in (optional or {}).items():
        words += [f"--{name}", source]
    if axes is not None:
        words += ["--axes", axes]
    if series is not None:
        words += ["--series", str(series)]
    for name, number in (further or {}).items():
        words += [] if number is None else [f"--{name}-series", str(number)]
    chosen = [
        each for part in (settings, storing, batch) if part is not None for each in given_settings(part)
    ]
    for setting, value in chosen:
        if isinstance(value, bool):
            words.append(f"--{setting.option}" if value else f"--no-{setting.option}")
        else:
            words += [f"--{setting.option}", setting.written(value)]
    return shlex.join(words)
