"""The catalogue: models that are known of, at hand or not. Free of torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.imaging.documents import read_json, read_toml
from napari_diffuscope.imaging.failures import reading, writing
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import Task, task_now
from napari_diffuscope.weights.folders import STARTERS, user_folder

CATALOGUE_FILE = Path(__file__).parent / "catalogue.toml"
OWN_ENTRIES = "catalogue.json"
"""Name of the file with entries of the user, in the folder of the user's models."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Entry:
    """A model that is known of.

    Parameters
    ----------
    name
        What it is called here, and its folder.
    title, purpose, training
        For people: what to call it, what it does to which images, what it was trained on.
    task
        Which method uses it; ``None`` where only its file can tell.
    address
        Where a program can get it: ``https://…``, ``doi:…/FILE``, ``hf:owner/name``, or a path; empty where there is
        no such place.
    sha256, size
        Of the file at the address, hexadecimal, and in bytes; empty and ``None`` where nobody here knows them.
    page
        Where people read about it and its licence.
    by_hand
        What to do where there is no address, or a login stands before it.
    licence, code_licence
        Of the weights and of the code that they come from: SPDX identifiers, ``unknown`` where nobody says.
    paper, citation
        Address of the paper; what to cite.
    pixel_size
        Smallest and largest pixel size of its training images in µm, where known.
    verified
        When and how the entry was tried; empty where it never was.
    sidecar
        What the file does not tell, as a sidecar file says it.
    shipped
        Whether it comes with the package.
    """

    name: str
    title: str = ""
    purpose: str = ""
    training: str = ""
    task: Task | None = None
    address: str = ""
    sha256: str = ""
    size: int | None = None
    page: str = ""
    by_hand: str = ""
    licence: str = "unknown"
    code_licence: str = ""
    paper: str = ""
    citation: tuple[str, ...] = ()
    pixel_size: tuple[float, float] | None = None
    verified: str = ""
    sidecar: dict[str, Any] = field(default_factory=dict)
    shipped: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DiffuscopeError(
                f"{quoted(self.name)} cannot be the name of a model; take up to 64 letters, digits, dots, _ and -."
            )
        if self.sha256 and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise DiffuscopeError(
                f"The sha256 of {self.name} must be 64 hexadecimal digits, not {quoted(self.sha256)}."
            )
        if self.task is not None:
            object.__setattr__(self, "task", task_now(self.task))

    @property
    def is_on_the_web(self) -> bool:
        """Whether getting it asks the web."""
        return bool(self.address) and kind_of(self.address) != "path"


@dataclass(frozen=True)
class Reference:
    """A paper: what tells it in a citation, and its BibTeX."""

    marks: tuple[str, ...]
    bibtex: str


@dataclass(frozen=True)
class _Document:
    format: int
    model: tuple[Entry, ...] = ()
    reference: tuple[Reference, ...] = ()


def kind_of(address: str) -> str:
    """``web``, ``doi``, ``hub`` or ``path``."""
    for start, kind in (("https://", "web"), ("http://", "web"), ("doi:", "doi"), ("hf:", "hub")):
        if address.lower().startswith(start):
            return kind
    return "path"


def published_entries() -> tuple[Entry, ...]:
    """The catalogue of the package: its own models, and published ones.

    Raises
    ------
    DiffuscopeError
        If the file is damaged.
    """
    return _package_catalogue().model


def references() -> tuple[Reference, ...]:
    """Papers whose BibTeX is known."""
    return _package_catalogue().reference


@lru_cache(maxsize=1)
def _package_catalogue() -> _Document:
    return parse(_Document, read_toml(CATALOGUE_FILE, "catalogue"), str(CATALOGUE_FILE))


def own_entries() -> tuple[Entry, ...]:
    """Entries that the user added.

    Raises
    ------
    DiffuscopeError
        If the file is damaged; it is named.
    """
    path = user_folder() / OWN_ENTRIES
    if not path.is_file():
        return ()
    with reading(path, "catalogue"):
        return parse(_Document, read_json(path, "catalogue"), str(path)).model


def all_entries() -> dict[str, Entry]:
    """Every entry by its name; the user's come before those of the package."""
    entries = {entry.name: entry for entry in own_entries()}
    for entry in published_entries():
        entries.setdefault(entry.name, entry)
    return entries


def add_entry(
    address: str | os.PathLike[str],
    *,
    name: str = "",
    sha256: str = "",
    title: str = "",
    task: Task | None = None,
    licence: str = "unknown",
    page: str = "",
    citation: tuple[str, ...] = (),
    overwrite: bool = False,
) -> Entry:
    """Add a model to the user's catalogue; nothing is downloaded yet.

    Parameters
    ----------
    address
        ``https://…``, ``doi:…/FILE``, ``hf:owner/name``, or the path of a file or model folder.
    name
        What to call it; by default the last part of the address.
    sha256
        Of the file there: what is downloaded is compared with it.
    title, task, licence, page, citation
        See `Entry`.
    overwrite
        Whether an entry of that name is replaced.

    Raises
    ------
    DiffuscopeError
        If the name is taken, or a value is wrong.
    """
    address = checked_address(os.fspath(address))
    name = name or name_from(address)
    entry = Entry(
        name=name, title=title or name, task=task, address=address, sha256=sha256.strip().lower(), page=page,
        licence=licence, citation=tuple(citation),
    )  # fmt: skip
    if (STARTERS / name).is_dir() or any(entry.name == name for entry in published_entries()):
        raise DiffuscopeError(f"{name!r} is a model of the catalogue already; give the new one another name.")
    others = [entry for entry in own_entries() if entry.name != name]
    if len(others) < len(own_entries()) and not overwrite:
        raise DiffuscopeError(
            f"You added a model {name!r} before; replace it with --overwrite (overwrite=True in Python), or give "
            "another name."
        )
    _store([*others, entry])
    return entry


def remove_entry(name: str) -> bool:
    """Take an entry out of the user's catalogue; whether there was one.

    Raises
    ------
    DiffuscopeError
        If the catalogue cannot be read or written.
    """
    others = [entry for entry in own_entries() if entry.name != name]
    if len(others) == len(own_entries()):
        return False
    _store(others)
    return True


def checked_address(address: str) -> str:
    """An address in its plain form.

    Raises
    ------
    DiffuscopeError
        If it is none, or holds a password.
    """
    kind = kind_of(address)
    if kind == "web":
        parts = urlsplit(address)
        if not parts.hostname or parts.username or parts.password:
            raise DiffuscopeError(
                f"{quoted(parts.hostname or address)} is no address that can be kept: it needs the name of a server, "
                "and no password in it."
            )
        return address
    if kind == "hub":
        if not re.fullmatch(r"hf:[\w.-]+/[\w.-]+(@[\w./-]+)?", address, re.IGNORECASE):
            raise DiffuscopeError(f"{quoted(address)} is no model of the hub; write hf:owner/name.")
        return address
    if kind == "doi":
        if not re.fullmatch(r"doi:10\.\d+/.+/[^/]+", address, re.IGNORECASE):
            raise DiffuscopeError(f"{quoted(address)} does not name a file; write doi:10.NUMBER/RECORD/FILE.")
        return address
    if re.match(r"[a-z][a-z0-9+.-]+://", address, re.IGNORECASE):
        raise DiffuscopeError(
            f"{quoted(address)} is no address that can be read; use https, doi:, hf: or a path."
        )
    path = Path(address).expanduser().absolute()
    if not path.exists():
        raise DiffuscopeError(f"There is no file or folder {path}.")
    return str(path)


def name_from(address: str) -> str:
    """A name for what lies at an address: its last part, without endings."""
    last = urlsplit(address).path if kind_of(address) == "web" else address.partition("@")[0]
    stem = re.sub(r"(\.tar)?\.(zip|tgz|gz|pt|pth|ckpt|bin|safetensors)$", "", Path(last).name)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64] or "model"


def _store(entries: list[Entry]) -> None:
    path = user_folder() / OWN_ENTRIES
    values = {"format": 1, "model": [_told(entry) for entry in entries]}
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def _told(entry: Entry) -> Mapping[str, Any]:
    """What an entry says beyond the defaults."""
    plain = asdict(Entry(entry.name))
    return {name: value for name, value in asdict(entry).items() if name == "name" or value != plain[name]}
