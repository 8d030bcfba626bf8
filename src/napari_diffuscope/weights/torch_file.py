"""Files that ``torch.save`` wrote, opened without copying and without running anything in them."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.pickle_records import TensorRecord
from napari_diffuscope.weights.safe_pickle import MOST_BYTES, read_pickle
from napari_diffuscope.weights.unpack import leads_out
from napari_diffuscope.weights.ways_on import CHOOSE_WEIGHTS, GET_AGAIN, ITS_OWN_CODE, SAVE_WEIGHTS

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK = 1 << 22

DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class Entry:
    """Where one entry of the archive lies in the file, in bytes."""

    start: int
    size: int
    checksum: int


class TorchFile:
    """A zip archive as ``torch.save`` writes it since torch 1.6, memory-mapped.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    DiffuscopeError
        If it is no such archive, is damaged or cut short, or has compressed entries (torch writes none, and a
        small file could unpack to one that fills the memory).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size
        self._entries = _entries(path, self._size)
        self._checked: set[str] = set()
        pickles = [name for name in self._entries if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(pickles) != 1:
            raise DiffuscopeError(
                f"{path} is a zip archive, but not one of weights that torch wrote; {CHOOSE_WEIGHTS}."
            )
        self._prefix = pickles[0].removesuffix("data.pkl")
        if self._prefix + "byteorder" in self._entries and self._bytes("byteorder", 16) != b"little":
            raise DiffuscopeError(
                f"{path} was written by a processor that orders bytes the other way "
                "(big-endian), which is not supported; load and save it in torch on this computer."
            )

    def contents(self) -> Any:
        """What was saved, as :func:`~napari_diffuscope.weights.safe_pickle.read_pickle` describes it."""
        return read_pickle(self._bytes("data.pkl", MOST_BYTES), str(self.path))

    def tensor(self, record: TensorRecord, name: str) -> Tensor:
        """Open one tensor.

        Parameters
        ----------
        record
            Its description.
        name
            What to call it in an error.

        Returns
        -------
        Tensor
            A view of the mapped file; changes to it do not reach the file.

        Raises
        ------
        DiffuscopeError
            If the file does not hold what the description says, or its checksum is wrong.
        """
        dtype = DTYPES.get(record.storage.kind)
        if dtype is None:
            raise DiffuscopeError(
                f"{self.path}: tensor {name} is a {record.storage.kind}, which is not supported; {ITS_OWN_CODE}."
            )
        entry = self._verified(f"data/{record.storage.key}")
        available = entry.size // dtype.itemsize
        steps = sum((n - 1) * s for n, s in zip(record.shape, record.stride, strict=True))
        last = record.offset + steps if 0 not in record.shape else -1
        repeated = math.prod(record.shape) > record.storage.count  # a stride of 0 would fill the memory
        if record.storage.count > available or last >= record.storage.count or repeated:
            raise DiffuscopeError(
                f"{self.path} is damaged: tensor {name} reaches beyond its data; {GET_AGAIN}."
            )
        data = self._mapped[entry.start : entry.start + available * dtype.itemsize]
        if entry.start % dtype.itemsize:
            data = data.clone()  # torch aligns what it writes; a file that was packed again may not be
        values = data.view(dtype)
        return values.as_strided(record.shape, record.stride, values.storage_offset() + record.offset)

    @cached_property
    def _mapped(self) -> Tensor:
        storage = torch.UntypedStorage.from_file(str(self.path), False, self._size)
        return torch.tensor([], dtype=torch.uint8).set_(storage, 0, (self._size,))  # type: ignore[call-overload,no-any-return]

    def _verified(self, name: str) -> Entry:
        """An entry whose checksum holds; each is read through once."""
        entry = self._entries.get(self._prefix + name)
        if entry is None:
            raise DiffuscopeError(
                f"{self.path} is damaged or incomplete: it lacks its entry {name}; {GET_AGAIN}."
            )
        if name not in self._checked:
            checksum = 0
            for start in range(entry.start, entry.start + entry.size, _CHUNK):
                stop = min(start + _CHUNK, entry.start + entry.size)
                checksum = zlib.crc32(self._mapped[start:stop].numpy().data, checksum)
            if checksum != entry.checksum:
                raise DiffuscopeError(
                    f"{self.path} is damaged: the checksum of {name} is wrong; get it again."
                )
            self._checked.add(name)
        return entry

    def _bytes(self, name: str, most: int) -> bytes:
        entry = self._verified(name)
        if entry.size > most:
            raise DiffuscopeError(
                f"{self.path} is not read: its entry {name} has {entry.size:,} bytes, too many "
                f"for a model; {SAVE_WEIGHTS}."
            )
        return self._mapped[entry.start : entry.start + entry.size].numpy().tobytes()


def _entries(path: Path, size: int) -> dict[str, Entry]:
    """Places of all entries, each checked to lie inside the file."""
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            entries: dict[str, Entry] = {}
            _refuse_programs(path, archive.namelist())
            for info in archive.infolist():
                if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                    raise DiffuscopeError(
                        f"{path} was refused: its entry {info.filename!r} is compressed, which "
                        f"torch never does; {GET_AGAIN} from its authors."
                    )
                if leads_out(info.filename):
                    raise DiffuscopeError(
                        f"{path} was refused: its entry {info.filename!r} would lie outside of "
                        f"its folder; {GET_AGAIN} from its authors."
                    )
                if info.filename in entries or info.flag_bits & 1:
                    raise DiffuscopeError(
                        f"{path} is damaged: its entry {info.filename!r} is doubled or encrypted; {GET_AGAIN}."
                    )
                entries[info.filename] = _place(file, info, path, size)
            return entries
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError, EOFError) as error:
        raise DiffuscopeError(f"{path} is damaged or cut short ({error}); get the file again.") from error


def _refuse_programs(path: Path, names: list[str]) -> None:
    """Refuse zip archives of torch that hold a program, and others, as what they are."""
    inner = {name.partition("/")[2] or name for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        what = "a TorchScript program"
    elif "archive_format" in inner or any(
        name.endswith("serialized_exported_program.json") for name in inner
    ):
        what = "a program that torch.export wrote"
    else:
        return
    raise DiffuscopeError(f"{path} was refused: it is {what}, of which nothing is run; {SAVE_WEIGHTS}.")


def _place(file: Any, info: zipfile.ZipInfo, path: Path, size: int) -> Entry:
    file.seek(info.header_offset)
    fields = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    start = info.header_offset + _LOCAL_HEADER.size + fields[-2] + fields[-1]
    if fields[0] != b"PK\x03\x04" or start + info.file_size > size:
        raise DiffuscopeError(
            f"{path} is damaged or cut short: its entry {info.filename!r} is incomplete; get it again."
        )
    return Entry(start, info.file_size, info.CRC)
