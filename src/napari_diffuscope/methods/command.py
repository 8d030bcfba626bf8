"""The command line that gives the same numbers as a restoration in the window. Free of torch."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from napari_diffuscope.methods.restore.settings import RestoreSettings


def restore_command(
    source: str, output: str, settings: RestoreSettings, *, axes: str | None = None, series: int | None = None
) -> str:
    """A shell command with every setting that is not the default.

    Parameters
    ----------
    source, output
        Input and output file.
    settings
        What was chosen.
    axes
        Axes of the input, where they were chosen by hand.
    series
        Which image of the input, where that holds several and it is not the one taken by default.
    """
    return shell_command("restore", source, output, settings, axes=axes, series=series, text=_text)


def shell_command(
    verb: str,
    source: str,
    output: str,
    settings: Any,
    *,
    axes: str | None,
    series: int | None = None,
    text: Callable[[str, object], str],
) -> str:
    """A shell command of a method, with every field of its settings that is not the default.

    Parameters
    ----------
    verb
        Name of the command.
    source, output, axes, series
        As of :func:`restore_command`.
    settings
        A dataclass whose fields have defaults; options are called as they are, a truth value as ``--yes`` or
        ``--no-yes``.
    text
        How a value of a field is written.
    """
    words = ["diffuscope", verb, source, output]
    if axes is not None:
        words += ["--axes", axes]
    if series is not None:
        words += ["--series", str(series)]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == field.default:
            continue
        option = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", text(field.name, value)]
    return shlex.join(words)


def _text(name: str, value: object) -> str:
    if name == "planes" and isinstance(value, tuple):
        return ",".join(map(str, value))
    if name == "crop" and isinstance(value, tuple):
        y0, y1, x0, x1 = value
        return f"{y0}:{y1},{x0}:{x1}"
    return str(value)
