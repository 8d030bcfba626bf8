"""Images made from noise by a model that has learned what such images look like. Free of torch."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.methods.generate.settings import GenerateSettings, GenerateStoring, describe
from napari_diffuscope.methods.method import IMAGES, Input, Method
from napari_diffuscope.methods.running import Result, run_method

__all__ = ["GENERATE", "GenerateSettings", "generate"]

GENERATE = Method(
    "generate",
    "Generate",
    "Make images that never were: of one kind of structure, of any size, without an image to start from.",
    GenerateSettings,
    describe,
    "napari_diffuscope.methods.generate.job:generate_job",
    inputs=(
        Input(
            "like",
            "An image to start from: what is made is like it, the more the lower the strength, and of its size. Of "
            "colours the luminance counts.",
            optional=True,
        ),
        Input(
            "mask",
            "Labels that are not 0 where that image is to be filled in; the rest of it stays.",
            "labels",
            optional=True,
        ),
    ),
    doing="Generating",
    result="generated image",
    models_for="generating images",
    former=("generation",),
    pieces=IMAGES,
    destination="napari_diffuscope.methods.generate.destination:GenerateDestination",
    storing=GenerateStoring,
)


def generate(
    *,
    like: Any = None,
    mask: Any = None,
    class_: str | None = None,
    **choices: Any,
) -> Result:
    """Make images in memory, with the same defaults and results as the window and the command line.

    Parameters
    ----------
    like
        An image to start from, of a single plane: an array, an :class:`~napari_diffuscope.imaging.image.Image` or a
        file. Its size is that of the result.
    mask
        Where that image is to be filled in (not 0), of the same shape; elsewhere it stays as it is, bit for bit.
    class_
        A class of the model, or a mixture such as ``"microtubules:0.7,mitochondria:0.3"``.
    choices
        Fields of :class:`~napari_diffuscope.methods.generate.settings.GenerateSettings`: ``number``, ``size``,
        ``width``, ``seed``, ``steps`` and others; or ``settings``, all of them, and those to replace. ``like_series``
        and ``mask_series`` of files that hold several images; ``on_update``, called with every
        :class:`~napari_diffuscope.jobs.Update`.

    Returns
    -------
    Result
        ``.generated`` is a float32 array ``(number, height, width)``, or one plane where a single image is made, in
        the units of the training data; ``.specs["generated"]`` says its pixel size, ``.record`` what made it.

    Raises
    ------
    DiffuscopeError
        For settings, a model or an image that do not fit.

    Examples
    --------
    >>> generate(number=16, size=256, class_="microtubules", seed=1).generated  # doctest: +SKIP
    """
    if class_ is not None:
        choices["class_"] = class_
    return run_method(GENERATE, like, mask, **choices)
