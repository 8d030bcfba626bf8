"""Where the sample data lie: light, for the viewer and for tests."""

from __future__ import annotations

from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError

SAMPLE_FOLDER = Path(__file__).parent.parent / "sample_data"
"""Folder of the sample data inside the installed package."""

SAMPLE_NAMES = (
    "pair_noisy",
    "pair_clean",
    "stack_noisy",
    "stack_clean",
    "anisotropic_noisy",
    "anisotropic_clean",
    "timelapse_noisy",
    "cells_image",
    "cells_labels",
    "cells_truth",
    "generated",
)
"""Names of the sample images."""


def sample_path(name: str) -> Path:
    """Path of a sample image, an OME-TIFF file.

    Parameters
    ----------
    name
        One of :data:`SAMPLE_NAMES`.

    Raises
    ------
    DiffuscopeError
        Where there is no such sample, or its file is missing.
    """
    if name not in SAMPLE_NAMES:
        raise DiffuscopeError(f"There is no sample {name!r}; choose one of {', '.join(SAMPLE_NAMES)}.")
    path = SAMPLE_FOLDER / f"{name}.ome.tif"
    if not path.is_file():
        raise DiffuscopeError(f"The sample file {path} is missing; install the package again.")
    return path
