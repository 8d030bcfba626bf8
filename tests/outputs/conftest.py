"""Real files, small models and the real command, for tests of what is written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope.cli import main
from tests.methods import shape_models, superres_models

Command = Callable[..., int]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command line; its exit code. Refusals must be one sentence on stderr."""

    def run(*words: Any) -> int:
        capsys.readouterr()
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        else:
            code = 0
        run.said = capsys.readouterr().err.strip()  # type: ignore[attr-defined]
        if code == 1:
            last = run.said.splitlines()[-1]  # type: ignore[attr-defined]
            assert last.startswith("diffuscope: ")
            assert last.endswith(".")
        return code

    return run


def contents(*folders: Path) -> dict[Path, bytes]:
    """Every file in some folders and what is in it."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def hidden(folder: Path) -> list[str]:
    """Hidden files and folders, at any depth."""
    return sorted(path.name for path in folder.rglob(".*"))


@pytest.fixture(scope="session")
def slices_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(superres_models.write_tiny(tmp_path_factory.mktemp("models") / "tiny-slices"))


@pytest.fixture(scope="session")
def shapes_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(shape_models.write_tiny(tmp_path_factory.mktemp("models") / "tiny-shapes"))


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A stack (Z, Y, X) with steps."""
    path = tmp_path / "stack.ome.tif"
    pixels = np.random.default_rng(0).poisson(30, (4, 20, 24)).astype(np.uint16)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeY": 0.2, "PhysicalSizeZ": 0.6}
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata)
    return path


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Path, Path]:
    """An image of three cells and its labels."""
    image, labels = shape_models.three_cells()
    paths = tmp_path / "cells.tif", tmp_path / "labels.tif"
    tifffile.imwrite(paths[0], image)
    tifffile.imwrite(paths[1], labels)
    return paths


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes an empty disk of so many kB; skips where that is not allowed."""
    mounted = []

    def mount(size: int) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)]
        try:
            done = subprocess.run(words, capture_output=True, check=False)
        except OSError:
            pytest.skip("a small disk cannot be mounted here")
        if done.returncode:
            pytest.skip("a small disk may not be mounted here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
