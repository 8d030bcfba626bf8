"""A Zarr folder of which regular files alone are read, and its chunks as an array."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_diffuscope.imaging.failures import reading, refuse_special
from napari_diffuscope.imaging.memory import check_room
from napari_diffuscope.imaging.views import LazyArray, full_index

if TYPE_CHECKING:
    from zarr.abc.store import ByteRequest
    from zarr.core.buffer import Buffer, BufferPrototype

KIND = "Zarr"


@cache
def _store_class() -> Any:
    """Store that refuses pipes and devices among its files: reading them might never end or fill the memory."""
    from zarr.storage import LocalStore

    class RegularFiles(LocalStore):  # type: ignore[misc]
        async def get(
            self,
            key: str,
            prototype: BufferPrototype | None = None,
            byte_range: ByteRequest | None = None,
        ) -> Buffer | None:
            file = self.root / key
            refuse_special(file)
            if byte_range is None and file.is_file():
                check_room(file.stat().st_size, f"The chunk {key} of {self.root.name}")
            chunk: Buffer | None = await super().get(key, prototype, byte_range)
            return chunk

    return RegularFiles


class ZarrPixels(LazyArray):
    """Array over a Zarr array: an index reads the chunks that it touches, and whatever fails names the file.

    Parameters
    ----------
    path
        The folder, for messages.
    array
        The ``zarr.Array``.
    """

    def __init__(self, path: Path, array: Any) -> None:
        self._path, self._array = path, array
        self.shape = tuple(int(length) for length in array.shape)
        self.dtype = np.dtype(array.dtype)
        self.chunks: tuple[int, ...] = tuple(int(edge) for edge in array.chunks)

    def __getitem__(self, index: Any) -> np.ndarray:
        full = full_index(index, self.shape)
        with reading(self._path, KIND):
            # A chunk is decoded whole, however small the part of it that is wanted.
            check_room(prod(self.chunks) * self.dtype.itemsize, f"One chunk of {self._path.name}")
            return np.asarray(self._array[full])


def opened(path: Path) -> Any:
    """The array or group in a folder, for reading.

    Raises
    ------
    ValueError
        If there is none.
    """
    import zarr

    try:
        return zarr.open(_store_class()(path, read_only=True), mode="r")
    except FileNotFoundError as error:  # the folder is there, so this is about what is in it
        raise ValueError("it holds no array or group") from error
