"""Loading torch while the window goes on: once per session, in a worker, which takes seconds.

A plain ``import torch`` stops all other threads twice for a good part of a second: while the system loads libraries,
for which Python lets no other thread run, and while Python looks through the half million objects that are new for
what may be thrown away.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_once = threading.Lock()


def load_torch() -> None:
    """Import torch in the thread that calls, while the others go on."""
    with _once:  # where two jobs start at once, one waits here
        if "torch" not in sys.modules:
            with _libraries_beforehand(), _without_collections():
                import torch  # noqa: F401


class _LibraryLoader:
    """Has the system load torch's libraries when torch is about to, after what it prepares for them.

    Then the import finds them loaded. A finder of modules that finds none: Python asks it before it imports one.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "torch._C" and path is not None:
            for folder in path:
                load_library(Path(folder) / "lib" / "libtorch.so", sys.getdlopenflags())
        return None


@contextmanager
def _libraries_beforehand() -> Iterator[None]:
    """Load libraries in a way that lets other threads run; on Linux alone, where they are the largest."""
    if not sys.platform.startswith("linux"):
        yield
        return
    loader, package = _LibraryLoader(), find_spec("torch")
    for folder in (package and package.submodule_search_locations) or ():  # what torch itself begins with
        load_library(Path(folder) / "lib" / "libtorch_global_deps.so", os.RTLD_GLOBAL | os.RTLD_NOW)
    sys.meta_path.insert(0, loader)
    try:
        yield
    finally:
        sys.meta_path.remove(loader)


def load_library(library: Path, flags: int) -> bool:
    """Load a library by the system's own function, which, unlike Python's, lets other threads run meanwhile.

    Parameters
    ----------
    library
        May be absent, or not loadable: whoever imports what needs it says so better.
    flags
        As for :func:`sys.setdlopenflags`.

    Returns
    -------
    bool
        Whether it is loaded, for as long as the process lives.
    """
    if not library.is_file():
        return False
    try:
        dlopen = ctypes.CDLL(None).dlopen
    except (OSError, AttributeError):
        return False
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    return dlopen(os.fsencode(library), flags) is not None


@contextmanager
def _without_collections() -> Iterator[None]:
    """Keep Python from looking for garbage, and let what is made meanwhile count as old afterwards.

    Young objects would be looked through at once, all of them; old ones when there are a quarter more of them.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # else objects that somebody else put aside would come back
            gc.freeze()
            gc.unfreeze()
        gc.enable()
