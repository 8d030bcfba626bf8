"""The sample data: what the files say of themselves, and that they can be made again."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from napari_diffuscope import generate
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.simulate.sample_files import SAMPLE_FOLDER, SAMPLE_NAMES, sample_path
from napari_diffuscope.simulate.sample_readme import sample_readme
from napari_diffuscope.simulate.samples import SAMPLES, add_noise, clean_counts, main

SIMULATED = [name for name in SAMPLE_NAMES if name != "generated"]


@pytest.fixture(scope="module")
def remade(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    main([str(folder)])
    return folder


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_files_know_their_axes_pixel_sizes_and_times(sample):
    for name in sample.files:
        with tifffile.TiffFile(sample_path(name)) as tiff:
            series = tiff.series[0]
            pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        assert series.axes == sample.axes
        clean = name.endswith("clean")
        assert series.shape == (sample.shape if clean else sample.noisy_shape)
        assert series.dtype == np.uint16
        step = dict(zip(sample.axes, sample.scale if clean else sample.noisy_scale, strict=True))
        assert pixels["PhysicalSizeX"] == step["X"]
        assert pixels["PhysicalSizeYUnit"] == "µm"
        assert pixels.get("PhysicalSizeZ") == step.get("Z")
        assert pixels.get("TimeIncrement") == step.get("T")


def test_files_are_small_and_listed():
    assert sum(path.stat().st_size for path in SAMPLE_FOLDER.iterdir()) < 6e6
    noisy_and_clean = {name for sample in SAMPLES for name in sample.files}
    assert noisy_and_clean | {"cells_image", "cells_labels", "cells_truth", "generated"} == set(SAMPLE_NAMES)
    assert {path.name for path in SAMPLE_FOLDER.glob("*.tif")} == {f"{name}.ome.tif" for name in SAMPLE_NAMES}


def test_readme_is_the_one_that_the_settings_give():
    assert (SAMPLE_FOLDER / "README.md").read_text(encoding="utf-8") == sample_readme(SAMPLES)


def test_the_command_makes_the_files_again(remade):
    for name in SIMULATED:
        shipped = tifffile.imread(sample_path(name))
        again = tifffile.imread(remade / f"{name}.ome.tif")
        sample = next((sample for sample in SAMPLES if name in sample.files), None)
        if sample is None:
            assert (again == shipped).mean() > 0.999
        elif name.endswith("clean"):
            # Other processors may round a Fourier transform, and so a count, the other way.
            assert np.abs(again.astype(int) - shipped).max() <= 1
            assert (again == shipped).mean() > 0.999
        elif not sample.keep_clean or _equal(remade, sample.files[1]):
            assert np.array_equal(again, shipped)


def _equal(folder, name):
    return np.array_equal(tifffile.imread(sample_path(name)), tifffile.imread(folder / f"{name}.ome.tif"))


def test_two_runs_give_the_same_bytes(remade, tmp_path):
    subprocess.run([sys.executable, "-m", "napari_diffuscope.simulate.samples", str(tmp_path)], check=True)
    files = sorted(path.name for path in remade.iterdir())
    assert len(files) == len(SIMULATED) + 1
    for name in files:
        same = (remade / name).read_bytes() == (tmp_path / name).read_bytes()
        assert same, name


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.keep_clean], ids=lambda sample: sample.name)
def test_noise_follows_from_the_clean_file_and_the_seed(sample):
    clean = tifffile.imread(sample_path(f"{sample.name}_clean"))
    noisy = tifffile.imread(sample_path(f"{sample.name}_noisy"))
    assert np.array_equal(add_noise(clean, sample), noisy)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.keep_clean], ids=lambda sample: sample.name)
def test_noisy_files_scatter_about_the_clean_ones_as_the_readme_says(sample):
    noisy, clean = (tifffile.imread(sample_path(name)).astype(float) for name in sample.files)
    clean = clean[:: sample.z_every] if sample.z_every > 1 else clean
    photons = (clean - sample.camera.offset) / sample.camera.counts_per_photon
    score = (noisy - clean) / np.sqrt(sample.camera.variance(photons))
    assert score.mean() == pytest.approx(0, abs=0.01)
    assert score.std() == pytest.approx(1, abs=0.01)
    assert photons.max() < 3 * sample.exposure.peak_photons


def test_timelapse_bleaches_and_moves():
    sample = next(sample for sample in SAMPLES if sample.name == "timelapse")
    frames = clean_counts(sample).astype(float) - sample.camera.offset
    floor = sample.exposure.background_photons * sample.camera.counts_per_photon
    light = (frames - floor).mean(axis=(1, 2))
    assert light[1:] / light[:-1] == pytest.approx(1 - sample.exposure.bleaching, abs=0.02)
    alike = [np.corrcoef(frames[0].ravel(), frame.ravel())[0, 1] for frame in frames]
    assert alike[0] > alike[1] > alike[-1]


def test_the_anisotropic_stack_has_every_fifth_plane_of_the_isotropic_one():
    noisy, clean = (tifffile.imread(sample_path(f"anisotropic_{name}")) for name in ("noisy", "clean"))
    assert len(clean) == (len(noisy) - 1) * 5 + 1
    alike = [np.corrcoef(noisy[5].ravel(), plane.ravel())[0, 1] for plane in clean]
    assert int(np.argmax(alike)) == 25
    assert alike[25] > 0.98


def test_unknown_samples_are_refused_by_name():
    with pytest.raises(DiffuscopeError, match="no sample 'pear'; choose one of pair_noisy"):
        sample_path("pear")


def test_generated_images_are_those_of_the_command_in_the_readme():
    shipped = tifffile.imread(sample_path("generated"))
    [words] = [
        line
        for line in (SAMPLE_FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
        if "--seed" in line
    ]
    assert "--class microtubules --number 4 --seed 4" in words
    again = generate(class_="microtubules", number=1, seed=4).generated
    assert again == pytest.approx(shipped[0], abs=0.01)
    assert shipped.std() > 0.05
    assert sample_path("generated").stat().st_size < 300_000
