"""Generated images as files of their own, and a manifest that says what each of them is. Free of torch."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.outputs import working_in, write_json

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Kept:
    """One image of a run.

    Parameters
    ----------
    number
        In the run, from 0.
    pixels
        ``(Y, X)`` float32.
    kept
        Whether it is to be written.
    score
        How much it resembles the training, JSON-able; ``None`` where that is unknown.
    """

    number: int
    pixels: np.ndarray
    kept: bool = True
    score: Mapping[str, Any] | None = None


def write_kept(
    folder: Path, images: Sequence[Kept], record: Mapping[str, Any], *, scale: float, unit: str
) -> Generator[None, None, str]:
    """Write the kept images as OME-TIFF files and a manifest of all of them; yields after each file.

    Parameters
    ----------
    folder
        New or empty.
    images, record
        What was made, and the record of the run.
    scale, unit
        Pixel size.

    Returns
    -------
    str
        A sentence on what was written.

    Raises
    ------
    DiffuscopeError
        If nothing is kept, the folder is not empty, or the disk is full.
    """
    from napari_diffuscope.imaging.tiff import write_image

    chosen = [image for image in images if image.kept]
    if not chosen:
        raise DiffuscopeError("No image is kept; keep at least one.")
    if folder.is_file():
        raise DiffuscopeError(f"{folder.name} is a file; choose a new folder.")
    if folder.exists() and any(folder.iterdir()):
        raise DiffuscopeError(
            f"{folder.name} is not empty; choose a new folder, so that nothing is mixed up."
        )
    with working_in(folder):
        per_image = {name: value for name, value in record.items() if name not in ("scores", "card")}
        for image in chosen:
            like = Image.wrap(image.pixels, "YX", scale=(scale, scale), units=(unit, unit))
            own = {**per_image, "image": image.number, "score": image.score}
            write_image(folder / _file(image), image.pixels, like, record=own)
            yield
        write_json(folder / MANIFEST, manifest(images, record))
    return f"Saved {len(chosen)} of {len(images)} images and {MANIFEST} in {folder.name}."


def manifest(images: Sequence[Kept], record: Mapping[str, Any]) -> dict[str, Any]:
    """What the images are: settings, seed and model of the run, and of each whether it is kept, and its score."""
    settings = record.get("settings", {})
    return {
        "seed": settings.get("seed"),
        "class": settings.get("class_"),
        "model": record.get("model"),
        "settings": settings,
        "plugin": record.get("plugin"),
        "messages": record.get("messages", []),
        "card": record.get("card"),
        "images": [
            {
                "number": image.number,
                "file": _file(image) if image.kept else None,
                "kept": image.kept,
                "score": image.score,
            }
            for image in images
        ],
    }


def entry(number: int, nearest: Any) -> dict[str, Any]:
    """What a `napari_diffuscope.measure.copies.Nearest` says of an image, JSON-able."""
    return {
        "number": number,
        "score": round(nearest.score, 4),
        "percentile": None if np.isnan(nearest.percentile) else round(nearest.percentile, 2),
        "distance": round(nearest.distance, 4),
        "flagged": nearest.flagged,
        "nearest": nearest.name,
        "place": list(nearest.place),
        "turns": nearest.turns,
        "mirrored": nearest.mirrored,
    }


def _file(image: Kept) -> str:
    return f"generated_{image.number:05d}.ome.tif"
