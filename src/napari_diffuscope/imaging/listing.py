"""The images in a folder, by their names. The one place where folders of images are looked through."""

from __future__ import annotations

from pathlib import Path

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.formats import SUFFIXES, is_named_like_image, is_zarr


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of files, and not an image that is a folder."""
    return path.is_dir() and not is_zarr(path)


def entries_of(folder: Path, *, recursive: bool = False) -> list[Path]:
    """Files, and images that are folders, in order; what is hidden is left out.

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
        entries = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise DiffuscopeError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    paths = []
    for each in entries:
        if not is_folder(each):
            paths.append(each)
        elif recursive and not each.is_symlink():
            paths += entries_of(each, recursive=True)
    return paths


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
