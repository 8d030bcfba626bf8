"""The images in a folder, by their names. The one place where folders of images are looked through."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import SUFFIXES, is_named_like_image, is_zarr


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of files, and not an image that is a folder."""
    return path.is_dir() and not is_zarr(path)


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Parameters
    ----------
    entries
        Files, and images that are folders, in order; what is hidden is left out.
    unseen
        Folders in it that were not looked through.
    """

    entries: tuple[Path, ...]
    unseen: tuple[Path, ...]


def listed(folder: Path, *, recursive: bool = False) -> Listing:
    """Look through a folder, once.

    Parameters
    ----------
    folder
        Where.
    recursive
        Whether folders in it are looked through as well; links to folders are not followed.

    Raises
    ------
    DiffuscopeError
        If it is absent or may not be read.
    """
    try:
        inside = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise DiffuscopeError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    entries: list[Path] = []
    unseen: list[Path] = []
    for each in inside:
        if not is_folder(each):
            entries.append(each)
        elif recursive and not each.is_symlink():
            below = listed(each, recursive=True)
            entries += below.entries
            unseen += below.unseen
        else:
            unseen.append(each)
    return Listing(tuple(entries), tuple(unseen))


def entries_of(folder: Path, *, recursive: bool = False) -> list[Path]:
    """Files, and images that are folders; see :func:`listed`.

    Raises
    ------
    DiffuscopeError
        As there.
    """
    return list(listed(folder, recursive=recursive).entries)


def image_files(folder: Path) -> list[Path]:
    """Image files of a folder by name, hidden ones left out.

    Raises
    ------
    DiffuscopeError
        If the folder is absent, may not be read, or holds none.
    """
    images = [path for path in entries_of(folder) if is_named_like_image(path)]
    if not images:
        raise DiffuscopeError(f"The folder {folder} holds no images ({', '.join(SUFFIXES)}).")
    return images
