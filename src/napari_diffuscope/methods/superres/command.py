"""The command line that gives the same numbers as a super-resolution in the window. Free of torch."""

from __future__ import annotations

from napari_diffuscope.methods.command import shell_command
from napari_diffuscope.methods.superres.settings import SuperresSettings


def superres_command(
    source: str,
    output: str,
    settings: SuperresSettings,
    *,
    axes: str | None = None,
    series: int | None = None,
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
    return shell_command("superres", source, output, settings, axes=axes, series=series, text=_text)


def _text(_: str, value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
