"""Getting a model of the catalogue: from the web, a hub or a path, checked, and made a model folder in the cache."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from napari_diffuscope.atomic import replace_text
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import name_of, writing
from napari_diffuscope.imaging.outputs import check_folder
from napari_diffuscope.jobs import Job, Update, relayed, run
from napari_diffuscope.locks import only_one
from napari_diffuscope.shared_preferences import CACHE_VARIABLE, cache_folder, why_offline
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE
from napari_diffuscope.weights.catalogue import find_listed
from napari_diffuscope.weights.checksums import hashed
from napari_diffuscope.weights.doi import resolved
from napari_diffuscope.weights.entries import Entry, add_entry, all_entries, kind_of, name_from
from napari_diffuscope.weights.hub import fetch_from_hub
from napari_diffuscope.weights.place import ORIGIN_FILE, TRIAL_FILE
from napari_diffuscope.weights.web import fetch, forget, host_of

ARRIVING = ".arriving"
"""Folder in the cache for what has not arrived yet."""

LOCK_PATIENCE = 600.0
"""Seconds that a process waits for another one that gets or removes the same model."""

_POLL = 0.05


def download_model(
    name_or_address: str,
    *,
    name: str = "",
    sha256: str = "",
    on_update: Callable[[Update], None] | None = None,
) -> Path:
    """Get a model of the catalogue, or one from an address, which is added to the catalogue.

    Parameters
    ----------
    name_or_address
        A name of the catalogue, or ``https://…``, ``doi:…/FILE``, ``hf:owner/name``, or a path.
    name, sha256
        For an address: what to call the model, and the checksum of the file there.
    on_update
        Called with every update.

    Returns
    -------
    Path
        The model folder, in the cache.

    Raises
    ------
    DiffuscopeError
        As :func:`download_job`.
    """
    return run(download_job(name_or_address, name=name, sha256=sha256), on_update)


def download_job(name_or_address: str, *, name: str = "", sha256: str = "") -> Job[Path]:
    """The job that gets a model; its work is counted in bytes.

    What has arrived is kept when the job is closed or the connection is cut, and gone on with at the next time. A model
    that is there already is not got again. Two processes that get or remove the same model take turns.

    Parameters
    ----------
    name_or_address, name, sha256
        As of :func:`download_model`.

    Raises
    ------
    DiffuscopeError
        If there is no such model, nobody may go to the web, the web does not give it, it is not the file that the
        catalogue means, there is no room, or it cannot be opened.
    """
    entry = _entry_of(name_or_address, name, sha256)
    cache = cache_folder()
    folder = cache / entry.name
    if _is_whole(folder) and not os.access(cache, os.W_OK):
        return folder  # of a cache that another one fills; nobody can take turns in it
    yield Update(0, 0, f"Getting {entry.title or entry.name}")
    _check_cache(cache)
    with ExitStack() as turn:
        yield from relayed(waiting_turn(turn, cache, entry.name), lambda _: _WAITING)
        if _is_whole(folder):
            return folder
        if reason := (entry.is_on_the_web and kind_of(entry.address) != "hub" and why_offline()):
            raise DiffuscopeError(
                f"{entry.name} is not downloaded, for {reason}: the web may not be asked. Allow it, or import the "
                "file from somewhere else."
            )
        source = yield from _arrived(entry, cache / ARRIVING / entry.name)
        yield Update(1, 1, "Reading the weights")
        _make_folder(source, folder, entry)
        if source.is_relative_to(cache / ARRIVING):
            _clear(cache / ARRIVING / entry.name)
    return folder


def _check_cache(cache: Path) -> None:
    """Refuse a folder for downloads that takes none, and say which choice names another one."""
    try:
        check_folder(cache)
    except DiffuscopeError as error:
        raise DiffuscopeError(
            f"{str(error).partition(';')[0]}, and it is the folder for downloads; name another one with "
            f"{CACHE_VARIABLE}, or in the window under File › Preferences › Plugins › Diffuscope."
        ) from None


_WAITING = Update(0, 0, "Another process gets or removes this model; waiting for it")


def _entry_of(name_or_address: str, name: str, sha256: str) -> Entry:
    """What to get; an address that is new becomes an entry of the user."""
    entries = all_entries()
    if name_or_address in entries and not (name or sha256):
        entry = entries[name_or_address]
    elif kind_of(name_or_address) != "path" or os.path.exists(name_or_address):
        wanted = name or name_from(name_or_address)
        entry = add_entry(
            name_or_address, name=wanted, sha256=sha256, overwrite=_same(entries.get(wanted), name_or_address)
        )
    else:
        find_listed(name_or_address)  # says which there are
        raise DiffuscopeError(f"{name_or_address} is at hand already; nothing has to be downloaded.")
    if not entry.address:
        if entry.shipped:
            raise DiffuscopeError(f"{entry.name} comes with the package; nothing has to be downloaded.")
        raise DiffuscopeError(f"{entry.name} cannot be downloaded: {entry.by_hand}")
    return entry


def _same(entry: Entry | None, address: str) -> bool:
    return entry is not None and entry.address == address


def waiting_turn(
    turn: ExitStack, cache: Path, name: str, *, patience: float = LOCK_PATIENCE
) -> Generator[None, None, None]:
    """Wait until no other process gets or removes the same model; then nobody else does until ``turn`` is closed.

    Parameters
    ----------
    turn
        Holds the lock.
    cache, name
        The folder, and the model in it.
    patience
        Seconds to wait.

    Raises
    ------
    DiffuscopeError
        If the other one takes longer, or the folder may not be written to.
    """
    check_folder(cache)
    with writing(cache):
        cache.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    while True:
        try:
            with writing(cache):
                turn.enter_context(only_one(cache, f"{name}.turn"))
            return
        except DiffuscopeError as error:
            if error.__cause__ is not None:
                raise
            if time.monotonic() - began > patience:
                raise DiffuscopeError(
                    f"Another process gets or removes {name} and does not come to an end; stop it, then try again."
                ) from None
        yield
        time.sleep(_POLL)


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (CARD_FILE, WEIGHTS_FILE))


def _arrived(entry: Entry, place: Path) -> Job[Path]:
    """The file or folder of an entry, on this computer and checked."""
    kind = kind_of(entry.address)
    if kind == "hub":
        return (yield from fetch_from_hub(entry.address, offline=why_offline()))
    if kind == "path":
        source = Path(entry.address)
        if not source.exists():
            raise DiffuscopeError(f"There is no file or folder {source} any more; put it back.")
        if entry.sha256 and source.is_file():
            yield from _checked(source, entry, forget_it=False)
        return source
    address = entry.address if kind == "web" else (yield from resolved(entry.address))
    part = place / (Path(entry.address.partition("?")[0]).name or "model")
    if part.suffix == "":
        part = part.with_name("model")
    counted = relayed(
        fetch(address, part, name=entry.name, checked=bool(entry.sha256)),
        lambda bytes_of: Update(
            bytes_of[0], bytes_of[1] or entry.size or 0, f"Downloading from {host_of(address)}"
        ),
    )
    yield from counted
    if entry.sha256:
        yield from _checked(part, entry, forget_it=True)
    return part


def _checked(file: Path, entry: Entry, *, forget_it: bool) -> Job[None]:
    """Refuse a file that is not the one that the catalogue means."""
    digest = yield from relayed(hashed(file), lambda done: Update(*done, "Comparing the checksum"))
    if digest == entry.sha256:
        return
    if forget_it:
        forget(file)
    raise DiffuscopeError(
        f"What came for {entry.name} is another file than the catalogue means (sha256 {digest[:12]}…, not "
        f"{entry.sha256[:12]}…): damaged on the way, or replaced. It is not used; try again, or correct the entry."
    )


def _make_folder(source: Path, folder: Path, entry: Entry) -> None:
    """Make a model folder of what came, with what the catalogue says of it."""
    from napari_diffuscope.weights.describe import import_model
    from napari_diffuscope.weights.trial import store_trial

    if entry.sidecar and source.is_file():
        beside = source.with_name(source.name + ".json")
        with writing(beside):
            beside.write_text(json.dumps(entry.sidecar), encoding="utf-8")
    try:
        import_model(source, folder, overwrite=folder.exists())
    except DiffuscopeError as error:
        raise DiffuscopeError(
            f"{name_of(source)} has arrived, but cannot be used as it is: {error}"
        ) from error
    if not (folder / TRIAL_FILE).is_file():
        store_trial(folder)
    origin = {
        "address": entry.address,
        "sha256": entry.sha256,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with writing(folder):
        replace_text(folder / ORIGIN_FILE, json.dumps(origin, indent=2) + "\n")


def _clear(place: Path) -> None:
    """Delete what arrived, once it is a model folder."""
    with suppress(OSError):
        for file in place.iterdir():
            file.unlink()
        place.rmdir()
        place.parent.rmdir()
