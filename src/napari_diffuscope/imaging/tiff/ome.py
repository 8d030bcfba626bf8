"""OME-XML: read without trust, and what it says of an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

MOST_PLANES = 1_000_000
"""Planes that a description may claim; longer lists cost memory before the first pixel is read."""
_LONGEST_NUMBER = 15
"""Digits of a number in a description."""


def parsed_ome(xml: str) -> ElementTree.Element:
    """The elements of OME-XML.

    Raises
    ------
    ValueError
        If it is not well formed, or defines entities, which no OME-XML needs and which can grow without bound.
    """
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise ValueError("it defines entities of its own")
    try:
        return ElementTree.fromstring(xml)
    except (ElementTree.ParseError, UnicodeError) as error:
        raise ValueError("it is not well formed") from error


def check_ome(tif: Any, path: Path) -> str:
    """What makes the description of an open file unusable, in a few words; empty where nothing does.

    Planes that the description names and the file lacks are no fault: acquisitions are stopped. Numbers beyond
    reason are, and files of a set that are no files.
    """
    xml = tif.ome_metadata
    if not xml:
        return ""
    try:
        root = parsed_ome(xml)
        for pixels in pixels_of(root):
            _check_pixels(pixels, tif.pages[0].size)
        for element in root.iter():
            _check_reference(element, path.parent)
            _check_modulo(element)
    except ValueError as error:
        return str(error)
    return ""


def pixels_of(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Descriptions of the images, in their order."""
    return [element for element in root.iter() if _is(element, "Pixels")]


def _is(element: ElementTree.Element, name: str) -> bool:
    return str(element.tag).endswith(f"}}{name}") or element.tag == name


def _whole(element: ElementTree.Element, name: str, default: int) -> int:
    text = element.get(name)
    if text is None:
        return default
    if len(text) > _LONGEST_NUMBER or not re.fullmatch(r"\s*\d+\s*", text):
        raise ValueError(f"its {name} is {text[:20]!r}")
    return int(text)


def _check_pixels(pixels: ElementTree.Element, page: int) -> None:
    sizes = {letter: _whole(pixels, f"Size{letter}", 1) for letter in "XYZCT"}
    if 0 in sizes.values():
        raise ValueError("it names an image without pixels")
    planes = max(prod(sizes[letter] for letter in "ZCT"), prod(sizes.values()) // max(page, 1))
    if planes > MOST_PLANES:
        raise ValueError(f"it claims {planes:,} planes")
    for data in pixels:
        if _is(data, "TiffData"):
            for name in ("IFD", "NumPlanes", "PlaneCount", "FirstZ", "FirstC", "FirstT"):
                if (number := _whole(data, name, 0)) > MOST_PLANES:
                    raise ValueError(f"its {name} is {number:,}")


def _check_reference(element: ElementTree.Element, folder: Path) -> None:
    """A file of the set must be a file: a pipe would be waited for."""
    if _is(element, "UUID") and (name := element.get("FileName")):
        other = folder / name
        if other.exists() and not other.is_file():
            raise ValueError(f"{name[:60]!r}, a file of its set, is none")


def missing_files(pixels: ElementTree.Element | None, folder: Path) -> list[str]:
    """Names of files of a set that are not there."""
    names = [
        element.get("FileName")
        for element in (pixels.iter() if pixels is not None else ())
        if _is(element, "UUID")
    ]
    return [name for name in dict.fromkeys(names) if name and not (folder / name).exists()]


def _check_modulo(element: ElementTree.Element) -> None:
    if "Along" not in str(element.tag) or "Start" not in element.attrib:
        return
    start, end, step = (float(element.get(name, default)) for name, default in
                        (("Start", "0"), ("End", "0"), ("Step", "1")))  # fmt: skip
    if not step or not abs((end - start) / step) < MOST_PLANES:
        raise ValueError("it divides an axis into too many parts")


def ome_sizes(pixels: ElementTree.Element) -> dict[str, tuple[Any, str]]:
    """What the attributes of an image say of its sizes: value and unit by axis letter, unchecked."""
    entries: dict[str, tuple[Any, str]] = {
        letter: (pixels.get(f"PhysicalSize{letter}"), pixels.get(f"PhysicalSize{letter}Unit", "µm"))
        for letter in "ZYX"
    }
    entries["T"] = (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    return entries


def pixels_of_images(xml: str, images: Sequence[tuple[str, int, int]]) -> list[ElementTree.Element | None]:
    """Descriptions of the images that can be read, by name, height and width of each, in their order.

    An image without a single page in the file is described as well, but cannot be read: then names and sizes say
    which description is whose.
    """
    root = parsed_ome(xml)
    described = [
        (image.get("Name") or "", pixels)
        for image in root.iter()
        if _is(image, "Image")
        for pixels in image
        if _is(pixels, "Pixels")
    ]
    if len(described) == len(images):
        return [pixels for _, pixels in described]
    matched: list[ElementTree.Element | None] = []
    for title, height, width in images:
        places = [
            place
            for place, (name, pixels) in enumerate(described)
            if name == title and (pixels.get("SizeY"), pixels.get("SizeX")) == (str(height), str(width))
        ]
        matched.append(described[places[0]][1] if places else None)
        described = described[places[0] + 1 :] if places else described
    return matched
