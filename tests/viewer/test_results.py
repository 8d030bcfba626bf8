"""Arrays that fill up: what is unfinished is blank, what is finished stays."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.jobs import Update
from napari_diffuscope.methods.method import Output
from napari_diffuscope.viewer.results import Results

STACK = Output("restored", VolumeSpec((3, 8, 8), "ZYX"))


def preview(results: Results, plane: int, value: float) -> None:
    region = (plane, slice(0, 8), slice(0, 8))
    results.paint(Update(1, 9, output="restored", region=region, preview=np.full((8, 8), value, np.float32)))


def finish(results: Results, plane: int, values: np.ndarray) -> None:
    region = (plane, slice(0, 8), slice(0, 8))
    results.arrays["restored"][region] = values
    results.paint(Update(2, 9, output="restored", region=region, final=True))


def test_unfinished_planes_are_blank_again_after_a_cancel() -> None:
    results = Results([STACK])
    assert np.isnan(results.arrays["restored"]).all()
    preview(results, 0, 1.0)
    finish(results, 0, np.full((8, 8), 5.0))
    preview(results, 1, 2.0)
    assert (results.arrays["restored"][1] == 2).all()
    results.drop_previews()
    assert (results.arrays["restored"][0] == 5).all()
    assert np.isnan(results.arrays["restored"][1:]).all()
    assert results.has_finished("restored")


def test_changes_are_told_once_and_by_plane() -> None:
    results = Results([STACK])
    preview(results, 2, 1.0)
    preview(results, 2, 2.0)
    assert results.take_changes() == {"restored": {(2,)}}
    assert results.take_changes() == {"restored": set()}


def test_contrast_is_set_by_the_first_preview_and_the_first_finished_plane_then_steady() -> None:
    results, rng = Results([STACK]), np.random.default_rng(0)
    preview(results, 0, 3.0)
    first = results.limits["restored"]
    preview(results, 0, 9.0)
    assert results.limits["restored"] == first
    finish(results, 0, rng.random((8, 8)))
    steady = results.limits["restored"]
    assert steady != first
    preview(results, 1, 100.0)
    finish(results, 1, 1000 * rng.random((8, 8)))
    assert results.limits["restored"] == steady


def test_samples_and_a_region_of_several_planes() -> None:
    results = Results([Output("restored", VolumeSpec((2, 3, 8, 8), "NZYX"))])
    region = (1, slice(0, 3), slice(0, 8), slice(0, 4))
    results.paint(Update(1, 9, output="restored", region=region, preview=np.ones((3, 8, 4), np.float32)))
    assert results.take_changes()["restored"] == {(1, 0), (1, 1), (1, 2)}
    assert np.isfinite(results.arrays["restored"]).sum() == 3 * 8 * 4


def test_a_plane_is_finished_when_all_blocks_of_it_are_and_a_cancel_keeps_finished_blocks() -> None:
    results = Results([STACK])
    array = results.arrays["restored"]
    left, right = (slice(0, 3), slice(0, 8), slice(0, 4)), (slice(0, 3), slice(0, 8), slice(4, 8))
    for region in (left, right):
        results.paint(Update(1, 9, output="restored", region=region, preview=np.full((3, 8, 4), 2.0)))
    array[left] = 7
    results.paint(Update(2, 9, output="restored", region=left, final=True))
    assert results.has_finished("restored")
    assert results.finished["restored"] == set()
    results.drop_previews()
    assert (array[left] == 7).all()
    assert np.isnan(array[right]).all()
    results.paint(Update(3, 9, output="restored", region=right, final=True))
    assert results.finished["restored"] == {(0,), (1,), (2,)}


def test_large_results_go_to_a_temporary_file_and_are_blanked_by_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_diffuscope.viewer.results.BLANK_AT_ONCE", 100)
    results = Results([STACK], free_bytes=4 * STACK.shape[0] * 64)
    assert isinstance(results.arrays["restored"], np.memmap)
    for _ in results.blank():
        pass
    assert np.isnan(results.arrays["restored"]).all()


def test_updates_of_other_outputs_are_ignored() -> None:
    results = Results([STACK])
    results.paint(Update(1, 2, message="Loading"))
    results.paint(Update(1, 2, output="deviation", region=(0,), preview=np.ones((8, 8))))
    assert np.isnan(results.arrays["restored"]).all()


def test_a_preview_across_finished_blocks_is_forgotten_with_their_plane() -> None:
    results = Results([STACK])
    preview(results, 0, 1.0)  # the whole plane, which is finished in two blocks
    for rows in (slice(0, 4), slice(4, 8)):
        region = (0, rows, slice(0, 8))
        results.arrays["restored"][region] = 5
        results.paint(Update(2, 9, output="restored", region=region, final=True))
    results.drop_previews()
    assert (results.arrays["restored"][0] == 5).all()
