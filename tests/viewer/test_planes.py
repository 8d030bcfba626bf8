"""Planes in words, and which of them are finished."""

from __future__ import annotations

from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.methods.method import Output
from napari_diffuscope.viewer.planes import finished_planes, planes_in_words, planes_of_output


def test_planes_are_named_as_the_sliders_count_them() -> None:
    assert planes_in_words("Z", [(0,), (1,), (2,), (5,)]) == "z 0–2, 5"
    assert planes_in_words("Z", [(0,)], [4]) == "z 4"
    assert planes_in_words("TZ", [(0, 1), (0, 2), (1, 0)]) == "t 0: z 1–2; t 1: z 0"
    assert planes_in_words("TZ", [(t, 0) for t in range(9)]).endswith("and 5 more groups")


def test_a_plane_is_finished_with_all_its_samples() -> None:
    output = Output("restored", VolumeSpec((2, 3, 8, 8), "NZYX"))
    assert planes_of_output(output) == [(0,), (1,), (2,)]
    assert finished_planes(output, {(0, 0), (1, 0), (0, 2)}) == {(0,)}
