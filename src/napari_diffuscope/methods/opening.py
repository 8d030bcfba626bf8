"""The inputs of a method, from files, arrays and images. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import image_of, labels_of
from napari_diffuscope.imaging.image import RGB
from napari_diffuscope.methods.method import Inputs, Method


def opened_inputs(
    method: Method,
    sources: Mapping[str, Any],
    settings: Any,
    *,
    axes: str | None = None,
    series: Mapping[str, int | str | None] | None = None,
) -> Inputs:
    """Those inputs of a method that there are sources for.

    Parameters
    ----------
    method, settings
        What is to be done; the settings say how colours are taken.
    sources
        By the name of the input: an :class:`~napari_diffuscope.imaging.image.Image`, an array (numpy, dask, zarr), or
        the path of a file; ``None`` is none.
    axes
        Of the image that the outputs belong to, where it is silent or wrong.
    series
        Which image of a file, a number or a name, by the name of the input.

    Raises
    ------
    DiffuscopeError
        If one cannot be read, or its axes make no sense.
    """
    numbers, colours = series or {}, _colours(settings)
    inputs = {}
    for each in method.inputs:
        source, number = sources.get(each.name), numbers.get(each.name)
        if source is None:
            continue
        if each.kind == "labels":
            inputs[each.name] = labels_of(source, series=number)
        else:
            letters = axes if each is method.image else None
            inputs[each.name] = image_of(source, letters, rgb=colours, series=number)
    return inputs


def check_complete(method: Method, inputs: Inputs) -> None:
    """Refuse to begin without an input that the method needs.

    Raises
    ------
    DiffuscopeError
        Naming it.
    """
    for each in method.inputs:
        if each.name not in inputs and not each.optional:
            raise DiffuscopeError(f"{method.title} needs the input {each.name!r}, which is missing.")


def _colours(settings: Any) -> RGB:
    colours: RGB = getattr(settings, "rgb", "luminance")
    return colours
