"""Where one tile ends and the next begins cannot be told in a generated field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from benchmarks._seams import border_steps, seams
from scipy.ndimage import gaussian_filter

from napari_diffuscope import generate

from .generators import write_generator, write_windowed


def test_a_seam_is_found_and_a_field_without_one_is_left_in_peace() -> None:
    field = gaussian_filter(np.random.default_rng(0).standard_normal((512, 512)), 2)
    assert min(seams(field, 64)[:2]) > 0.05
    tiles = np.kron(np.random.default_rng(1).standard_normal((8, 8)), np.ones((64, 64)))
    assert max(seams(field + 0.3 * field.std() * tiles, 64)[:2]) < 0.001


@pytest.mark.parametrize(
    ("write", "tile", "size", "steps"), [(write_generator, 64, 384, 3), (write_windowed, 32, 256, 1)]
)
def test_the_borders_of_tiles_and_of_windows_cannot_be_told(
    tmp_path: Path, write: Callable[[Path], Path], tile: int, size: int, steps: int
) -> None:
    model = str(write(tmp_path / "model"))
    field = generate(model=model, number=1, size=size, steps=steps, tile=64).generated
    ranks, spread, count = seams(field, tile)
    assert count >= 100
    assert len(np.unique(border_steps(field, tile))) > 0.9 * count  # no field of nothing
    assert min(ranks, spread) > 0.05
