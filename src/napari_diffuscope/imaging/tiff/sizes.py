"""Pixel sizes that TIFF files of many programs name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from napari_diffuscope.imaging.tiff.ome import ome_sizes
from napari_diffuscope.imaging.tiff.series import TiffImage
from napari_diffuscope.imaging.units import to_micrometres, unit_name

Calibration = dict[str, tuple[float, str]]
"""Distance between neighbours and its unit, by axis letter; axes without one are absent."""

SMALLEST, LARGEST = 0.001, 20.0
"""Pixels of a microscope in µm, within which a resolution tag is believed."""
_MOST_DOTS = 9600
"""Dots per inch that printers and scanners have, or programs write without knowing better."""
_UNITS = {2: "inch", 3: "centimeter"}


def calibration(tif: Any, image: TiffImage) -> tuple[Calibration, list[str]]:
    """Pixel sizes of an image in an open TIFF file, and what must be said of them.

    From OME-XML, else from the metadata of ImageJ, Zeiss (LSM) or MetaMorph (STK), else from the tags for the
    resolution, where these cannot be those of a screen or a printer.

    Parameters
    ----------
    tif
        A ``tifffile.TiffFile``.
    image
        One of its images.
    """
    sizes = _described(tif, image)
    if "X" in sizes or "Y" in sizes:
        return sizes, []
    across = _of_tags(image.series.keyframe.tags)
    if not across:
        return sizes, []
    file, micrometres = tif.filehandle.name, across["X"][0]
    note = (
        f"The pixel size of {file!r}, {micrometres:.4g} µm, is taken from its tags for the resolution alone."
    )
    return sizes | across, [note]


def _described(tif: Any, image: TiffImage) -> Calibration:
    if image.pixels is not None:
        return _collected(ome_sizes(image.pixels))
    match image.series.kind:
        case "imagej":
            return _of_imagej(tif.imagej_metadata or {}, image.series.keyframe.tags)
        case "lsm":
            return _of_lsm(tif.lsm_metadata or {})
        case "stk":
            return _of_stk(tif.stk_metadata or {})
    return {}


def _usable(value: Any) -> float | None:
    """The size as a positive number, or nothing where files say 0, NaN or no number."""
    try:
        size = abs(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return size if math.isfinite(size) and size > 0 else None


def _collected(entries: Mapping[str, tuple[Any, str]]) -> Calibration:
    sizes = {}
    for letter, (value, unit) in entries.items():
        size = _usable(value)
        if size is not None:
            sizes[letter] = (size, unit_name(unit))
    return sizes


def _of_imagej(metadata: Mapping[str, Any], tags: Any) -> Calibration:
    unit = str(metadata.get("unit", ""))
    entries: dict[str, tuple[Any, str]] = {
        "T": (metadata.get("finterval"), str(metadata.get("tunit", "s"))),
    }
    if unit_name(unit) in _UNITS.values():  # what ImageJ takes from a screen's resolution
        return _collected(entries) | _of_tags(tags, unit_name(unit))
    if unit_name(unit) != "pixel":
        entries |= {
            "X": (_pixel_size(tags, "XResolution"), unit),
            "Y": (_pixel_size(tags, "YResolution"), str(metadata.get("yunit", unit))),
            "Z": (metadata.get("spacing"), str(metadata.get("zunit", unit))),
        }
    return _collected(entries)


def _of_lsm(metadata: Mapping[str, Any]) -> Calibration:
    entries = {letter: (metadata.get(f"VoxelSize{letter}"), "m") for letter in "ZYX"}
    return {
        letter: (to_micrometres(size, unit) or size, "micrometer")
        for letter, (size, unit) in _collected(entries).items()
    } | _collected({"T": (metadata.get("TimeIntervall"), "s")})


def _of_stk(metadata: Mapping[str, Any]) -> Calibration:
    unit = str(metadata.get("CalibrationUnits", ""))
    if not metadata.get("SpatialCalibration") or unit_name(unit) == "pixel":
        return {}
    steps = metadata.get("ZDistance")
    step = steps[0] if steps is not None and len(steps) else None
    entries = {"X": (metadata.get("XCalibration"), unit), "Y": (metadata.get("YCalibration"), unit)}
    return _collected(entries | {"Z": (step, unit)})


def _of_tags(tags: Any, unit: str | None = None) -> Calibration:
    """Pixel sizes in µm of tags that count pixels per centimetre or inch; nothing where they are no microscope's."""
    unit = unit or (_UNITS.get(int(tags["ResolutionUnit"].value)) if "ResolutionUnit" in tags else None)
    if unit is None:
        return {}
    sizes: Calibration = {}
    for letter in "YX":
        size = _usable(_pixel_size(tags, f"{letter}Resolution"))
        micrometres = None if size is None else to_micrometres(size, unit)
        if micrometres is None or not SMALLEST <= micrometres <= LARGEST or _is_round(micrometres):
            return {}
        sizes[letter] = (micrometres, "micrometer")
    return sizes


def _is_round(micrometres: float) -> bool:
    """Whether a pixel is that of a screen, a printer or a scanner: 72, 96, 300, 1200, 4800, … dots per inch."""
    dots = 25400 / micrometres
    return dots <= _MOST_DOTS and any(abs(dots - step * round(dots / step)) < 0.05 for step in (72, 96, 50))


def _pixel_size(tags: Any, name: str) -> float | None:
    """Width of a pixel from a tag that holds pixels per unit as a fraction."""
    pixels, length = tags[name].value if name in tags else (0, 1)
    return length / pixels if pixels else None
