"""Pairs of files with equal names in folders, and which of them are kept out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import SUFFIXES
from napari_diffuscope.imaging.listing import image_files
from napari_diffuscope.training.kept_out import split

LOW_NAMES = ("low", "low_padded", "noisy")
HIGH_NAMES = ("high", "high_registered", "gt", "ground_truth", "clean")
"""Names of the folders of pairs, in upper or lower case."""

TRAINING_NAMES = ("train",)
VALIDATION_NAMES = ("validate", "validation", "val")


@dataclass(frozen=True)
class Pair:
    """Two files of equal name."""

    low: Path
    high: Path


def find_pairs(
    folder: Path, *, share: float, seed: int, high: Path | None = None
) -> tuple[list[Pair], list[Pair]]:
    """Pairs to train on and to validate on; none of the latter where there is only one file.

    ``folder`` holds one of :data:`HIGH_NAMES` and one of :data:`LOW_NAMES`, in upper or lower case, or ``train`` and
    ``validate`` with these; a folder ``test`` is left alone. With ``high`` each folder holds the images of one quality.
    """
    if high is not None:
        return _split(_of_both(folder, high), share, seed)
    train = sub_folder(folder, TRAINING_NAMES)
    pairs = _pairs(train or folder)
    if train is not None and (validate := sub_folder(folder, VALIDATION_NAMES)) is not None:
        return pairs, _pairs(validate)
    return _split(pairs, share, seed)


def pair_places(folder: Path, high: Path | None = None) -> tuple[list[Path], list[Path]]:
    """Files of low and of high quality of all pairs, to train on and to validate on."""
    training, kept = find_pairs(folder, share=0.5, seed=0, high=high)
    return [pair.low for pair in (*training, *kept)], [pair.high for pair in (*training, *kept)]


def _split(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    return (pairs, []) if len(pairs) == 1 else split(pairs, share=share, seed=seed)


def sub_folder(folder: Path, names: Sequence[str]) -> Path | None:
    """The first folder of one of those names, whatever their case; the very name before others."""
    if not folder.is_dir():
        return None
    inside = sorted((path.name for path in folder.iterdir() if path.is_dir()), reverse=True)
    by_name = {name.lower(): folder / name for name in inside} | {name: folder / name for name in inside}
    return next((by_name[name] for name in names if name in by_name), None)


def pair_folders(folder: Path) -> tuple[Path | None, Path | None]:
    """The folders of the low and of the high images of pairs, where there are such."""
    return sub_folder(folder, LOW_NAMES), sub_folder(folder, HIGH_NAMES)


def _pairs(folder: Path) -> list[Pair]:
    low, high = pair_folders(folder)
    if low is None or high is None:
        raise DiffuscopeError(
            f"{folder} holds no pairs: put the images into its folders 'low' and 'high' (or 'noisy' and 'GT'), under "
            "equal names."
        )
    return _of_both(low, high)


def plain_name(name: str) -> str:
    """A name without the ending of image files: ``cell1`` of ``cell1.ome.tif``."""
    stem, dot, ending = name.rpartition(".")
    return stem.removesuffix(".ome") if f"{dot}{ending}".lower() in SUFFIXES else name


def _of_both(low: Path, high: Path) -> list[Pair]:
    """Files of equal name in two folders; the kind of file may differ where that leaves no doubt."""
    lows, highs = ({path.name: path for path in image_files(place)} for place in (low, high))
    if set(lows) != set(highs):
        by_stem = [{plain_name(path.name): path for path in files.values()} for files in (lows, highs)]
        if set(by_stem[0]) == set(by_stem[1]) and len(by_stem[0]) == len(lows) == len(highs):
            lows, highs = by_stem
    if alone := sorted(set(lows) ^ set(highs)):
        raise DiffuscopeError(
            f"{len(alone)} images in {low} and {high.name} have no partner of the same name, {alone[0]!r} first; "
            "add the missing ones or take these out."
        )
    return [Pair(lows[name], highs[name]) for name in lows]
