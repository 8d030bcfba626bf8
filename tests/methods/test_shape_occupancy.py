"""From probabilities to an object."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope import ShapeSettings
from napari_diffuscope.methods.shape.occupancy import agreement, binarised, largest_piece, threshold_of
from tests.methods.shape_models import disc

Z, Y, X = np.mgrid[:32, :32, :32]
BALL = np.sqrt((Z - 16) ** 2 + (Y - 15.5) ** 2 + (X - 15.5) ** 2)
SOFT = (1 / (1 + np.exp(BALL - 9))).astype(np.float32)
MASK = disc((32, 32), (15.5, 15.5), 9)


def test_half_and_otsu() -> None:
    """Where the network is never sure, Otsu's threshold still parts the object from the rest."""
    occupied, probability, threshold = binarised(SOFT, MASK, ShapeSettings())
    assert (threshold, probability is SOFT) == (0.5, True)
    assert np.array_equal(occupied, BALL < 9)
    faint = SOFT * np.float32(0.4)
    assert not binarised(faint, MASK, ShapeSettings())[0].any()
    found = binarised(faint, MASK, ShapeSettings(threshold="otsu"))
    assert 0.1 < found[2] < 0.3
    assert found[0].sum() == pytest.approx((BALL < 9).sum(), rel=0.2)
    assert threshold_of(np.zeros((4, 4, 4)), "otsu") == 0.5


@pytest.mark.parametrize("level", [0.1, 0.5, 1 - 2**-24])
def test_a_volume_that_is_constant_but_for_rounding_has_no_two_classes(level: float) -> None:
    """Otsu's method would look for 256 classes between two neighbouring numbers, and numpy refuse to make them."""
    volume = np.full((8, 8, 8), level, np.float32)
    volume[::2] = np.nextafter(np.float32(level), np.float32(0))
    assert threshold_of(volume, "otsu") == 0.5


def test_the_models_own_threshold() -> None:
    faint = SOFT * np.float32(0.4)
    occupied, _, threshold = binarised(faint, MASK, ShapeSettings(), 0.2)
    assert threshold == 0.2
    assert np.array_equal(occupied, BALL < 9)
    assert binarised(faint, MASK, ShapeSettings(threshold="half"), 0.2)[2] == 0.5


def test_otsu_is_the_best_of_all_thresholds() -> None:
    """Largest variance between the classes, tried one by one."""
    values = np.random.default_rng(0).beta(0.5, 0.7, 3000).astype(np.float32).reshape(30, 10, 10)

    def between(threshold: float) -> float:
        above = values > threshold
        share = above.mean()
        return float(share * (1 - share) * (values[above].mean() - values[~above].mean()) ** 2)

    best = max(between(t) for t in np.linspace(0.01, 0.99, 197))
    assert between(threshold_of(values, "otsu")) == pytest.approx(best, rel=2e-3)


def test_only_the_largest_piece_is_kept() -> None:
    two = BALL < 7
    two[1:4, 1:4, 1:4] = True
    kept = largest_piece(two)
    assert np.array_equal(kept, BALL < 7)
    assert np.array_equal(binarised(two.astype(np.float32), MASK, ShapeSettings(largest=False))[0], two)
    assert not largest_piece(np.zeros((4, 4, 4), bool)).any()


def test_agreement_is_the_overlap_of_the_middle_plane() -> None:
    occupied = np.zeros((32, 32, 32), bool)
    occupied[16, :, :8] = True
    occupied[15] = True
    mask = np.zeros((32, 32), bool)
    mask[:, 4:12] = True
    assert agreement(occupied, mask) == pytest.approx(4 / 12)
    assert agreement(np.zeros((4, 4, 4), bool), np.zeros((4, 4), bool)) == 0


@pytest.mark.parametrize("threshold", ["half", "otsu"])
@pytest.mark.parametrize("radius", [5, 12])
def test_the_middle_plane_can_be_made_the_mask(threshold: str, radius: int) -> None:
    mask = disc((32, 32), (14, 17), radius)
    settings = ShapeSettings(match_mask=True, threshold=threshold)  # type: ignore[arg-type]
    occupied, probability, level = binarised(SOFT, mask, settings)
    assert np.array_equal(occupied[16], mask)
    assert np.array_equal(occupied[16], probability[16] > level)
    free = binarised(SOFT, mask, ShapeSettings(threshold=threshold))[0]  # type: ignore[arg-type]
    assert not np.array_equal(free[16], mask)
    # no sheet of one voxel: the neighbours follow, and what is far stays as it was
    assert agreement(np.roll(occupied, 1, 0), mask) > agreement(np.roll(free, 1, 0), mask)
    assert np.array_equal(occupied[:3], free[:3])
    assert probability.dtype == np.float32
    assert 0 <= probability.min() <= probability.max() <= 1


def test_pieces_beside_the_mask_go_and_those_in_it_stay() -> None:
    """With a mask to match, the largest piece may lie elsewhere."""
    mask = disc((32, 32), (8, 8), 4)
    far = np.zeros((32, 32, 32), np.float32)
    far[20:31, 12:31, 12:31] = 1
    occupied = binarised(far, mask, ShapeSettings(match_mask=True))[0]
    assert np.array_equal(occupied[16], mask)
    assert not occupied[20:].any()
