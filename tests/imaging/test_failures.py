"""Whatever goes wrong while a file is read ends in one sentence that names it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_diffuscope.errors import DiffuscopeError, OutOfMemory, quoted
from napari_diffuscope.imaging.documents import read_json, read_toml
from napari_diffuscope.imaging.failures import reading


def sentence_of(path: Path, action: Callable[[], object], kind: str = "TIFF") -> str:
    """The one sentence that an action on a file ends in."""
    with pytest.raises(DiffuscopeError) as caught, reading(path, kind):
        action()
    sentence = str(caught.value)
    assert path.name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) <= 300
    return sentence


def raises(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("error during blosc decompression: -1"),
        ZeroDivisionError("division by zero"),
        RecursionError("maximum recursion depth exceeded"),
        SyntaxError("unexpected token"),
        OverflowError("int too large"),
        MemoryError("Unable to allocate 149. GiB"),
        ModuleNotFoundError("No module named 'backports.zstd'"),
        EOFError(),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        OSError(40, "Too many levels of symbolic links"),
        StopIteration(),
        KeyError("shape"),
        ValueError("long " * 5000),
        ValueError("two\nlines \udc80"),
        Mute(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_library_raises_becomes_a_sentence(tmp_path: Path, error: Exception) -> None:
    sentence_of(tmp_path / "cells.tif", raises(error)).encode("utf-8")


def test_a_fault_of_a_library_in_rust_becomes_a_sentence(tmp_path: Path) -> None:
    panic = type("PanicException", (BaseException,), {})("called `Option::unwrap()`")
    sentence_of(tmp_path / "cells.zarr", raises(panic))


@pytest.mark.parametrize("wish", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_the_wish_to_stop_passes(tmp_path: Path, wish: type[BaseException]) -> None:
    with pytest.raises(wish), reading(tmp_path / "cells.tif", "TIFF"):
        raise wish


def test_a_sentence_that_names_no_file_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "cells.tif"
    assert "The scale is wrong." in sentence_of(path, raises(DiffuscopeError("The scale is wrong.")))
    with pytest.raises(OutOfMemory), reading(path, "TIFF"):
        raise OutOfMemory("No tile fits.")


def test_paths_of_any_length_leave_room_for_the_reason(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["a long folder"] * 60) / "cells.tif"
    assert "No such chunk" in sentence_of(path, raises(ValueError("No such chunk")))


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    done: list[str] = []

    def read() -> None:
        done.append(sentence_of(tmp_path / "pipe.json", lambda: read_json(tmp_path / "pipe.json")))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert done, "a pipe was opened and waited for"
    assert "is a pipe" in done[0]
    (tmp_path / "zero.json").symlink_to("/dev/zero")
    assert "is a device" in sentence_of(tmp_path / "zero.json", lambda: None)


def test_links_in_a_circle_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to(tmp_path / "b.json")
    (tmp_path / "b.json").symlink_to(tmp_path / "a.json")
    with pytest.raises(DiffuscopeError, match=r"a\.json.* is a link that leads back to itself"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("[" * 500 + "]" * 500, "nested more than"),
        ('{"a": ' * 100 + "1" + "}" * 100, "nested more than"),
        ("1" * 5000, "4300 digits"),
        ('{"steps": 1, "steps": 2}', "'steps' twice"),
        ('{"title": "\\ud800"}', "half of a character"),
        ("", "not valid JSON"),
        ("\x00", "not valid JSON"),
    ],
)
def test_json_is_read_strictly(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    assert reason in sentence_of(path, lambda: read_json(path))


@pytest.mark.parametrize("text", ["a = ", "a = " + "[" * 5000, "a = " + "1" * 5000, "a = 1\na = 2"])
def test_toml_is_read_strictly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    assert "not valid TOML" in sentence_of(path, lambda: read_toml(path))


def test_other_bytes_than_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_bytes(b"\xff\xfe{")
    assert "no text in UTF-8" in sentence_of(path, lambda: read_json(path))


def test_values_of_any_length_are_quoted_shortly() -> None:
    for value in ("x" * 10**6, 10**5000, [1] * 10**6, {"a": "b" * 5000}, "\ud800", object()):
        text = quoted(value)
        assert len(text) <= 60
        text.encode("utf-8")
    assert len(str(DiffuscopeError("x" * 5000 + " end"))) <= 300
    assert str(DiffuscopeError("x" * 5000 + " the end.")).endswith("the end.")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("image", "an image file"),
        ("TIFF", "a TIFF file"),
        ("ND2", "an ND2 file"),
        ("OME-Zarr", "an OME-Zarr file"),
        ("NIfTI", "a NIfTI file"),
        ("training images", "a file of training images"),
    ],
)
def test_kinds_of_files_have_their_article(tmp_path: Path, kind: str, words: str) -> None:
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(DiffuscopeError, match=f"cannot be read as {words} "), reading(tmp_path / "x", kind):
        raise ValueError("damaged")
    with pytest.raises(DiffuscopeError, match=f"a folder, not {words};"), reading(tmp_path, kind):
        tmp_path.open()
