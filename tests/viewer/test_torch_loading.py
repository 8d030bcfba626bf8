"""Torch is loaded in a way that lets the window go on, whatever torch it is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import _safetensors_rust

LIKE_TORCH = "from torch import _C\n"
LIKE_ITS_LIBRARY = """
import gc, sys
from pathlib import Path
assert not gc.isenabled()
loaded = "libtorch.so" in Path("/proc/self/maps").read_text() if sys.platform == "linux" else None
"""
LOAD = """
import gc, sys
before = list(sys.meta_path)
from napari_diffuscope.viewer.torch_loading import load_torch
load_torch()
load_torch()
import torch
assert gc.isenabled() and gc.get_freeze_count() == 0 and sys.meta_path == before
print(torch._C.loaded)
"""


def load_like_torch(place: Path, library: Path | None) -> str:
    """What is said of a package that is built as torch is, loaded in a process of its own."""
    (place / "torch" / "lib").mkdir(parents=True)
    (place / "torch" / "__init__.py").write_text(LIKE_TORCH)
    (place / "torch" / "_C.py").write_text(LIKE_ITS_LIBRARY)
    if library is not None:
        shutil.copy(library, place / "torch" / "lib" / "libtorch.so")
    script = f"import sys; sys.path.insert(0, {str(place)!r})\n{LOAD}"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are loaded beforehand on Linux alone")
def test_its_libraries_are_there_when_it_is_imported(tmp_path: Path) -> None:
    assert load_like_torch(tmp_path, Path(_safetensors_rust.__file__)) == "True"


@pytest.mark.parametrize("broken", [True, False])
def test_a_torch_without_such_a_library_is_imported_as_ever(tmp_path: Path, broken: bool) -> None:
    (tmp_path / "broken.so").write_bytes(b"no library")
    assert load_like_torch(tmp_path, tmp_path / "broken.so" if broken else None) != "True"


COLLECTED = """
import gc
from napari_diffuscope.viewer.torch_loading import _without_collections
collections = []
note = lambda phase, about: collections.append(phase)
gc.callbacks.append(note)
with _without_collections():
    made = [[number] for number in range(100_000)]
gc.callbacks.remove(note)
young = {id(one) for one in gc.get_objects(generation=0)}
print(collections, gc.isenabled(), bool(young.intersection(map(id, made))))
"""


def test_nothing_is_collected_meanwhile_and_what_was_made_counts_as_old() -> None:
    """In a process of its own: objects of this one may have been put aside."""
    run = subprocess.run(
        [sys.executable, "-c", COLLECTED], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.stdout.strip() == "[] True False", run.stderr
