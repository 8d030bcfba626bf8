"""Pixel sizes and records in the metadata of TIFF files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.imaging.units import OME_LENGTHS, OME_TIMES, unit_name

RECORD_NAMESPACE = "napari-diffuscope"
"""Namespace of the annotation in OME-XML that holds the record."""

Calibration = dict[str, tuple[float, str]]
"""Distance between neighbours and its unit, by axis letter; axes without one are absent."""


def calibration(tif: Any, series: int) -> Calibration:
    """Pixel sizes of an open TIFF file: from OME-XML, else from ImageJ's metadata, else none.

    Parameters
    ----------
    tif
        A ``tifffile.TiffFile``.
    series
        Number of the image in an OME-TIFF.
    """
    if tif.is_ome and tif.ome_metadata:
        return _of_ome(tif.ome_metadata, series)
    if tif.is_imagej and tif.imagej_metadata:
        return _of_imagej(tif.imagej_metadata, tif.pages[0].tags)
    return {}


def _usable(value: Any) -> float | None:
    """The size as a positive number, or nothing where files say 0, NaN or no number."""
    try:
        size = abs(float(value))
    except (TypeError, ValueError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _collected(entries: Mapping[str, tuple[Any, str]]) -> Calibration:
    found = {}
    for letter, (value, unit) in entries.items():
        size = _usable(value)
        if size is not None:
            found[letter] = (size, unit_name(unit))
    return found


def _of_ome(xml: str, series: int) -> Calibration:
    pixels = [element for element in ElementTree.fromstring(xml).iter() if element.tag.endswith("}Pixels")]
    if series >= len(pixels):
        return {}
    attributes = pixels[series].attrib
    entries = {
        letter: (attributes.get(f"PhysicalSize{letter}"), attributes.get(f"PhysicalSize{letter}Unit", "µm"))
        for letter in "ZYX"
    }
    entries["T"] = (attributes.get("TimeIncrement"), attributes.get("TimeIncrementUnit", "s"))
    return _collected(entries)


def _of_imagej(metadata: Mapping[str, Any], tags: Any) -> Calibration:
    unit = str(metadata.get("unit", ""))
    entries: dict[str, tuple[Any, str]] = {
        "T": (metadata.get("finterval"), str(metadata.get("tunit", "s"))),
    }
    if unit_name(unit) != "pixel":
        entries |= {
            "X": (_pixel_size(tags, "XResolution"), unit),
            "Y": (_pixel_size(tags, "YResolution"), str(metadata.get("yunit", unit))),
            "Z": (metadata.get("spacing"), str(metadata.get("zunit", unit))),
        }
    return _collected(entries)


def _pixel_size(tags: Any, name: str) -> float | None:
    """Width of a pixel from a tag that holds pixels per unit as a fraction."""
    pixels, length = tags[name].value if name in tags else (0, 1)
    return length / pixels if pixels else None


def ome_attributes(axes: str, scale: Sequence[float], units: Sequence[str]) -> dict[str, Any]:
    """Attributes of OME-XML's ``Pixels`` for the sizes that it can hold.

    A size of one pixel is no size and left out. Lengths in a unit that OME does not know are in its
    "reference frame"; times in such a unit have no place in OME-XML and are left out.
    """
    found: dict[str, Any] = {}
    for letter, size, unit in zip(axes, scale, map(unit_name, units), strict=True):
        if unit == "pixel" and size == 1:
            continue
        if letter in "ZYX":
            found[f"PhysicalSize{letter}"] = size
            found[f"PhysicalSize{letter}Unit"] = OME_LENGTHS.get(unit, "reference frame")
        elif letter == "T" and unit in OME_TIMES:
            found |= {"TimeIncrement": size, "TimeIncrementUnit": OME_TIMES[unit]}
    return found


def with_record(xml: str, record: Mapping[str, Any]) -> str:
    """OME-XML with a record as a comment annotation of its own, JSON in plain ASCII."""
    text = escape(json.dumps(record))
    annotation = (
        "<StructuredAnnotations>"
        f'<CommentAnnotation ID="Annotation:record" Namespace="{RECORD_NAMESPACE}"><Value>{text}</Value>'
        "</CommentAnnotation></StructuredAnnotations>"
    )
    return xml.replace("</OME>", f"{annotation}</OME>")


def _annotations(xml: str) -> Iterator[str]:
    for element in ElementTree.fromstring(xml).iter():
        if element.get("Namespace") == RECORD_NAMESPACE:
            yield from (value.text or "" for value in element if value.tag.endswith("}Value"))


def read_record(path: str | Path) -> dict[str, Any] | None:
    """The record of how an image was made, or ``None`` if the file holds none.

    Raises
    ------
    DiffuscopeError
        If the file is missing, no TIFF, or its record is damaged.
    """
    import tifffile

    path = Path(path)
    with reading(path, "TIFF"), tifffile.TiffFile(path) as tif:
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
