"""The README of the sample data, written from the settings that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_diffuscope.simulate.samples import Sample

_HEAD = """# Sample data

Simulated by napari-diffuscope itself; no microscope was involved. Make them again, this file included, with

```
python -m napari_diffuscope.simulate.samples OUT_FOLDER
```

Equal versions of numpy, scipy and tifffile on equal processors give equal files, bit for bit.
To the extent possible under law, the authors have waived all rights to these images (CC0 1.0).

All files are OME-TIFF, uint16, with pixel sizes (and the time between frames) in their metadata.
Values are counts: `offset + gain · quantum efficiency · photons`. The clean file of a pair holds the expected
counts at the same blur, so noisy minus clean has mean 0: no offset or scale lies between the two.
"""


def sample_readme(samples: Sequence[Sample]) -> str:
    """The text, Markdown, one section per sample."""
    return "\n".join([_HEAD, *(_section(sample) for sample in samples)])


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


def _first(sample: Sample) -> str:
    return {"T": "frame", "Z": "plane"}.get(sample.axes[0], "image")
