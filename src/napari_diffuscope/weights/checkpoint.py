"""A file of weights, whatever wrote it: the names and shapes of its tensors, and the tensors on demand."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import reading
from napari_diffuscope.weights.pickle_records import Inert, TensorRecord
from napari_diffuscope.weights.safe_pickle import MOST_BYTES, read_pickle
from napari_diffuscope.weights.tables import WeightTable, settings_beside, weight_tables
from napari_diffuscope.weights.tensors import load_stored, stored_shapes
from napari_diffuscope.weights.torch_file import TorchFile
from napari_diffuscope.weights.unpack import is_archive
from napari_diffuscope.weights.ways_on import CHOOSE_WEIGHTS, GET_AGAIN, SAVE_WEIGHTS

_LARGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class Checkpoint:
    """An opened file of weights.

    Parameters
    ----------
    path
        The file, or the folder of a diffusers model.
    layout
        What wrote it, in words: ``state dict``, ``Lightning checkpoint``, ``safetensors``.
    shapes
        Shape of every tensor by its name in the file.
    open
        Gives a tensor by name: a view of the mapped file.
    notes
        Plain data that lies beside the weights (``epoch``, ``global_step``).
    settings
        Settings of the training that lie beside them, by name: hints, and no more.
    strange
        By place of a table of weights (empty for a bare state dict): the sentence about what lies in it and is none.
    """

    path: Path
    layout: str
    shapes: Mapping[str, tuple[int, ...]]
    open: Callable[[str], Tensor]
    notes: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    strange: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a file of weights without running anything in it.

    Parameters
    ----------
    path
        A safetensors file, or what ``torch.save`` wrote (``.pt``, ``.pth``, ``.ckpt``, ``.bin``): a bare state dict, a
        Lightning checkpoint, or any dictionary of a trainer that has tables of weights in it. The name of a tensor has
        the place of its table before it, as in ``ema:ema_model.model.init_conv.weight``.

    Raises
    ------
    DiffuscopeError
        If it is something else, is damaged, or needs code to be opened.
    """
    if path.exists() and not path.is_file():
        raise DiffuscopeError(f"{path} is no file of weights: it is a folder or a device; {CHOOSE_WEIGHTS}.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise DiffuscopeError(
            f"{path} cannot be read: {error.strerror or error}; check that it may be read."
        ) from error
    if not size:
        raise DiffuscopeError(f"{path} is empty; get the file again.")
    if path.suffix.lower() == ".safetensors" or _looks_like_safetensors(head, size):
        return _read_safetensors(path, head, size)
    if is_archive(path):
        raise DiffuscopeError(
            f"{path} is an archive: make a model of it with `diffuscope models import {path.name} --out FOLDER`."
        )
    if head.startswith(b"PK"):
        return _read_torch(path)
    if head.startswith(b"\x80") and size <= MOST_BYTES:
        read_pickle(path.read_bytes(), str(path))  # says so if it is there to run code
    kind = _kind_of(head)
    way_on = "" if ";" in kind else f"; {CHOOSE_WEIGHTS}"
    raise DiffuscopeError(f"{path} was refused: it is {kind}{way_on}.")


def _looks_like_safetensors(head: bytes, size: int) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] <= size - 8


def _read_safetensors(path: Path, head: bytes, size: int) -> Checkpoint:
    if len(head) < 8 or struct.unpack("<Q", head[:8])[0] > min(size - 8, _LARGEST_HEADER):
        raise DiffuscopeError(
            f"{path} is no safetensors file, or is cut short: its table of contents does not fit into it; get it again."
        )
    with reading(path, "safetensors"):
        try:
            shapes = stored_shapes(path)
        except SafetensorError as error:
            raise DiffuscopeError(
                f"{path} is damaged, or no safetensors file ({error}); {GET_AGAIN}."
            ) from error

    @cache
    def tensors() -> dict[str, Tensor]:
        with reading(path, "safetensors"):
            return load_stored(path, shapes)

    return Checkpoint(path, "safetensors", shapes, lambda name: tensors()[name], {})


def _read_torch(path: Path) -> Checkpoint:
    file = TorchFile(path)
    contents = file.contents()
    if not isinstance(contents, dict):
        raise DiffuscopeError(
            f"{path} was refused: it holds {_in_words(contents)}, not weights; {SAVE_WEIGHTS}."
        )
    tables = weight_tables(contents)
    records = {table.full_name(name): record for table in tables for name, record in table.records.items()}
    if not records:
        raise DiffuscopeError(_no_weights(path, contents))

    def open_tensor(name: str) -> Tensor:
        return file.tensor(records[name], name)

    plain = {key: value for key, value in contents.items() if isinstance(value, str | int | float)}
    return Checkpoint(
        path,
        _layout(tables),
        {name: record.shape for name, record in records.items()},
        open_tensor,
        {key: value for key, value in plain.items() if isinstance(key, str)},
        settings_beside(contents),
        {table.place: _strange_in(table, path) for table in tables},
    )


def _layout(tables: list[WeightTable]) -> str:
    places = [table.place for table in tables]
    if "state_dict" in places:
        return "Lightning checkpoint"
    return (
        "state dict" if places == [""] else f"dictionary of a trainer ({', '.join(filter(None, places[:4]))})"
    )


def _strange_in(table: WeightTable, path: Path) -> str:
    """The sentence about what lies among the weights and is none; empty if nothing does."""
    number = str | int | float | bool | None
    strange = {
        name: value for name, value in table.others.items() if not (table.place and isinstance(value, number))
    }
    if not strange:
        return ""
    name, value = next(iter(strange.items()))
    return f"{path} was refused: it holds more than weights: {name} is {_in_words(value)}; {SAVE_WEIGHTS}."


def _no_weights(path: Path, contents: dict[Any, Any]) -> str:
    if "param_groups" in contents:
        return f"{path} holds the state of an optimiser, not weights; open the model that was saved with it."
    table = contents.get("state_dict", contents)
    for name, value in table.items() if isinstance(table, dict) else ():
        if not isinstance(value, str | int | float | dict | None):
            return f"{path} was refused: it holds no weights, but {name}, {_in_words(value)}; {SAVE_WEIGHTS}."
    return f"{path} holds no weights; {CHOOSE_WEIGHTS}."


def _in_words(value: Any) -> str:
    match value:
        case Inert():
            return str(value)
        case TensorRecord():
            return "a single tensor"
        case dict() | list() | tuple() | set():
            return f"a {type(value).__name__} of {len(value)} entries"
        case _:
            return f"a value of type {type(value).__name__}"


_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image, not a file of weights"),
    (b"\x89HDF", "an HDF5 file (Keras?), not weights of torch"),
    (b"\xff\xd8\xff", "a JPEG image, not a file of weights"),
    (b"II*\0", "a TIFF image, not a file of weights"),
    (b"MM\0*", "a TIFF image, not a file of weights"),
    (b"II+\0", "a TIFF image, not a file of weights"),
    (b"\x93NUMPY", "a NumPy array, not a file of weights"),
    (b"7z\xbc\xaf", "a packed archive (7z); unpack it and open the file in it"),
    (b"Rar!", "a packed archive (rar); unpack it and open the file in it"),
    (b"version https://git-lfs", "a note of Git LFS in place of the file; get the file itself"),
    (b"GGUF", "a GGUF file of a language model, not weights of torch"),
    (b"<", "a web page or XML, not a file of weights; open its page in a browser and download it there"),
    (b"%PDF", "a PDF document, not a file of weights"),
)

_OLD = "of a format of before torch 1.6; load it in torch with weights_only=True and save the weights again"


def _kind_of(head: bytes) -> str:
    """What a file is that cannot be opened, in words."""
    if b"\x12\x07pytorch" in head[:40] or b"onnx" in head[:40]:
        return f"an ONNX network, which is a program; {SAVE_WEIGHTS}"
    for magic, words in _KINDS:
        if head.startswith(magic):
            return words
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        return _OLD
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return f"none of the known files of weights, or damaged; {GET_AGAIN}, or {CHOOSE_WEIGHTS}"
    if "\0" in text:
        return f"none of the known files of weights, or damaged; {GET_AGAIN}, or {CHOOSE_WEIGHTS}"
    return "text, not a file of weights" if text.isprintable() or "\n" in text else _OLD
