"""The command line that gives the same numbers as a run in the window. Free of torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from napari_diffuscope.methods.declared import Settings, given_settings
from napari_diffuscope.methods.method import Method


def command_line(
    method: Method,
    sources: Sequence[str | Sequence[str]],
    output: str,
    settings: Any,
    *,
    axes: str | None = None,
    series: int | str | None = None,
    optional: Mapping[str, str] | None = None,
    further: Sequence[Settings | None] = (),
) -> str:
    """A shell command with every setting that is not the default.

    Parameters
    ----------
    method
        Which.
    sources
        A file for each input that is needed; of the first several, for a batch.
    output
        File or folder to write.
    settings
        What was chosen.
    axes
        Axes of the first input, where they were chosen by hand.
    series
        Which image of the first input, by number or name, where that holds several and it is not the one taken by
        default.
    optional
        Files of inputs that may be left out, by their names.
    further
        What was chosen beside the settings: how results are written, how those of a batch are called.
    """
    first = [[each] if isinstance(each, str) else each for each in sources[:1]]
    words = ["diffuscope", method.name, *chain(*first), output]
    needed = [each for each in method.others if not each.optional]
    for each, source in zip(needed, sources[1:], strict=True):
        words += [f"--{each.name}", str(source)]
    for name, file in (optional or {}).items():
        words += [f"--{name}", file]
    if axes is not None:
        words += ["--axes", axes]
    if series is not None:
        words += ["--scene" if isinstance(series, str) else "--series", str(series)]
    parts = [part for part in (settings, *further) if part is not None]
    for setting, value in chain.from_iterable(map(given_settings, parts)):
        if isinstance(value, bool):
            words.append(f"--{setting.option}" if value else f"--no-{setting.option}")
        else:
            words += [f"--{setting.option}", setting.written(value)]
    return shlex.join(words)
