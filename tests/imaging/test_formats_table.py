"""The table in docs/image-files.md: what survives in which format, in either direction, tried on real files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import pytest
import tifffile
import zarr

from napari_diffuscope.imaging.blocks import BlockPlan, Channel, VolumeSpec, open_sink
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.record_of_file import record_of_file
from tests.imaging.microscope_files import write_czi, write_lif, write_nd2
from tests.imaging.test_zarr_scenes import describe

pytest.importorskip("pylibCZIrw", reason='the readers are missing: pip install "napari-diffuscope[formats]"')
pytest.importorskip("bioio_lif")
pytest.importorskip("bioio_nd2")
yaozarrs = pytest.importorskip("yaozarrs")

PAGE = Path(__file__).parents[2] / "docs" / "image-files.md"
PIXELS = (np.indices((2, 2, 3, 20, 24)).sum(0) * 3).astype(np.uint8)
AXES, STEPS, NAMES = "TCZYX", {"T": 2.5, "Z": 0.5, "Y": 0.1, "X": 0.1}, ("DAPI", "GFP")
RECORD = {"method": "restore"}
COLUMNS = ("pixels", "axes", "pixel size", "time step", "names of channels", "record")


def ome_tiff(path: Path) -> None:
    size = {f"PhysicalSize{letter}": STEPS[letter] for letter in "XYZ"}
    unit = {f"PhysicalSize{letter}Unit": "µm" for letter in "XYZ"}
    metadata = {
        "axes": AXES,
        "TimeIncrement": 2.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": list(NAMES)},
    }
    tifffile.imwrite(path, PIXELS, ome=True, metadata={**metadata, **size, **unit}, photometric="minisblack")


def imagej_tiff(path: Path) -> None:
    pixels = PIXELS.transpose(0, 2, 1, 3, 4)
    labels = list(NAMES) * 6
    metadata = {"axes": "TZCYX", "unit": "um", "spacing": 0.5, "finterval": 2.5, "Labels": labels}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(10, 10), metadata=metadata)


def plain_tiff(path: Path) -> None:
    resolution = {"resolution": (1e5, 1e5), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, PIXELS, metadata=None, photometric="minisblack", **resolution)


def ome_zarr(version: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        kinds = {"T": ("time", "second"), "C": ("channel", None)}
        axes = []
        for letter in AXES:
            kind, unit = kinds.get(letter, ("space", "micrometer"))
            axes.append({"name": letter.lower(), "type": kind, **({"unit": unit} if unit else {})})
        scale = [{"type": "scale", "scale": [STEPS.get(letter, 1.0) for letter in AXES]}]
        image = {
            "version": version,
            "axes": axes,
            "datasets": [{"path": "0", "coordinateTransformations": scale}],
        }
        channels = [{"label": name, "color": "FFFFFF", "window": WINDOW} for name in NAMES]
        group = describe(path, version, multiscales=[image], omero={"channels": channels})
        group.create_array("0", shape=PIXELS.shape, dtype=PIXELS.dtype)[:] = PIXELS

    return write


WINDOW = {"start": 0, "end": 255, "min": 0, "max": 255}


def plain_zarr(path: Path) -> None:
    names = [letter.lower() for letter in AXES]
    zarr.create_array(path, shape=PIXELS.shape, dtype=PIXELS.dtype, dimension_names=names)[:] = PIXELS


def ours(path: Path) -> None:
    spec = VolumeSpec(
        PIXELS.shape,
        AXES,
        dtype="uint8",
        scale=tuple(STEPS.get(letter, 1.0) for letter in AXES),
        units=("second", "pixel", *("micrometer",) * 3),
        channels=tuple(Channel(name, (0, 255)) for name in NAMES),
        record=RECORD,
    )
    with open_sink(path, spec, {}) as sink:
        for block in BlockPlan(spec.shape, sink.block):
            sink.write_block(block, PIXELS[block.region])
        sink.finish()
    if path.suffix == ".zarr":
        yaozarrs.validate_zarr_store(path)


def czi(path: Path) -> None:
    write_czi(path, [PIXELS.astype(np.uint16)], channels=NAMES, pixel=0.1, z_step=0.5, interval=2.5)


def lif(path: Path) -> None:
    write_lif(path, {"one": PIXELS}, channels=NAMES, pixel=0.1, z_step=0.5, interval=2.5)


def nd2(path: Path) -> None:
    pixels = PIXELS.astype(np.uint16)
    write_nd2(path, {"one": pixels}, channels=NAMES, pixel=0.1, z_step=0.5, interval=2.5)


READ: dict[str, tuple[str, Callable[[Path], None], np.ndarray, str]] = {
    "OME-TIFF": ("a.ome.tif", ome_tiff, PIXELS, AXES),
    "ImageJ's TIFF": ("b.tif", imagej_tiff, PIXELS.transpose(0, 2, 1, 3, 4), "TZCYX"),
    "other TIFF": ("c.tif", plain_tiff, PIXELS, AXES),
    "OME-Zarr 0.4": ("d.ome.zarr", ome_zarr("0.4"), PIXELS, AXES),
    "OME-Zarr 0.5": ("e.ome.zarr", ome_zarr("0.5"), PIXELS, AXES),
    "Zarr with names of axes": ("f.zarr", plain_zarr, PIXELS, AXES),
    "NumPy": ("g.npy", lambda path: np.save(path, PIXELS[0, :, 0]), PIXELS[0, :, 0], "CYX"),
    "PNG": ("h.png", lambda path: imageio.v3.imwrite(path, PIXELS[0, 0, 0]), PIXELS[0, 0, 0], "YX"),
    "JPEG": (
        "i.jpg",
        lambda path: imageio.v3.imwrite(path, PIXELS[0, 0, 0], quality=95),
        PIXELS[0, 0, 0],
        "YX",
    ),
    "Zeiss CZI": ("j.czi", czi, PIXELS, AXES),
    "Leica LIF": ("k.lif", lif, PIXELS, AXES),
    "Nikon ND2": ("l.nd2", nd2, PIXELS, AXES),
}
WRITTEN = {"OME-TIFF": "out.tif", "OME-Zarr 0.5": "out.ome.zarr"}


def kept(image: Image, pixels: np.ndarray, axes: str, record: Any) -> list[str]:
    """One cell for each column."""
    steps = dict(zip(image.axes, zip(image.scale, image.units, strict=True), strict=True))
    found = np.asarray(image.data, np.float64).reshape(-1)
    error = float(np.abs(found - pixels.reshape(-1)).max())
    lengths = [steps.get(letter) == (STEPS[letter], "micrometer") for letter in axes if letter in "ZYX"]
    size = "yes" if all(lengths) else "in the plane" if all(lengths[-2:]) else "–"
    cells = [
        "yes" if error < 1e-9 else "nearly" if error < 10 else "–",
        *("yes" if true else "–" for true in (image.axes == axes,)),
        size,
        *(
            "yes" if true else "–"
            for true in (steps.get("T") == (2.5, "second"), image.channels == NAMES, record == RECORD)
        ),
    ]
    return cells


def rows(folder: Path) -> list[str]:
    lines = [f"| format | direction | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, (file, write, pixels, axes) in READ.items():
        write(folder / file)
        cells = kept(open_image(folder / file), pixels, axes, None)
        lines.append(f"| {name} | read | {' | '.join(cells)} |")
    for name, file in WRITTEN.items():
        ours(folder / file)
        cells = kept(open_image(folder / file), PIXELS, AXES, record_of_file(folder / file))
        lines.append(f"| {name} | written | {' | '.join(cells)} |")
    return lines


def test_the_table_of_the_manual_is_what_comes_out(tmp_path: Path) -> None:
    table = "\n".join(rows(tmp_path))
    there = re.search(r"^\| format \| direction .*?(?=\n\n)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert there is not None, table
    assert there[0] == table, f"put this into {PAGE.name}:\n{table}"


@pytest.mark.parametrize(
    ("axes", "shape", "units"),
    [("YX", (20, 30), ("pixel",) * 2), ("TYX", (2, 300, 20), ("second", *("micrometer",) * 2)),
     ("ZYX", (3, 20, 30), ("nanometer",) * 3)],
)  # fmt: skip
def test_every_ome_zarr_that_is_written_is_valid(
    tmp_path: Path, axes: str, shape: tuple[int, ...], units: tuple[str, ...]
) -> None:
    spec = VolumeSpec(shape, axes, dtype="float32", scale=(1.0,) * len(axes), units=units, record=RECORD)
    with open_sink(tmp_path / "out.ome.zarr", spec, {}) as sink:
        for block in BlockPlan(spec.shape, sink.block):
            sink.write_block(block, np.zeros(spec.shape, np.float32)[block.region])
        sink.finish()
    group = yaozarrs.validate_zarr_store(tmp_path / "out.ome.zarr")
    assert group.attrs["ome"]["version"] == "0.5"
    described = {**group.attrs["ome"], "multiscales": [{**group.attrs["ome"]["multiscales"][0], "axes": []}]}
    with pytest.raises(ValueError, match="axes"):
        yaozarrs.validate_ome_object({"ome": described})
