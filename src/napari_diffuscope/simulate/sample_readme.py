"""The README of the sample data, written from the settings that made them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_diffuscope.simulate import cells
from napari_diffuscope.simulate.sample import Sample

_HEAD = """# Sample data

Made by napari-diffuscope itself; no microscope was involved. All but `generated` are simulated. Make those again, this
file included, with

```
python -m napari_diffuscope.simulate.samples OUT_FOLDER
```

Equal versions of numpy, scipy and tifffile on equal processors give equal files, bit for bit.
To the extent possible under law, the authors have waived all rights to these images (CC0 1.0).

All files are OME-TIFF with pixel sizes (and the time between frames) in their metadata; the simulated ones are uint16.
Values are counts: `offset + gain · quantum efficiency · photons`. The clean file of a pair holds the expected
counts at the same blur, so noisy minus clean has mean 0: no offset or scale lies between the two.
(Labels and true shapes of cells hold no counts: 0 is background, other numbers are cells.)
"""

_GENERATED = """## generated

What `diffuscope generate` gives: four images of microtubules that never were in a cell, float32, T 4 × Y 128 × X 128,
0.02 µm per pixel, values relative to the bright structures of a field. The file carries the record of its run, scores
and card included. Make it again with

```
diffuscope generate generated.ome.tif --class microtubules --number 4 --seed 4
```

or with `diffuscope repeat generated.ome.tif again.ome.tif`. Equal processors give equal numbers.
"""


def sample_readme(samples: Sequence[Sample]) -> str:
    """The text, Markdown, one section per sample."""
    return "\n".join([_HEAD, *(_section(sample) for sample in samples), _cells_section(), _GENERATED])


def _section(sample: Sample) -> str:
    exposure, camera = sample.exposure, sample.camera
    files = " and ".join(f"`{name}.ome.tif`" for name in sample.files)
    size = " × ".join(f"{axis} {edge}" for axis, edge in zip(sample.axes, sample.shape, strict=True))
    units = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}
    step = ", ".join(f"{a} {s} {units[a]}" for a, s in zip(sample.axes, sample.scale, strict=True))
    rows = [
        ("files", files),
        ("specimen", sample.what),
        ("size", size),
        ("steps", step),
        ("point spread function", sample.optics),
        ("photons", f"{exposure.peak_photons:g} at the peak, {exposure.background_photons:g} of background"),
        ("bleaching", f"{exposure.bleaching:.0%} from one {_first(sample)} to the next"),
        ("quantum efficiency", f"{camera.quantum_efficiency:g}"),
        ("gain, offset", f"{camera.gain:g} counts per electron, {camera.offset:g} counts"),
        ("read noise", f"{camera.read_noise:g} electrons, normal; shot noise: Poisson"),
        ("converter", f"{camera.bits} bits"),
        ("seed", f"{sample.seed} for the specimen, ({sample.seed}, 1) for the noise"),
    ]
    if sample.z_every > 1:
        step = f"{sample.noisy_scale[0]:g} µm between the {sample.noisy_shape[0]} planes of the noisy stack"
        rows.insert(4, ("planes", f"{step}, every {sample.z_every}th of the clean one"))
    if not exposure.bleaching:
        rows = [row for row in rows if row[0] != "bleaching"]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return f"## {sample.name}\n\n| | |\n|---|---|\n{table}\n"


def _cells_section() -> str:
    size, planes = f"Y {cells.EDGE} × X {cells.EDGE}", cells.PLANES
    camera, exposure = cells.CAMERA, cells.EXPOSURE
    rows = [
        ("files", "`cells_image.ome.tif`, `cells_labels.ome.tif` and `cells_truth.ome.tif`"),
        ("specimen", f"{len(cells.CELLS)} red blood cells, membrane bright and inside dim, of known shape"),
        ("size", f"{size}; the truth Z {planes} × {size}, its plane {planes // 2} is the one imaged"),
        ("steps", f"{cells.VOXEL_UM} µm along every axis"),
        (
            "point spread function",
            "confocal: excitation times detection spot of Born & Wolf in space, aperture "
            f"{cells.APERTURE}, {cells.EXCITATION_NM:.0f} and {cells.EMISSION_NM:.0f} nm",
        ),
        ("photons", f"{exposure.peak_photons:g} at the peak, {exposure.background_photons:g} of background"),
        ("quantum efficiency", f"{camera.quantum_efficiency:g}"),
        ("gain, offset", f"{camera.gain:g} counts per electron, {camera.offset:g} counts"),
        ("read noise", f"{camera.read_noise:g} electrons, normal; shot noise: Poisson"),
        ("converter", f"{camera.bits} bits"),
        ("seed", f"{cells.SEED} for the noise"),
    ]
    rows += [(f"cell {cell.label}", cell.what) for cell in cells.CELLS]
    table = "\n".join(f"| {key} | {value} |" for key, value in rows)
    return (
        f"## cells\n\n| | |\n|---|---|\n{table}\n\n"
        "Biconcave discs are the mean red blood cell of Evans & Fung (1972); the other forms are drawn by hand.\n"
    )


def _first(sample: Sample) -> str:
    return {"T": "frame", "Z": "plane"}.get(sample.axes[0], "image")
