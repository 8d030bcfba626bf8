"""Models of the Hugging Face hub, with the extra ``hub``: only the files that are needed. Free of torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, one_line, shortened
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE
from napari_diffuscope.weights.place import MODEL_FOLDER_FILES

_POLL = 0.1
_SINGLE = (".safetensors", ".pt", ".pth", ".ckpt")


class _Left(Exception):
    """Nobody waits any more."""


def needed_files(names: Sequence[str]) -> list[str]:
    """Which files of a repository make a model: a model folder, a diffusers folder, or one checkpoint.

    Parameters
    ----------
    names
        All files, with ``/`` between folders.

    Raises
    ------
    DiffuscopeError
        If none of these is there, or several checkpoints are.
    """
    if CARD_FILE in names and WEIGHTS_FILE in names:
        return [name for name in MODEL_FOLDER_FILES if name in names]
    if "model_index.json" in names or ("config.json" in names and _weights_in(names, "")):
        folders = ("unet", "scheduler") if "model_index.json" in names else ("", "scheduler")
        configurations = [n for n in names if n.endswith(".json") and _folder_of(n) in ("", *folders)]
        return configurations + _weights_in(names, folders[0])
    single = [name for name in names if name.endswith(_SINGLE) and "/" not in name]
    if len(single) == 1:
        return single + [name for name in (f"{single[0]}.json",) if name in names]
    if not single:
        raise DiffuscopeError(
            "It holds no model that is known: neither a model folder, nor one of diffusers, nor a checkpoint."
        )
    raise DiffuscopeError(
        f"It holds {len(single)} checkpoints ({', '.join(single[:3])}); download one in a browser and import it."
    )


def _folder_of(name: str) -> str:
    parent = str(PurePosixPath(name).parent)
    return "" if parent == "." else parent


def _weights_in(names: Sequence[str], folder: str) -> list[str]:
    """The weights in a folder: safetensors before pickles, full precision before half."""
    for ending in (".safetensors", ".bin"):
        there = [name for name in names if _folder_of(name) == folder and name.endswith(ending)]
        full = [
            name for name in there if not any(part in ("fp16", "bf16", "non_ema") for part in name.split("."))
        ]
        if full or there:
            return full or there
    return []


def fetch_from_hub(address: str, *, offline: str) -> Job[Path]:
    """Get a model of the hub into the hub's own cache.

    Parameters
    ----------
    address
        ``hf:owner/name``, or ``hf:owner/name@revision``.
    offline
        Why nothing may be asked of the web; then only what the hub's cache has is taken. ``HF_HUB_OFFLINE`` does the
        same.

    Returns
    -------
    Path
        A folder in the hub's cache, or the one checkpoint in it.

    Raises
    ------
    DiffuscopeError
        If the extra is missing, or the hub does not give the model away.
    """
    try:
        from huggingface_hub import constants
    except ImportError as error:
        raise DiffuscopeError(
            f"{address} needs the package huggingface_hub; run: pip install 'napari-diffuscope[hub]'"
        ) from error
    repository, _, revision = address[len("hf:") :].partition("@")
    if offline or constants.HF_HUB_OFFLINE:
        return _from_cache(repository, revision, offline or "HF_HUB_OFFLINE says so")
    yield Update(0, 0, f"Asking the hub for {repository}")
    fetching = _Fetching(repository, revision)
    try:
        while fetching.thread.is_alive():
            yield Update(fetching.done, fetching.total, f"Downloading {repository} from the hub")
            fetching.thread.join(_POLL)
    finally:
        fetching.left.set()
    if fetching.error is not None:
        raise _explained(fetching.error, repository) from fetching.error
    assert fetching.place is not None
    return fetching.place


def _from_cache(repository: str, revision: str, why: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
    except Exception as error:
        raise DiffuscopeError(
            f"{repository} is not in the cache of the hub, and {why}: nothing may be asked of the web. Allow it, or "
            "import the files from somewhere else."
        ) from error
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return _place_of(folder, needed_files(names))


def _place_of(folder: Path, files: Sequence[str]) -> Path:
    single = [name for name in files if name.endswith(_SINGLE)]
    alone = (
        len(single) == 1
        and CARD_FILE not in files
        and "config.json" not in files
        and "model_index.json" not in files
    )
    return folder / single[0] if alone else folder


class _Fetching:
    """Gets the files in a thread, since the hub's library cannot be asked to pause."""

    def __init__(self, repository: str, revision: str) -> None:
        self.done = self.total = 0
        self.left = threading.Event()
        self.error: Exception | None = None
        self.place: Path | None = None
        self._wanted = (repository, revision or None)
        self.thread = threading.Thread(target=self._run, daemon=True, name="diffuscope-hub")
        self.thread.start()

    def _run(self) -> None:
        try:
            self.place = self._fetch()
        except Exception as error:  # told where somebody waits
            self.error = error

    def _fetch(self) -> Path:
        from huggingface_hub import HfApi, hf_hub_download

        repository, revision = self._wanted
        endpoint = os.environ.get("HF_ENDPOINT")
        facts = HfApi(endpoint=endpoint).model_info(repository, revision=revision, files_metadata=True)
        sizes = {each.rfilename: each.size or 0 for each in facts.siblings or ()}
        files = needed_files(list(sizes))
        self.total = sum(sizes[name] for name in files)
        paths = [
            hf_hub_download(
                repository, name, revision=revision, endpoint=endpoint, tqdm_class=self._bar_class()
            )
            for name in files
        ]
        return _place_of(Path(paths[0]).parents[files[0].count("/")], files)

    def _bar_class(self) -> Any:
        from huggingface_hub.utils import tqdm

        fetching = self

        class Counter(tqdm):  # type: ignore[misc,type-arg,unused-ignore]
            """Counts bytes, shows nothing, and stops when nobody waits."""

            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **{**options, "disable": True})
                fetching.done += int(options.get("initial") or 0)

            def update(self, n: float | None = 1) -> bool | None:
                if fetching.left.is_set():
                    raise _Left
                fetching.done += int(n or 0)
                return None

        return Counter


def _explained(error: Exception, repository: str) -> DiffuscopeError:
    """One sentence for what the hub's library raised."""
    if isinstance(error, DiffuscopeError):
        return DiffuscopeError(f"{repository}: {error}")
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return DiffuscopeError(
            f"{repository} is for those who accept its terms; do so on its page, and sign in with: hf auth login"
        )
    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return DiffuscopeError(
            f"The hub has no model {repository}, or it is private; check the name, or sign in with: hf auth login"
        )
    if isinstance(error, OSError) and error.errno == 28:
        return DiffuscopeError(
            f"The disk is full; make room for {repository}, or set HF_HOME to another one."
        )
    said = shortened(one_line(error), 90) or type(error).__name__
    return DiffuscopeError(
        f"The hub does not give {repository} away ({said}); check the connection and try again."
    )
