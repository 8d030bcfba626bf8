"""The command line that gives the same numbers as a restoration in the window. Free of torch."""

from __future__ import annotations

import shlex
from dataclasses import fields

from napari_diffuscope.methods.settings import RestoreSettings


def restore_command(source: str, output: str, settings: RestoreSettings, *, axes: str | None = None) -> str:
    """A shell command with every setting that is not the default.

    Parameters
    ----------
    source, output
        Input and output file.
    settings
        What was chosen.
    axes
        Axes of the input, where they were chosen by hand.
    """
    words = ["diffuscope", "restore", source, output]
    if axes is not None:
        words += ["--axes", axes]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value != field.default:
            words += [f"--{field.name}", _text(field.name, value)]
    return shlex.join(words)


def _text(name: str, value: object) -> str:
    if name == "planes" and isinstance(value, tuple):
        return ",".join(map(str, value))
    if name == "crop" and isinstance(value, tuple):
        y0, y1, x0, x1 = value
        return f"{y0}:{y1},{x0}:{x1}"
    return str(value)
