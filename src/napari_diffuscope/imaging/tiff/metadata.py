"""Pixel sizes and records in the metadata of the TIFF files that are written here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.tiff.ome import parsed_ome
from napari_diffuscope.imaging.tiff.opening import opened_tiff
from napari_diffuscope.imaging.units import OME_LENGTHS, OME_TIMES, unit_name

RECORD_NAMESPACE = "napari-diffuscope"
"""Namespace of the annotation in OME-XML that holds the record."""


def ome_attributes(axes: str, scale: Sequence[float], units: Sequence[str]) -> dict[str, Any]:
    """Attributes of OME-XML's ``Pixels`` for the sizes that it can hold.

    A size of one pixel is no size and left out. Lengths in a unit that OME does not know are in its
    "reference frame"; times in such a unit have no place in OME-XML and are left out.
    """
    attributes: dict[str, Any] = {}
    for letter, size, unit in zip(axes, scale, map(unit_name, units), strict=True):
        if unit == "pixel" and size == 1:
            continue
        if letter in "ZYX":
            attributes[f"PhysicalSize{letter}"] = size
            attributes[f"PhysicalSize{letter}Unit"] = OME_LENGTHS.get(unit, "reference frame")
        elif letter == "T" and unit in OME_TIMES:
            attributes |= {"TimeIncrement": size, "TimeIncrementUnit": OME_TIMES[unit]}
    return attributes


def with_record(xml: str, record: Mapping[str, Any]) -> str:
    """OME-XML with a record as a comment annotation of its own, JSON in plain ASCII."""
    text = escape(json.dumps(record), quote=False)
    annotation = (
        "<StructuredAnnotations>"
        f'<CommentAnnotation ID="Annotation:record" Namespace="{RECORD_NAMESPACE}"><Value>{text}</Value>'
        "</CommentAnnotation></StructuredAnnotations>"
    )
    return xml.replace("</OME>", f"{annotation}</OME>")


def _annotations(xml: str) -> Iterator[str]:
    for element in parsed_ome(xml).iter():
        if element.get("Namespace") == RECORD_NAMESPACE:
            yield from (value.text or "" for value in element if value.tag.endswith("}Value"))


def read_record(path: str | Path) -> dict[str, Any] | None:
    """The record of how an image was made, or ``None`` if the file holds none.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF, or its record is damaged.
    """
    path = Path(path)
    with opened_tiff(path) as (tif, _):
        xml = tif.ome_metadata if tif.is_ome else None
        text = next(_annotations(xml), None) if xml else None
    if text is None:
        return None
    try:
        record = json.loads(text)
    except ValueError as error:
        raise DiffuscopeError(
            f"The record in {str(path)!r} is damaged; the pixels may still be read."
        ) from error
    return dict(record)
