"""Restoration, declared. Free of torch."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.methods.method import Input, Method
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.running import Result, run_method

RESTORE = Method(
    "restore",
    "Restore",
    "Remove the noise from an image; axes and pixel sizes are kept.",
    RestoreSettings,
    "napari_diffuscope.methods.restore.outputs:describe_outputs",
    "napari_diffuscope.methods.restore.job:restore_job",
    inputs=(
        Input(
            help="The image to restore.",
            axes_use="Each YX plane is restored on its own, each channel with its own intensity range.",
        ),
    ),
    doing="Restoring",
    result="restoration",
    former=("restoration",),
    beside=("deviation",),
    pieces="planes",
    effort="napari_diffuscope.methods.restore.effort:restore_effort",
    trial="napari_diffuscope.methods.restore.effort:restore_trial",
    empty_parts="napari_diffuscope.methods.restore.empty_parts:empty_job",
)


def restore(image: Any, **choices: Any) -> Result:
    """Restore an image in one call, with the same defaults and results as the window and the command line.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file.
    choices
        ``axes`` of an array, such as ``"ZYX"``; ``series`` or ``scene`` of a file that holds several images;
        ``settings``, a :class:`~napari_diffuscope.methods.restore.settings.RestoreSettings`, and fields of it to
        replace; ``on_update``, called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Result
        ``.restored`` and ``.deviation`` are float32 arrays in the units of the input, ``None`` where the mode gives
        none; ``.record`` says what made them.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, a part that the image does not have, or too little memory.

    References
    ----------
    Osuna-Vargas et al., WACV 2025 (arXiv 2409.12078).

    Examples
    --------
    >>> result = restore(stack, mode="mean", samples=8)  # doctest: +SKIP
    >>> result.restored, result.deviation  # doctest: +SKIP
    """
    return run_method(RESTORE, image, **choices)
