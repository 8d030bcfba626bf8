"""A model of every method that is handed on and taken in again gives the same, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_diffuscope import generate, predict_shapes, restore, superresolve
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.exporting import export_model
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.place import ExportFormat
from napari_diffuscope.weights.trial import try_model
from tests.methods import generators, shape_models, superres_models
from tests.weights.test_trainer_files import recorded, trainer_file

PIXELS = np.random.default_rng(0).random((4, 32, 32), np.float32)
CELL = np.pad(np.ones((8, 8), np.uint8), 12)
FORMATS: tuple[ExportFormat, ...] = ("folder", "zip", "bioimageio")


def lucidrains(folder: Path) -> Path:
    """A file of a trainer, imported."""
    checkpoint = folder.with_name("model-7.pt")
    trainer_file(checkpoint, *recorded("2.3"))
    import_model(checkpoint, folder)
    return folder


def evaluated(folder: Path) -> list[np.ndarray]:
    _, arrays = recorded("2.3")
    with torch.inference_mode():
        return [load_model(folder).network(arrays["x"], arrays["t"]).numpy()]


def restored(folder: Path) -> list[np.ndarray]:
    return list(restore(PIXELS[0], model=folder, mode="sample", steps=2).outputs.values())


def superresolved(folder: Path) -> list[np.ndarray]:
    return [superresolve(PIXELS[:, :16, :16], model=folder, mode="sample", steps=2, zoom=2).superresolved]


def shaped(folder: Path) -> list[np.ndarray]:
    shapes = predict_shapes(PIXELS[0], CELL, model=folder, pixel_size=0.1, mode="sample", samples=1, steps=2)
    return [shapes.cells[0].probability]


def generated(folder: Path) -> list[np.ndarray]:
    return [generate(model=folder, number=1, size=64, steps=2).generated]


METHODS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], list[np.ndarray]]]] = {
    "superres": (superres_models.write_tiny, superresolved),
    "shape": (shape_models.write_tiny, shaped),
    "generate": (generators.write_generator, generated),
    "lucidrains": (lucidrains, evaluated),
}


def goes_round(tmp_path: Path, original: Path, run: Callable[[Path], list[np.ndarray]]) -> None:
    expected = run(original)
    assert all(np.ptp(array) > 0 for array in expected)
    for format in FORMATS:
        out = tmp_path / (format if format == "folder" else f"{format}.zip")
        export_model(original, out, format=format)
        back = tmp_path / f"{format}-back"
        import_model(out, back)
        for one, other in zip(expected, run(back), strict=True):
            np.testing.assert_array_equal(one, other)
        assert try_model(back).difference is not None, "an import stores what it is tested by"


@pytest.mark.parametrize("method", METHODS)
def test_a_model_comes_back_and_does_the_same(tmp_path: Path, method: str) -> None:
    write, run = METHODS[method]
    goes_round(tmp_path, write(tmp_path / "original"), run)


def test_a_restoration_model_comes_back_and_does_the_same(tmp_path: Path, tiny_model: Path) -> None:
    goes_round(tmp_path, tiny_model, restored)
