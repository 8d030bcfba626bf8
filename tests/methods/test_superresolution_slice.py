"""One slice in advance: it is what the XZ slices of the volume say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.jobs import run
from napari_diffuscope.methods.superres.method import superresolve
from napari_diffuscope.methods.superres.preview import slice_job
from napari_diffuscope.methods.superres.settings import SuperresSettings
from tests.methods.superres_models import brownian_model, write_tiny


def stack(*shape: int) -> Image:
    pixels = np.random.default_rng(0).normal(100, 20, shape).astype(np.float32)
    return Image.wrap(pixels, "CZYX"[-len(shape) :])


def test_an_exact_model_says_the_same_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    model = brownian_model(3, 0.4)
    monkeypatch.setattr("napari_diffuscope.methods.ready.load_model", lambda *_, **__: model)
    image, settings = stack(2, 4, 6, 9), SuperresSettings(zoom=3)
    volume = superresolve(image, settings=settings).superresolved
    target = np.zeros((1, 10, 1, 9), np.float32)
    result = run(slice_job(image, settings, row=4, leading=(1,), target=target))
    np.testing.assert_allclose(result.pixels[:, 0], volume[1, :, 4], rtol=1e-6)
    np.testing.assert_array_equal(target[0], result.pixels)
    np.testing.assert_array_equal(result.pixels[::3, 0], np.asarray(image.data)[1, :, 4])


def test_samples_start_from_the_noise_of_the_row(tmp_path: Path) -> None:
    image = stack(3, 8, 16)
    settings = SuperresSettings(model=str(write_tiny(tmp_path / "tiny")), mode="sample", zoom=2.5, steps=2)
    updates = []
    first = run(slice_job(image, settings, row=3), updates.append)
    again = run(slice_job(image, settings, row=3))
    other = run(slice_job(image, settings, row=4))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.pixels.shape == (6, 1, 16)
    assert not np.array_equal(first.pixels, other.pixels)
    assert [update.final for update in updates if update.preview is not None] == [False, True]
    assert first.record["row"] == 3


def test_a_row_outside_is_refused(tmp_path: Path) -> None:
    settings = SuperresSettings(model=str(write_tiny(tmp_path / "tiny")), zoom=2)
    with pytest.raises(DiffuscopeError, match="no row 8; its rows are 0 to 7"):
        run(slice_job(stack(3, 8, 16), settings, row=8))
