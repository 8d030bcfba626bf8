"""The quick filter gives what scipy's gives."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_diffuscope.measure.filters import smoothed, together
from napari_diffuscope.measure.similarity import BELL


@pytest.mark.parametrize("border", ["reflect", "mirror"])
@pytest.mark.parametrize("shape", [(150, 41), (16, 90), (12, 12), (13, 14, 15)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gaussian_is_that_of_scipy(shape: tuple[int, ...], border: str, dtype: type) -> None:
    image = np.random.default_rng(0).random(shape).astype(dtype)
    wanted = ndimage.gaussian_filter(image, 1.5, truncate=5 / 1.5, mode=border)
    found = smoothed(image, BELL, border)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("pixels", [1, 2**22])
def test_results_come_in_the_order_of_the_functions(pixels: int) -> None:
    assert together([lambda number=number: number for number in range(9)], pixels) == list(range(9))
