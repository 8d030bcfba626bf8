"""Where the clean images of a test come from: simulated structures, a folder of images, or real pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.evaluate.restore.settings import STANDARD
from napari_diffuscope.evaluate.restore.structures import STRUCTURES, standard_specimen
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.shrink import averaged_down
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.training.pair_files import pair_folders
from napari_diffuscope.training.pair_noise import noise_share, swapped_note

STANDARD_FIELDS = 2
"""Fields of each structure of the standard set: 3 structures, 2 noises and 3 levels make 36 cases."""

TIFF = re.compile(r"\.tiff?$", re.IGNORECASE)


@dataclass(frozen=True)
class Field:
    """One clean image, or one real pair.

    Parameters
    ----------
    source
        Name of the data set: ``standard``, or that of a folder.
    group, name
        Structure or file; and which of it.
    clean
        (Y, X) float32: 0 to about 1, noise-free at the blur of its microscope; of a pair its counts.
    specimen
        (Y, X) float32, the sharp object in relative units, for deblurring; of a real image itself.
    low
        Of a pair: the noisy image in counts, else ``None``.
    pixel_size_um
        Where known.
    fwhm_px
        Width of the point spread function, where known.
    """

    source: str
    group: str
    name: str
    clean: np.ndarray
    specimen: np.ndarray
    low: np.ndarray | None = None
    pixel_size_um: float | None = None
    fwhm_px: float | None = None


def read_fields(
    data: Sequence[str], *, seed: int, edge: int, shrink: int, limit: int | None
) -> tuple[Field, ...]:
    """All fields of the data sets, in a fixed order.

    Parameters
    ----------
    data
        ``standard``, TIFF files, folders of them, or folders with ``high`` and ``low``.
    seed
        Of the simulated structures.
    edge
        Edge of a field in pixels; of real planes the middle.
    shrink
        Factor by which clean real images are averaged down, which removes their own noise.
    limit
        Most fields of a structure, and most planes of a file.

    Raises
    ------
    DiffuscopeError
        If there is nothing to read, or names of pairs do not match.
    """
    if not data:
        raise DiffuscopeError(f"No data are named; give the word {STANDARD} or a folder of images.")
    all_fields: list[Field] = []
    for word in data:
        if word == STANDARD:
            all_fields += standard_fields(seed, edge, STANDARD_FIELDS if limit is None else limit)
            continue
        path = Path(word).expanduser()
        if is_of_pairs(path):
            all_fields += pair_fields(path, edge, limit)
        else:
            all_fields += clean_fields(path, edge, shrink, limit)
    names = [(field.source, field.name) for field in all_fields]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DiffuscopeError(f"{twice[0][1]} of {twice[0][0]} is there twice; name each data set once.")
    return tuple(all_fields)


def standard_fields(seed: int, edge: int, count: int) -> list[Field]:
    """Simulated structures that no training draws."""
    fields = []
    for place, kind in enumerate(STRUCTURES):
        for number in range(count):
            rng = np.random.default_rng([seed, 7001, place, number])
            made = standard_specimen(kind, (edge, edge), rng)
            fields.append(
                Field(
                    source=STANDARD,
                    group=kind,
                    name=f"{kind}-{number + 1}",
                    clean=made.image,
                    specimen=made.density,
                    pixel_size_um=made.pixel_size_um,
                    fwhm_px=made.fwhm_px,
                )
            )
    return fields


def clean_fields(path: Path, edge: int, shrink: int, limit: int | None) -> list[Field]:
    """The middle of each plane of clean images, averaged down and scaled to 0 … 1.

    Raises
    ------
    DiffuscopeError
        If the folder is absent or has no TIFF file.
    """
    source = (path.parent if path.is_file() else path).resolve().name
    fields = []
    for file in tiff_files(path):
        image = _opened(file)
        pixel = _pixel_um(image)
        for label, plane in _planes(image, file, limit):
            _check_size([length // shrink for length in plane.shape], file)
            small = _scaled(averaged_down(plane, shrink))
            middle = centre(small, edge)
            _check_content(middle, file)
            fields.append(
                Field(
                    source=source,
                    group=TIFF.sub("", file.name),
                    name=label,
                    clean=middle,
                    specimen=middle,
                    pixel_size_um=None if pixel is None else pixel * shrink,
                )
            )
    return fields


def pair_fields(folder: Path, edge: int, limit: int | None) -> list[Field]:
    """The middle of each plane of real pairs, ``high`` and ``low`` of equal names.

    Raises
    ------
    DiffuscopeError
        If one folder is absent, or names or shapes do not match.
    """
    places = dict(zip(("low", "high"), pair_folders(folder), strict=True))
    for part, place in places.items():
        if place is None:
            raise DiffuscopeError(f"{folder} has no folder {part!r}; pairs need both high and low.")
    low, high = ({file.name: file for file in tiff_files(place)} for place in places.values() if place)
    if lonely := sorted(set(high) ^ set(low)):
        raise DiffuscopeError(
            f"{folder}: {lonely[0]} lies in {'high' if lonely[0] in high else 'low'} alone; "
            "every pair needs equal names in high and low."
        )
    fields = []
    for name in sorted(high):
        pictures = [_opened(file[name]) for file in (high, low)]
        if pictures[0].shape != pictures[1].shape:
            raise DiffuscopeError(
                f"{folder}: {name} has the shape {pictures[0].shape} in high but {pictures[1].shape} in low."
            )
        for (label, clean), (_, noisy) in zip(
            *(_planes(image, high[name], limit) for image in pictures), strict=True
        ):
            clean, noisy = (centre(plane.astype(np.float32), edge) for plane in (clean, noisy))
            _check_content(clean, high[name])
            _check_content(noisy, low[name])
            fields.append(
                Field(
                    source=folder.resolve().name,
                    group=TIFF.sub("", name),
                    name=label,
                    clean=clean,
                    specimen=clean,
                    low=noisy,
                    pixel_size_um=_pixel_um(pictures[0]),
                )
            )
    return fields


def is_of_pairs(path: Path) -> bool:
    """Whether a folder holds pairs, or one of their two folders by its plain name."""
    low, high = pair_folders(path)
    plain = [place for place in (low, high) if place is not None and place.name.lower() in ("low", "high")]
    return bool(plain) or (low is not None and high is not None)


def swapped_pairs(fields: Sequence[Field]) -> Iterator[str]:
    """What must be said of data sets whose clean images are noisier than the noisy ones."""
    for source in dict.fromkeys(field.source for field in fields):
        pairs = [field for field in fields if field.source == source and field.low is not None]
        noise = (
            (noise_share(field.low), noise_share(field.clean)) for field in pairs if field.low is not None
        )
        if note := swapped_note(noise, source):
            yield note


def tiff_files(path: Path) -> list[Path]:
    """The file itself, or the TIFF files of a folder, by name.

    Raises
    ------
    DiffuscopeError
        If there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DiffuscopeError(
            f"There is no {path}; give a folder of TIFF images, a TIFF file, or the word {STANDARD}."
        )
    files = sorted(file for file in path.iterdir() if file.is_file() and TIFF.search(file.name))
    if not files:
        raise DiffuscopeError(f"{path} holds no TIFF images (.tif or .tiff).")
    return files


def centre(plane: np.ndarray, edge: int) -> np.ndarray:
    """Middle of a plane, at most ``edge`` pixels high and wide."""
    rows, columns = (slice(max(0, (n - edge) // 2), max(0, (n - edge) // 2) + edge) for n in plane.shape)
    return np.ascontiguousarray(plane[rows, columns])


def _opened(file: Path) -> Image:
    from napari_diffuscope.imaging.tiff import read_image

    return read_image(file, rgb="channels")


def _planes(image: Image, file: Path, limit: int | None) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pixels of each plane, with ``limit`` a few spread over all."""
    count = image.plane_count if limit is None else min(limit, image.plane_count)
    stem = TIFF.sub("", file.name)
    for flat in sorted({round(float(i)) for i in np.linspace(0, image.plane_count - 1, count)}):
        label = stem if image.plane_count == 1 else f"{stem}-{flat + 1}"
        yield label, np.asarray(image.read_plane(flat))


def _scaled(plane: np.ndarray) -> np.ndarray:
    low, high = np.percentile(plane, [0.5, 99.9])
    scaled = np.clip((plane - low) / max(float(high - low), 1e-12), 0, 2)
    return np.asarray(scaled, dtype=np.float32)


def _check_size(shape: Sequence[int], file: Path) -> None:
    if min(shape) < 16:
        raise DiffuscopeError(
            f"{file} is only {shape[0]} x {shape[1]} pixels after shrinking; 16 are needed."
        )


def _check_content(plane: np.ndarray, file: Path) -> None:
    _check_size(plane.shape, file)
    if not np.isfinite(plane).all() or plane.max() <= plane.min():
        raise DiffuscopeError(
            f"{file} has a plane without content (constant or not finite) in its middle; take it out."
        )


def _pixel_um(image: Image) -> float | None:
    return to_micrometres(image.scale[image.axes.index("X")], image.units[image.axes.index("X")])
