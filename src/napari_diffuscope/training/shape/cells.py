"""Cells whose 3D shape is known: three folders of files with equal names, and which cells are kept out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.listing import image_files
from napari_diffuscope.methods.shape.cells import find_cells
from napari_diffuscope.methods.shape.familiarity import cell_values, measured_cells
from napari_diffuscope.methods.shape.window import ShapeWindow
from napari_diffuscope.weights.card import CARD_FILE, read_card
from napari_diffuscope.weights.card_parts import CellFeatures

FOLDERS = ("image", "mask", "obj")
INSIDE = 127
"""Values of a mask or an object above this are cell; files have soft edges."""


@dataclass(frozen=True, eq=False)
class KnownCell:
    """A cell in its window.

    Parameters
    ----------
    name
        Of its files, without ending.
    image
        ``(S, S)`` grey values.
    outline
        ``(S, S)`` uint8, soft: above 127 is cell.
    volume
        ``(S, S, S)`` uint8, soft: above 127 is cell; axes z, y, x, and plane S / 2 is that of the image.
    """

    name: str
    image: np.ndarray
    outline: np.ndarray
    volume: np.ndarray

    @property
    def kind(self) -> str:
        """Class of the cell."""
        return kind_of(self.name)

    @property
    def side(self) -> int:
        """S, the edge of the window."""
        return len(self.volume)

    @property
    def mask(self) -> np.ndarray:
        """``(S, S)`` bool."""
        return np.asarray(self.outline > INSIDE)

    @property
    def occupied(self) -> np.ndarray:
        """``(S, S, S)`` bool."""
        return np.asarray(self.volume > INSIDE)


def kind_of(name: str) -> str:
    """Class of a cell: what stands before the first underscore of its name."""
    head, separator, _ = name.partition("_")
    return head if separator else ""


def cell_files(folder: Path) -> dict[str, tuple[Path, Path, Path]]:
    """Image, mask and object of each cell by its name, sorted.

    Raises
    ------
    DiffuscopeError
        If one of the folders ``image``, ``mask`` and ``obj`` is absent, or files have no partners.
    """
    if absent := [name for name in FOLDERS if not (folder / name).is_dir()]:
        raise DiffuscopeError(
            f"{folder} has no folder {absent[0]!r}: put images, masks and 3D objects of equal names into image, mask "
            "and obj."
        )
    by_name = [{path.stem: path for path in image_files(folder / name)} for name in FOLDERS]
    everywhere = set.intersection(*map(set, by_name))
    if alone := sorted(set.union(*map(set, by_name)) - everywhere):
        raise DiffuscopeError(
            f"{len(alone)} cells in {folder} are not in all of image, mask and obj, {alone[0]!r} first; add the "
            "missing files or take these out."
        )
    return {name: (by_name[0][name], by_name[1][name], by_name[2][name]) for name in sorted(everywhere)}


def read_cells(folder: Path) -> tuple[KnownCell, ...]:
    """All cells of a folder, sorted by name; their windows are of one size.

    Raises
    ------
    DiffuscopeError
        For files that are missing, unreadable, of the wrong size or type, or empty.
    """
    cells = tuple(_read(name, *paths) for name, paths in cell_files(folder).items())
    if odd := [cell for cell in cells if cell.side != cells[0].side]:
        raise DiffuscopeError(
            f"The window of {odd[0].name} has {odd[0].side} voxels along each edge, that of {cells[0].name} "
            f"{cells[0].side}; they must agree."
        )
    return cells


def _read(name: str, image: Path, mask: Path, obj: Path) -> KnownCell:
    grey, outline, volume = _values(image), _soft(mask), _soft(obj)
    dimensions = (grey.ndim, outline.ndim, volume.ndim)
    if (
        dimensions != (2, 2, 3)
        or len(grey) % 2
        or {*grey.shape, *outline.shape, *volume.shape} != {len(grey)}
    ):
        raise DiffuscopeError(
            f"The files of the cell {name} have the shapes {grey.shape}, {outline.shape} and {volume.shape}; image "
            "and mask must be squares and the object a cube, all of the same even edge."
        )
    cell = KnownCell(name, grey.astype(np.float32), outline, volume)
    if not cell.mask.any() or not cell.occupied.any():
        raise DiffuscopeError(f"The cell {name} is empty: nothing of its mask or object is above {INSIDE}.")
    return cell


def _values(path: Path) -> np.ndarray:
    from napari_diffuscope.imaging.files import open_image

    return np.squeeze(np.asarray(open_image(path).data))


def _soft(path: Path) -> np.ndarray:
    """Values 0 to 255; a file with 0 and 1 alone is stretched to that."""
    values = _values(path)
    if values.dtype != np.uint8 and values.dtype != bool:
        raise DiffuscopeError(
            f"{path} holds {values.dtype}; masks and objects are 8-bit, cell above {INSIDE}."
        )
    return np.asarray(values.astype(np.uint8) * np.uint8(255 if values.max() <= 1 else 1))


def folds_of(names: Sequence[str], count: int, *, seed: int) -> dict[str, int]:
    """Number of the fold, from 1, that keeps each cell out: equally many cells of each class, as far as possible.

    Parameters
    ----------
    names
        Of the cells.
    count
        Number of folds.
    seed
        Decides who goes together.

    Raises
    ------
    DiffuscopeError
        If there are more folds than cells.
    """
    if not 2 <= count <= len(names):
        raise DiffuscopeError(f"{len(names)} cells cannot be split into {count} folds.")
    return {name: place % count + 1 for place, name in enumerate(_by_class(names, seed))}


def kept_names(
    names: Sequence[str], *, fold: tuple[int, int] | None, share: float, seed: int, whole: str = ""
) -> frozenset[str]:
    """Cells that are kept out of a training: the k-th of n folds, or a share of each class, and one class as a whole.

    Parameters
    ----------
    names
        Of all cells.
    fold
        k, from 1, and n; decides if given.
    share
        Between 0 and 1; at least one cell is kept, and one trained on.
    seed
        Decides which.
    whole
        Class of which all cells are kept out; empty for none.

    Raises
    ------
    DiffuscopeError
        For fewer than two cells to choose from, or a class that none is of.
    """
    if whole:
        members = frozenset(name for name in names if kind_of(name) == whole)
        if not members:
            raise DiffuscopeError(
                f"No cell is of the class {whole!r} that is to be kept out; classes are "
                f"{', '.join(sorted({kind_of(name) for name in names}))}."
            )
        others = [name for name in names if name not in members]
        return members | kept_names(others, fold=fold, share=share, seed=seed)
    if len(names) < 2:
        raise DiffuscopeError("One cell is too few: some are learned from and others kept out.")
    if fold is not None:
        folds = folds_of(names, fold[1], seed=seed)
        return frozenset(name for name in names if folds[name] == fold[0])
    count = min(max(round(share * len(names)), 1), len(names) - 1)
    ordered = _by_class(names, seed)
    return frozenset(ordered[int((place + 0.5) * len(names) / count)] for place in range(count))


def _by_class(names: Sequence[str], seed: int) -> list[str]:
    """Class after class, each in random order: every n-th of them is a fair choice."""
    ordered = []
    for number, kind in enumerate(sorted({kind_of(name) for name in names})):
        members = sorted(name for name in names if kind_of(name) == kind)
        shuffled = np.random.default_rng([seed, number]).permutation(len(members))
        ordered += [members[place] for place in shuffled]
    return ordered


def cell_extent(cells: Sequence[KnownCell]) -> float:
    """Median of the larger extent of the masks, as a share of the window."""
    extents = []
    for cell in cells:
        rows, columns = (np.flatnonzero(cell.mask.any(axis)) for axis in (1, 0))
        extents.append(max(np.ptp(rows), np.ptp(columns)) + 1)
    return float(np.median(extents)) / cells[0].side


def features_of(cells: Sequence[KnownCell]) -> CellFeatures:
    """What cells look like in their plane, seen through the window that a model has of them.

    Raises
    ------
    DiffuscopeError
        For fewer than three cells.
    """
    share, values = cell_extent(cells), []
    for cell in cells:
        (outlined,) = find_cells(cell.mask.astype(np.uint8))
        window = ShapeWindow.around(outlined, extent=share, side=cell.side)
        values.append(cell_values(cell.image, outlined, window))
    return measured_cells(np.array(values))


def measure_training_cells(model: Path, folder: Path) -> CellFeatures:
    """Measure the cells that a model learned from, and complete its card; its weights stay as they are.

    Parameters
    ----------
    model
        Folder of a model of shapes.
    folder
        Of its cells; those that the card names as kept out are left out.

    Raises
    ------
    DiffuscopeError
        If the model is none of shapes, its card cannot be written, or a cell is missing.
    """
    card = read_card(model)
    if card.task != "shape":
        raise DiffuscopeError(
            f"{card.name} is a model for {card.task}; cells are learned by models of shapes alone."
        )
    kept_out = set(card.training.get("kept_out", ()))
    features = features_of([cell for cell in read_cells(folder) if cell.name not in kept_out])
    text = json.dumps(replace(card, cell_features=features).to_dict(), indent=2, ensure_ascii=False)
    with writing(model / CARD_FILE):
        replace_text(model / CARD_FILE, text + "\n")
    return features
