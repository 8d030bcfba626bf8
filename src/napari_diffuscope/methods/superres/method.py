"""Volumetric super-resolution, declared. Free of torch."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.methods.method import Input, Method
from napari_diffuscope.methods.running import Result, run_method
from napari_diffuscope.methods.superres.settings import SuperresSettings

SUPERRES = Method(
    "superres",
    "Super-resolve volume",
    "Fill in the planes between measured ones; the same command goes on after an interruption.",
    SuperresSettings,
    "napari_diffuscope.methods.superres.outputs:describe_outputs",
    "napari_diffuscope.methods.superres.job:superres_job",
    inputs=(
        Input(
            help="The stack to fill in.",
            axes_use="Planes are filled in along Z; channels and times are worked one by one.",
        ),
    ),
    doing="Filling in",
    result="super-resolution",
    former=("superresolution",),
    beside=("deviation",),
    block="blocks",
    pieces="blocks",
    effort="napari_diffuscope.methods.superres.effort:superres_effort",
    trial="napari_diffuscope.methods.superres.effort:superres_trial",
    empty_parts="napari_diffuscope.methods.superres.empty_parts:empty_job",
)


def superresolve(image: Any, **choices: Any) -> Result:
    """Make an anisotropic stack isotropic in one call, in memory.

    Parameters
    ----------
    image
        An :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or the path of a file; with
        a z axis.
    choices
        ``axes`` of an array, such as ``"ZYX"``; ``series`` or ``scene`` of a file that holds several images;
        ``settings``, a :class:`~napari_diffuscope.methods.superres.settings.SuperresSettings`, and fields of it to
        replace; ``on_update``, called with every :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Result
        ``.superresolved`` and ``.deviation`` are arrays in the units of the input, ``None`` where the mode gives
        none; ``.record`` says what made them.

    Raises
    ------
    DiffuscopeError
        For an unknown model or device, an image without scale or with a single plane, or too little memory.

    References
    ----------
    Jiang et al., CVPRW 2024 (arXiv 2404.09425).

    Examples
    --------
    >>> result = superresolve(stack, z_step=0.5, pixel_size=0.1)  # doctest: +SKIP
    """
    return run_method(SUPERRES, image, **choices)
