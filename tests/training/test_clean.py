"""Simulated images that were kept are used again only where they are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_diffuscope.training.clean import simulated_images
from napari_diffuscope.training.recipe import Data


def test_images_of_another_seed_are_not_taken_for_these(tmp_path: Path) -> None:
    data, cache = Data(size=64), tmp_path / "specimens.npy"
    first = np.array(simulated_images(data, seed=0, purpose=0, count=2, cache=cache))
    other = np.array(simulated_images(data, seed=1, purpose=0, count=2, cache=cache))
    np.testing.assert_array_equal(other, simulated_images(data, seed=1, purpose=0, count=2))
    assert np.abs(other.astype(float) - first).max() > 0.1
    written = cache.stat().st_mtime_ns
    np.testing.assert_array_equal(simulated_images(data, seed=1, purpose=0, count=2, cache=cache), other)
    assert cache.stat().st_mtime_ns == written
