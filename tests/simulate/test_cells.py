"""The simulated cells: forms of known size, and a picture that shows where they are."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy import integrate, ndimage

from napari_diffuscope.measure.shapes.features import shape_features
from napari_diffuscope.simulate.cells import CAMERA, CELLS, EDGE, EXPOSURE, PLANES, VOXEL_UM
from napari_diffuscope.simulate.sample_files import sample_path
from napari_diffuscope.simulate.solids import DISC_RADIUS_UM, EVANS_FUNG, biconcave_disc, lobes, turned


@pytest.fixture(scope="module")
def image():
    return tifffile.imread(sample_path("cells_image"))


@pytest.fixture(scope="module")
def labels():
    return tifffile.imread(sample_path("cells_labels"))


@pytest.fixture(scope="module")
def truth():
    return tifffile.imread(sample_path("cells_truth"))


@pytest.fixture(scope="module")
def features(truth):
    return {
        cell.label: shape_features(truth == cell.label, voxel_size=VOXEL_UM)
        for cell in CELLS
        if cell.label in (1, 2, 3, 5)
    }


def test_files_know_their_size(image, labels, truth):
    assert image.shape == labels.shape == (EDGE, EDGE)
    assert truth.shape == (PLANES, EDGE, EDGE)
    for name, axes in (("image", "YX"), ("labels", "YX"), ("truth", "ZYX")):
        with tifffile.TiffFile(sample_path(f"cells_{name}")) as tiff:
            pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
            assert tiff.series[0].axes == axes
        assert [pixels[f"PhysicalSize{axis}"] for axis in axes] == [VOXEL_UM] * len(axes)
        assert pixels["PhysicalSizeXUnit"] == "µm"


def test_every_cell_is_one_piece_and_the_labels_are_its_middle_plane(labels, truth):
    assert set(np.unique(truth)) == {0} | {cell.label for cell in CELLS}
    assert np.array_equal(truth[PLANES // 2], labels)
    for cell in CELLS:
        mask = labels == cell.label
        assert ndimage.label(mask)[1] == 1, cell.what
        assert ndimage.label(truth == cell.label)[1] == 1, cell.what
        assert np.array_equal(ndimage.binary_fill_holes(mask), mask), cell.what


def test_only_the_last_cell_touches_the_border(labels, truth):
    rim = np.ones_like(labels, dtype=bool)
    rim[1:-1, 1:-1] = False
    assert set(np.unique(labels[rim])) - {0} == {CELLS[-1].label}
    assert not truth[[0, -1]].any()


@pytest.mark.parametrize("label", [1, 2, 3])
def test_discs_have_the_volume_and_surface_that_were_published(features, label):
    """Evans & Fung (1972): 94 µm³ and 135 µm², however the disc lies."""
    assert features[label]["volume"] == pytest.approx(94, rel=0.01)
    assert features[label]["surface"] == pytest.approx(135, rel=0.01)


def test_the_lying_disc_is_as_thick_as_its_formula_says(truth, features):
    first, second, third = EVANS_FUNG
    q = np.linspace(0, 1, 4001)
    thickness = np.sqrt(1 - q) * (first + second * q + third * q**2)
    # ring by ring: 2 π r dr = π R² dq
    volume = np.pi * DISC_RADIUS_UM**2 * integrate.simpson(thickness, x=q)
    assert features[1]["volume"] == pytest.approx(volume, rel=0.003)
    assert features[1]["extent_z"] == pytest.approx(thickness.max(), abs=VOXEL_UM)
    assert features[1]["extent_y"] == pytest.approx(2 * DISC_RADIUS_UM, abs=VOXEL_UM)
    y, x = (round(place / VOXEL_UM) for place in CELLS[0].centre_um)
    assert (truth[:, y, x] == 1).sum() * VOXEL_UM == pytest.approx(first, abs=VOXEL_UM)


def test_the_ball_is_a_ball(features):
    assert features[5]["volume"] == pytest.approx(4 / 3 * np.pi * 2.9**3, rel=0.003)
    assert features[5]["sphericity"] > 0.99


def test_membranes_are_brighter_than_insides_and_both_than_the_background(image, labels):
    light = image.astype(float) - CAMERA.offset
    cells = labels > 0
    rim = cells & ~ndimage.binary_erosion(cells, iterations=2)
    deep = ndimage.binary_erosion(cells, iterations=6)
    far = ~ndimage.binary_dilation(cells, iterations=8)
    assert light[rim].mean() > 1.5 * light[deep].mean() > 3 * light[far].mean()
    floor = EXPOSURE.background_photons * CAMERA.counts_per_photon
    assert light[far].mean() == pytest.approx(floor, rel=0.1)
    assert np.corrcoef(image.ravel(), ndimage.gaussian_filter(cells.astype(float), 1).ravel())[0, 1] > 0.7


def test_thin_parts_glow_from_membranes_above_and_below(image, labels):
    """The dimple of the lying disc is 0.8 µm thick, its rim 2.5 µm."""
    y, x = np.indices(labels.shape) * VOXEL_UM
    away = np.hypot(*(place - centre for place, centre in zip((y, x), CELLS[0].centre_um, strict=True)))
    assert image[away < 0.6].mean() > 1.1 * image[(away > 2.2) & (away < 3.0)].mean()


def test_turning_moves_a_body_and_leaves_its_form():
    positions = np.random.default_rng(0).uniform(-4, 4, (3, 200))
    z, y, x = positions
    on_edge = turned(biconcave_disc, tilt=90)
    assert np.allclose(on_edge(positions), biconcave_disc(np.stack([y, z, x])))
    spun = turned(lambda p: lobes(p, arms_um=[(0, 0, 3)], radius_um=1, blend_um=0.1), tilt=0, spin=90)
    assert np.allclose(spun(positions), lobes(positions, arms_um=[(0, -3, 0)], radius_um=1, blend_um=0.1))
