"""The command line that gives the same numbers as a super-resolution in the window. Free of torch."""

from __future__ import annotations

import shlex
from dataclasses import fields

from napari_diffuscope.methods.superres.settings import SuperresSettings


def superres_command(source: str, output: str, settings: SuperresSettings, *, axes: str | None = None) -> str:
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
    words = ["diffuscope", "superres", source, output]
    if axes is not None:
        words += ["--axes", axes]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if value == field.default:
            continue
        option = field.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, tuple):
            words += [f"--{option}", ",".join(map(str, value))]
        else:
            words += [f"--{option}", str(value)]
    return shlex.join(words)
