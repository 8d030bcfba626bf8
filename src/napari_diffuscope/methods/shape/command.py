"""The command line that gives the same numbers as a prediction of shapes in the window. Free of torch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from napari_diffuscope.methods.command import shell_command
from napari_diffuscope.methods.shape.settings import ShapeSettings


def shape_command(
    image: str,
    labels: str,
    out: str,
    settings: ShapeSettings,
    *,
    only: Sequence[int] | None = None,
    axes: str | None = None,
    series: int | None = None,
    labels_series: int | None = None,
) -> str:
    """A shell command with every setting that is not the default.

    Parameters
    ----------
    image, labels
        Files.
    out
        Folder of the results.
    settings
        What was chosen.
    only
        Labels that are worked on, all by default.
    axes
        Axes of the image, where they were chosen by hand.
    series, labels_series
        Which image of the file of the image, or of the labels, where it is not the one taken by default.
    """
    words = shell_command(
        "shape", image, out, settings, axes=axes, series=series, text=lambda _, value: str(value)
    )
    words += f" --labels {shlex.quote(labels)}"
    if labels_series is not None:
        words += f" --labels-series {labels_series}"
    return words if only is None else f"{words} --only {','.join(map(str, only))}"
