"""What real images are like, small enough to travel with a generator, without a pixel of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.documents import parse_json
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.measure.realism import (
    FEWEST,
    QUANTILES,
    UNRESOLVED,
    Comparison,
    Described,
    compared,
    described,
    joined,
    resolved,
)

MOST_IMAGES = 48
"""Images of each class that are described."""

MOST_BYTES = 64 << 20
KEPT, TRAINING = "kept", "training"
TABLES = tuple(field.name for field in fields(Described))


@dataclass(frozen=True)
class RealImages:
    """Real images of each class of a generator, described.

    Parameters
    ----------
    patch
        Edge of an image in pixels.
    classes
        Their names; one without a name where there are none.
    kept, training
        Of each class: images that were kept out of the training, and images of the training.
    resolved
        Of each class: frequency up to which the images that were kept out hold structure, in cycles per pixel.
    """

    patch: int
    classes: tuple[str, ...]
    kept: tuple[Described, ...]
    training: tuple[Described, ...]
    resolved: tuple[float, ...]

    def of(self, label: int | None) -> tuple[Described, Described, float] | None:
        """What was kept out of a class (``None``: of all of them), what was trained on, and what is resolved.

        ``None`` where too little was kept out.
        """
        chosen = [
            number
            for number in range(len(self.kept))
            if label in (None, number) and len(self.kept[number]) >= FEWEST
        ]
        if not chosen:
            return None
        return (
            joined([self.kept[number] for number in chosen]),
            joined([self.training[number] for number in chosen]),
            float(np.median([self.resolved[number] for number in chosen])),
        )

    def compared(self, images: Described, label: int | None) -> dict[str, Comparison]:
        """Images of a class beside those that were kept out: they, the floor (images of the training), and those.

        Empty where too little was kept out, or there are too few images.
        """
        if len(images) < FEWEST or (found := self.of(label)) is None:
            return {}
        kept, training, below = found
        sets = {"generated": images, "real, of the training": training, "real, kept out": kept}
        return {
            name: compared(kept, one, below=below)
            for name, one in sets.items()
            if name != "real, of the training" or len(one) >= FEWEST
        }

    def to_bytes(self) -> bytes:
        """Content of a file; :func:`read_real_images` reads it back, in half precision but for the features."""
        about = {name: asdict(self)[name] for name in ("patch", "classes", "resolved")}
        arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
        for part, sets in ((KEPT, self.kept), (TRAINING, self.training)):
            for number, one in enumerate(sets):
                arrays |= {f"{part}{number}_{name}": _stored(one, name) for name in TABLES}
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        return content.getvalue()


def described_images(
    kept: Sequence[np.ndarray], training: Sequence[np.ndarray], classes: Sequence[str], patch: int
) -> RealImages:
    """Describe real images.

    Parameters
    ----------
    kept, training
        Of each class ``(N, P, P)``, background near 0.
    classes
        Names.
    patch
        Their edge P.
    """
    return RealImages(
        patch,
        tuple(classes),
        tuple(map(_described, kept)),
        tuple(map(_described, training)),
        tuple(resolved(one) if len(one) else UNRESOLVED for one in kept),
    )


def _described(images: np.ndarray) -> Described:
    if len(images):
        return described(images[:MOST_IMAGES])
    edge = images.shape[1]
    one = described(np.zeros((1, edge, edge)))
    return Described(*(getattr(one, name)[:0] for name in TABLES))


def _stored(one: Described, name: str) -> np.ndarray:
    values = getattr(one, name)
    if name == "power":
        values = np.log10(np.maximum(values, 1e-30))
    return np.asarray(values, np.float32 if name == "features" else np.float16)


def read_real_images(path: Path) -> RealImages:
    """Read what real images are like.

    Raises
    ------
    DiffuscopeError
        If the file is absent, damaged, or holds something else.
    """
    with reading(path, "real images"):
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise DiffuscopeError(
                    f"{path} is larger than descriptions of images are; get the model again."
                )
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        about = parse_json(arrays.pop("about").tobytes(), str(path))
        try:
            return _read(about, arrays)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise DiffuscopeError(
                f"{path} does not hold descriptions of real images; get the model again."
            ) from error


def _read(about: Any, arrays: dict[str, np.ndarray]) -> RealImages:
    names = tuple(map(str, about["classes"]))
    patch, count = int(about["patch"]), max(len(names), 1)

    def tables(part: str) -> tuple[Described, ...]:
        return tuple(_table(arrays, f"{part}{number}", patch) for number in range(count))

    limits = tuple(map(float, about["resolved"]))
    if patch < 4 or len(limits) != count:
        raise ValueError("another number of classes")
    return RealImages(patch, names, tables(KEPT), tables(TRAINING), limits)


def _table(arrays: dict[str, np.ndarray], name: str, patch: int) -> Described:
    features, power, quantiles, structure = (arrays[f"{name}_{table}"].astype(np.float64) for table in TABLES)
    count = len(features)
    if (len(power), quantiles.shape, structure.shape) != (count, (count, QUANTILES), (count, 3)):
        raise ValueError("tables of other lengths")
    if not np.isfinite(features).all():
        raise ValueError("features that are no numbers")
    return Described(features, 10.0**power, quantiles, structure)
