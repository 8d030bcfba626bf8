"""One result of every method, made in every way that there is: the same bits on a processor in float32.

Runs that were killed and gone on with are in ``tests/fuzz/test_faults.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_diffuscope import generate, predict_shapes, restore, superresolve
from napari_diffuscope.batches.api import run_batch
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from tests.fuzz.models import write_restoration
from tests.methods import generators, shape_models, superres_models


@dataclass(frozen=True)
class Case:
    """How a method is tried.

    Parameters
    ----------
    model
        Writes a small model into a folder.
    whole
        ``(folder, model)`` to its result in memory, in one piece.
    pieces
        Options of the command that cut the work into small pieces.
    options
        Other options of the command.
    image
        What it works on, if anything.
    ending
        Of the name of its result.
    batch
        How it is called of a batch.
    """

    model: Callable[[Path], Path]
    whole: Callable[[Path, str], np.ndarray]
    pieces: tuple[str, ...]
    options: tuple[str, ...] = ()
    image: str = "in.ome.tif"
    ending: str = ".ome.zarr"
    batch: dict[str, Any] = field(default_factory=dict)


def _stack(folder: Path) -> Path:
    return folder / "in.ome.tif"


CASES = {
    "restore": Case(
        write_restoration,
        lambda folder, model: restore(_stack(folder), model=model, mode="sample", steps=2).restored,
        ("--tile", "32", "--batch", "3"),
        ("--mode", "sample", "--steps", "2"),
        batch={"mode": "sample", "steps": 2},
    ),
    "superres": Case(
        superres_models.write_tiny,
        lambda folder, model: superresolve(_stack(folder), model=model, mode="sample", steps=2).superresolved,
        ("--block", "4,16,24", "--batch", "5"),
        ("--mode", "sample", "--steps", "2"),
        batch={"mode": "sample", "steps": 2},
    ),
    "shape": Case(
        shape_models.write_tiny,
        lambda folder, model: _shape(folder, model),
        ("--batch", "1"),
        ("--mode", "ensemble", "--samples", "2", "--steps", "2", "--probability"),
        "cells.tif",
        "",
        {
            "mode": "ensemble",
            "samples": 2,
            "steps": 2,
            "storing": {"probability": True},
            "others": {"labels": "labels.tif"},
        },
    ),
    "generate": Case(
        generators.write_generator,
        lambda folder, model: generate(model=model, number=3, size=96, steps=2).generated,
        ("--tile", "64", "--batch", "1"),
        ("--number", "3", "--size", "96", "--steps", "2"),
        "",
        ".ome.tif",
    ),
}


def _shape(folder: Path, model: str) -> np.ndarray:
    cells, labels = (tifffile.imread(folder / f"{name}.tif") for name in ("cells", "labels"))
    return predict_shapes(cells, labels, model=model, mode="ensemble", samples=2, steps=2)[7].probability


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pixels = np.random.default_rng(0).poisson(30, (4, 40, 72)).astype(np.uint16)
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.3}
    tifffile.imwrite(tmp_path / "in.ome.tif", pixels, metadata=metadata)
    cells, labels = shape_models.three_cells()
    tifffile.imwrite(tmp_path / "cells.tif", cells)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*words: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words), "--quiet"])
    assert not ended.value.code


def pixels_of(path: Path) -> np.ndarray:
    """Of a result, or of a cell in a folder of shapes."""
    if path.is_dir() and path.suffix != ".zarr":
        path = path / "7_probability.tif"
    return np.squeeze(np.asarray(open_image(path).data[...]))


@pytest.mark.parametrize("name", CASES)
def test_memory_files_pieces_and_batches_give_the_same_bits(name: str, folder: Path) -> None:
    case, model = CASES[name], str(CASES[name].model(folder / "model"))
    whole = np.squeeze(np.asarray(case.whole(folder, model)))
    source = [folder / case.image] if case.image else []
    words = [
        *case.options,
        "--model",
        model,
        *(["--labels", folder / "labels.tif"] if name == "shape" else []),
    ]
    for number, pieces in enumerate(((), case.pieces)):
        out = folder / f"out{number}{case.ending}"
        called(name, *source, out, *words, *pieces)
        assert np.array_equal(pixels_of(out), whole), pieces
    if case.image:
        report = run_batch(name, source, folder / "many", model=model, **case.batch)
        assert [row.state for row in report.rows] == ["done"]
        assert np.array_equal(pixels_of(Path(report.rows[0].result)), whole)
