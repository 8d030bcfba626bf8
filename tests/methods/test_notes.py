"""What the user must be told of how an image was read: by every method, once, and in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_diffuscope import predict_shapes, restore, superresolve
from napari_diffuscope.imaging.blocks import in_standard_order
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import Update
from tests.methods.shape_models import disc, write_tiny
from tests.methods.superres_models import write_tiny as write_tiny_slices

NOTE = "'scan.tif' holds 3 images; the largest is read."


def _stack(*shape: int, axes: str) -> Image:
    pixels = np.random.default_rng(0).integers(0, 999, shape).astype(np.uint16)
    return Image.wrap(pixels, axes, notes=[NOTE, NOTE], source="scan.tif", series=2)


def _restored(folder: Path, tiny_model: Path, on_update: Callable[[Update], None]) -> Any:
    return restore(_stack(2, 32, 32, axes="ZYX"), model=str(tiny_model), on_update=on_update)


def _superresolved(folder: Path, tiny_model: Path, on_update: Callable[[Update], None]) -> Any:
    model = str(write_tiny_slices(folder / "slices"))
    return superresolve(_stack(12, 3, 14, axes="YZX"), model=model, zoom=2, on_update=on_update)


def _shapes(folder: Path, tiny_model: Path, on_update: Callable[[Update], None]) -> Any:
    model = str(write_tiny(folder / "shapes"))
    labels = Image.wrap(disc((70, 80), (34.5, 39.5), 12).astype(np.uint8), notes=["'labels.tif' is long."])
    image = _stack(70, 80, axes="YX")
    return predict_shapes(image, labels, model=model, pixel_size=0.1, on_update=on_update)


@pytest.mark.parametrize(
    ("method", "expected"),
    [(_restored, [NOTE]), (_superresolved, [NOTE]), (_shapes, [NOTE, "'labels.tif' is long."])],
)
def test_notes_of_an_image_are_announced_once_and_recorded(
    tmp_path: Path, tiny_model: Path, method: Callable[..., Any], expected: list[str]
) -> None:
    updates: list[Update] = []
    result = method(tmp_path, tiny_model, updates.append)
    warned = [update.message for update in updates if update.warning]
    assert [message for message in warned if message in expected] == expected
    assert warned[: len(expected)] == expected  # before anything is computed
    assert result.record["messages"][: len(expected)] == expected
    assert result.record["input"]["series"] == 2


def test_notes_stay_when_axes_are_named_or_reordered() -> None:
    image = _stack(4, 5, 6, axes="YZX")
    named = Image.wrap(image, "YTX", notes=["Another."])
    assert (named.notes, named.source, named.series) == ((NOTE, "Another."), "scan.tif", 2)
    assert in_standard_order(image).notes == (NOTE,)
