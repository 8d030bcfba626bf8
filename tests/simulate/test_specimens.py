"""Specimens in physical units: sizes in µm whatever the pixels, and equal seeds, equal specimens."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.curves import wormlike_curves
from napari_diffuscope.simulate.emitters import Emitters, splat
from napari_diffuscope.simulate.fields import rough_field, smooth_field, spline_basis
from napari_diffuscope.simulate.mitochondria import mitochondria
from napari_diffuscope.simulate.motion import drift, timelapse
from napari_diffuscope.simulate.puncta import puncta
from napari_diffuscope.simulate.specimens import KINDS, clean_image, specimen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "pixel"), [((96, 120), 0.15), ((5, 64, 72), (0.4, 0.15, 0.15))])
def test_specimens_are_non_negative_and_reproducible(kind, shape, pixel):
    first, second = (specimen(kind, shape, pixel, np.random.default_rng(1)) for _ in range(2))
    other = specimen(kind, shape, pixel, np.random.default_rng(2))
    assert first.shape == shape
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert first.min() >= 0
    assert max(first.max(), other.max()) > 0
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_unknown_kinds_and_pixel_sizes_are_refused_by_name():
    with pytest.raises(DiffuscopeError, match="'nuclea' is unknown; choose one of microtubules"):
        specimen("nuclea", (8, 8), 0.1, np.random.default_rng())
    with pytest.raises(DiffuscopeError, match="positive"):
        specimen("nuclei", (8, 8), 0.0, np.random.default_rng())


@pytest.mark.parametrize(("ndim", "factor"), [(2, 0.5), (3, 1.0)])
def test_curves_lose_their_direction_as_the_worm_like_chain_does(ndim, factor):
    rng = np.random.default_rng(0)
    curves = wormlike_curves(rng, np.zeros((4000, ndim)), steps=42, step_um=0.05, persistence_um=2.0)
    tangents = np.diff(curves, axis=1)
    assert np.linalg.norm(tangents, axis=-1) == pytest.approx(0.05)
    for steps in (10, 40):
        cosine = (tangents[:, 0] * tangents[:, steps]).sum(axis=-1).mean() / 0.05**2
        assert cosine == pytest.approx(np.exp(-factor * steps * 0.05 / 2.0), abs=0.02)


@pytest.mark.parametrize("shape", [(11, 13), (7, 11, 13)])
def test_splatting_keeps_weight_and_centre_of_gravity(shape):
    points = np.random.default_rng(0).uniform(2, 4, (50, len(shape)))
    weight = np.random.default_rng(1).uniform(1, 2, 50)
    image = splat(points, weight, shape)
    assert image.sum() == pytest.approx(weight.sum(), rel=1e-5)
    centre = (weight[:, None] * points).sum(axis=0) / weight.sum()
    assert ndimage.center_of_mass(image) == pytest.approx(centre, abs=1e-4)


def test_points_at_and_beyond_the_border_give_only_their_inner_part():
    image = splat(np.array([[0.0, -0.25], [3.5, 2.0], [-1.0, 0.0], [9.0, 9.0]]), np.ones(4), (4, 4))
    assert image[0, 0] == pytest.approx(0.75)
    assert image[3, 2] == pytest.approx(0.5)
    assert image.sum() == pytest.approx(1.25)


def test_smooth_fields_have_unit_variance_and_the_scale_asked_for():
    rng = np.random.default_rng(0)
    fields = [smooth_field(rng, (128, 128), scale) for scale in (4, 4, 4, 4)]
    assert np.var(fields) == pytest.approx(1, rel=0.1)
    assert np.mean(fields) == pytest.approx(0, abs=0.1)
    near, far = (np.mean([np.mean(f[:, :-lag] * f[:, lag:]) for f in fields]) for lag in (1, 16))
    assert near > 0.9
    assert abs(far) < 0.05
    assert spline_basis(50, 7.3, 0.4).sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert rough_field(rng, (128, 128), 12).var() == pytest.approx(1, rel=0.4)


@pytest.mark.parametrize("pixel", [0.1, 0.25])
def test_nuclei_are_as_large_as_asked_for_at_any_pixel_size(pixel):
    size = round(60 / pixel)
    image = specimen("nuclei", (size, size), pixel, np.random.default_rng(3), diameter_um=9.0, crowding=0.3)
    labels, count = ndimage.label(image > 0.1)
    inner = [
        labels[box] == i + 1
        for i, box in enumerate(ndimage.find_objects(labels))
        if all(b.start > 0 and b.stop < size for b in box)
    ]
    diameters = [2 * np.sqrt(part.sum() / np.pi) * pixel for part in inner]
    assert count > 3
    assert np.median(diameters) == pytest.approx(9.0, rel=0.25)


def test_mitochondria_are_as_wide_as_asked_for():
    tubes = mitochondria(
        np.random.default_rng(2), (200, 200), 0.1, count=12, width_um=0.8, branching=0.0, hollow=False
    )
    radii = []
    for owner in range(12):
        single = Emitters(
            *(part[tubes.owner == owner] for part in (tubes.position_um, tubes.weight, tubes.owner))
        )
        image = ndimage.gaussian_filter(single.render((200, 200), 0.1), 0.7)
        inside = image > 0.15 * np.percentile(image[image > 0], 95) if image.any() else image > 0
        radii.append(ndimage.distance_transform_edt(inside).max() * 0.1)
    assert np.median(radii) == pytest.approx(0.4, abs=0.12)


def test_membranes_enclose_cells_of_the_size_asked_for():
    walls = specimen("membranes", (240, 240), 0.5, np.random.default_rng(1), cell_um=15.0, wall_um=0.5)
    depth = ndimage.distance_transform_edt(walls < 0.05 * walls.max())
    peaks = (ndimage.maximum_filter(depth, 15) == depth) & (depth > 6)
    assert ndimage.label(peaks)[1] == pytest.approx((120 / 15) ** 2, rel=0.45)


def test_walls_in_space_carry_the_same_label_at_any_z_step():
    fine, coarse = (
        specimen(
            "membranes",
            (edge, 60, 60),
            (9.6 / edge, 0.4, 0.4),
            np.random.default_rng(2),
            cell_um=8.0,
            wall_um=0.4,
        )
        for edge in (24, 8)
    )
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.15)


def test_puncta_are_as_many_as_asked_for():
    spots = puncta(
        np.random.default_rng(0),
        (300, 300),
        0.1,
        count=40,
        diameter_um=0.2,
        brightness_spread=0.1,
        clustering=0.0,
    )
    image = ndimage.gaussian_filter(spots.render((300, 300), 0.1), 1.5)
    peaks = (ndimage.maximum_filter(image, 7) == image) & (image > 0.02 * image.max())
    assert 33 <= ndimage.label(peaks)[1] <= 40


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_clean_images_are_relative_and_reproducible(kind):
    image, info = clean_image(np.random.default_rng(6), (96, 130), kind=kind)
    again, _ = clean_image(np.random.default_rng(6), (96, 130), kind=kind)
    assert image.shape == (96, 130)
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() == pytest.approx(1)
    assert kind in (None, info["kind"])
    assert info["fwhm_um"] > 0
    assert np.array_equal(image, again)


def test_clean_images_are_never_empty():
    rng = np.random.default_rng(3)
    for _ in range(150):
        image, _ = clean_image(rng, (48, 48), kind="cells", pixel_size_um=0.1)
        assert np.isfinite(image).all()
        assert image.max() == pytest.approx(1)
        assert (image > 0.2).sum() > 5


def test_clean_images_are_as_diverse_as_real_files():
    rng = np.random.default_rng(0)
    drawn = [clean_image(rng, (96, 96)) for _ in range(120)]
    infos = [info for _, info in drawn]
    assert {info["kind"] for info in infos} == set(KINDS)
    assert {info["optics"] for info in infos} == {"widefield", "confocal", "gaussian", "sted"}
    covered = np.array([(image > 0.25).mean() for image, _ in drawn])
    assert (covered < 0.02).mean() > 0.05
    assert (covered > 0.4).mean() > 0.1
    blur = np.array([info["fwhm_um"] / info["pixel_size_um"] for info in infos])
    assert blur.min() < 1.5
    assert blur.max() > 5


def test_structures_move_as_far_as_speed_and_diffusion_say():
    shifts = drift(
        np.random.default_rng(0), 3000, frames=6, interval_s=2.0, speed_um_s=0.1, diffusion_um2_s=0.05
    )
    squared = (shifts**2).sum(axis=-1).mean(axis=1)
    time = 2.0 * np.arange(6)
    assert squared == pytest.approx((0.1 * time) ** 2 + 4 * 0.05 * time, rel=0.07)


def test_a_moving_vesicle_is_where_its_shift_puts_it():
    spot = puncta(
        np.random.default_rng(1),
        (60, 60),
        0.1,
        count=1,
        diameter_um=0.2,
        brightness_spread=0.0,
        clustering=0.0,
    )
    spot = spot.moved(3.0 - spot.position_um.mean(axis=0, keepdims=True))
    movie = timelapse(spot, np.array([[[0.0, 0.0]], [[1.0, -0.5]]]), (60, 60), 0.1)
    first, second = (np.array(ndimage.center_of_mass(frame)) for frame in movie)
    assert second - first == pytest.approx([10, -5], abs=1e-3)


def test_simulation_needs_neither_torch_nor_napari():
    code = (
        "import sys, napari_diffuscope.simulate.samples, napari_diffuscope.simulate.degrade;"
        "print([m for m in ('torch', 'napari', 'qtpy') if m in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_walls_of_wide_mitochondria_are_even_where_pixels_are_fine(monkeypatch):
    """Directions of the centre line turn at every step; rows of points across it bunched into stripes."""

    def roughness(pixel):
        image = mitochondria(
            np.random.default_rng(3), (300, 300), pixel, count=4, width_um=0.7, branching=0.0, hollow=False
        ).render((300, 300), pixel)
        fine, coarse = (ndimage.gaussian_filter(image, sigma) for sigma in (2.0, 5.0))
        inside = ndimage.minimum_filter(fine > 0.3 * np.percentile(fine[fine > 0], 75), 15)
        assert inside.sum() > 1000
        return np.median(np.abs(fine - coarse)[inside] / coarse[inside])

    even = roughness(0.02)
    monkeypatch.setattr("napari_diffuscope.simulate.mitochondria.FINE_UM", 0.0)
    assert even < 0.75 * roughness(0.02)
