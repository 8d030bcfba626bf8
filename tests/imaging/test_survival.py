"""What of an image survives each format, in and out; the table in docs/files.md is made here.

``python -m tests.imaging.test_survival`` writes the table anew.
"""

from __future__ import annotations

import json
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3
import numpy as np
import pytest
import tifffile
import zarr

from napari_diffuscope.imaging.blocks import Channel, VolumeSpec, open_sink
from napari_diffuscope.imaging.blocks.plan import BlockPlan
from napari_diffuscope.imaging.channel_names import channel_names
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.jobs import run

DOCUMENT = Path(__file__).parents[2] / "docs" / "files.md"
BEGIN, END = "<!-- survival: begin -->", "<!-- survival: end -->"
ASPECTS = ("axes", "pixel size", "z-step", "units", "channel names", "pixel values")
AXES, NAMES = "CZYX", ("DAPI", "GFP")
PIXEL, STEP = 0.1, 0.3
PIXELS = np.random.default_rng(0).integers(0, 4000, (2, 3, 16, 20)).astype(np.uint16)


def ome_tiff(path: Path, **more: Any) -> None:
    metadata = {"axes": AXES, "PhysicalSizeX": PIXEL, "PhysicalSizeY": PIXEL, "PhysicalSizeZ": STEP}
    metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"} | {"Channel": {"Name": list(NAMES)}}
    tifffile.imwrite(path, PIXELS, ome=True, metadata=metadata, photometric="minisblack", **more)


def imagej_tiff(path: Path) -> None:
    labels = [f"{NAMES[number % 2]}" for number in range(6)]
    tifffile.imwrite(
        path,
        PIXELS.swapaxes(0, 1),
        imagej=True,
        resolution=(1 / PIXEL, 1 / PIXEL),
        metadata={"axes": "ZCYX", "spacing": STEP, "unit": "um", "Labels": labels},
    )


def plain_tiff(path: Path) -> None:
    tifffile.imwrite(path, PIXELS, photometric="minisblack", metadata=None)


def ome_zarr(version: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
        names = ["/"] * 4 if version == "0.4" else None
        array = group.create_array("0", shape=PIXELS.shape, dtype=PIXELS.dtype, chunks=(1, 1, 16, 20))
        array[:] = PIXELS
        axes = [{"name": "c", "type": "channel"}]
        axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
        scale = {"type": "scale", "scale": [1, STEP, PIXEL, PIXEL]}
        scales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}]
        omero = {"channels": [{"label": name, "color": "FFFFFF"} for name in NAMES]}
        if names:
            group.attrs.update({"multiscales": [{"version": version, **scales[0]}], "omero": omero})
        else:
            group.attrs.update({"ome": {"version": version, "multiscales": scales, "omero": omero}})

    return write


def npy(path: Path) -> None:
    np.save(path, PIXELS)


def png(path: Path) -> None:
    imageio.v3.imwrite(path, PIXELS[0, 0])


READ: dict[str, tuple[str, Callable[[Path], None]]] = {
    "OME-TIFF": ("a.ome.tif", ome_tiff),
    "OME-TIFF, BigTIFF, tiled, compressed": (
        "b.ome.tif",
        lambda path: ome_tiff(path, bigtiff=True, tile=(16, 16), compression="zlib"),
    ),
    "TIFF of ImageJ": ("c.tif", imagej_tiff),
    "TIFF without metadata": ("d.tif", plain_tiff),
    "OME-Zarr 0.4": ("e.ome.zarr", ome_zarr("0.4")),
    "OME-Zarr 0.5": ("f.ome.zarr", ome_zarr("0.5")),
    "NumPy": ("g.npy", npy),
    "PNG (one plane)": ("h.png", png),
}


def survives_reading(path: Path) -> dict[str, bool]:
    """What our reader knows of a file that another library wrote."""
    image = open_image(path)
    sizes = dict(zip(image.axes, image.scale, strict=True))
    units = dict(zip(image.axes, image.units, strict=True))
    plane = path.suffix == ".png"
    expected = PIXELS[0, 0] if plane else PIXELS
    pixels = np.asarray(image.data[:])
    if sorted(image.axes) == sorted(AXES):
        pixels = pixels.transpose([image.axes.index(axis) for axis in AXES])
    named = [] if path.suffix in (".npy", ".png") else channel_names(path, 2)
    return {
        "axes": image.axes == "YX" if plane else sorted(image.axes) == sorted(AXES),
        "pixel size": sizes.get("X") == pytest.approx(PIXEL),
        "z-step": sizes.get("Z") == pytest.approx(STEP),
        "units": units.get("X") in ("µm", "micrometer", "um"),
        "channel names": tuple(named) == NAMES,
        "pixel values": np.array_equal(pixels.ravel(), expected.ravel()),
    }


def written(path: Path) -> None:
    """The same image by our writer."""
    spec = VolumeSpec(
        PIXELS.shape,
        AXES,
        dtype="uint16",
        scale=(1.0, STEP, PIXEL, PIXEL),
        units=("", "micrometer", "micrometer", "micrometer"),
        channels=tuple(map(Channel, NAMES)),
    )
    with open_sink(path, spec, {"what": "test"}) as sink:
        for block in BlockPlan(spec.shape, sink.block):
            sink.write_block(block, PIXELS[block.region])
        run(sink.finishing())


def survives_in_tiff(path: Path) -> dict[str, bool]:
    """What is in a TIFF of ours, read with tifffile alone."""
    with tifffile.TiffFile(path) as file:
        pixels, axes = file.asarray(), file.series[0].axes
        place = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
        described = ElementTree.fromstring(str(file.ome_metadata)).find(f".//{place}Pixels")
    assert described is not None
    named = [channel.get("Name") for channel in described.findall(f"{place}Channel")]
    return {
        "axes": axes == AXES,
        "pixel size": float(described.get("PhysicalSizeX", 0)) == pytest.approx(PIXEL),
        "z-step": float(described.get("PhysicalSizeZ", 0)) == pytest.approx(STEP),
        "units": described.get("PhysicalSizeXUnit", "µm") == "µm",
        "channel names": tuple(named) == NAMES,
        "pixel values": bool((pixels == PIXELS).all()),
    }


def survives_in_zarr(path: Path) -> dict[str, bool]:
    """What is in an OME-Zarr of ours, read with JSON and zarr alone."""
    ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
    scales = ome["multiscales"][0]
    first = scales["datasets"][0]
    scale = first["coordinateTransformations"][0]["scale"]
    pixels = np.asarray(zarr.open_group(path, mode="r")[first["path"]][:])
    return {
        "axes": "".join(axis["name"] for axis in scales["axes"]).upper() == AXES,
        "pixel size": scale[-1] == pytest.approx(PIXEL),
        "z-step": scale[-3] == pytest.approx(STEP),
        "units": scales["axes"][-1].get("unit") == "micrometer",
        "channel names": tuple(channel["label"] for channel in ome["omero"]["channels"]) == NAMES,
        "pixel values": bool((pixels == PIXELS).all()),
    }


WRITTEN: dict[str, tuple[str, Callable[[Path], dict[str, bool]]]] = {
    "OME-TIFF (`.tif`, `.ome.tif`)": ("out.ome.tif", survives_in_tiff),
    "OME-Zarr 0.5 (`.ome.zarr`)": ("out.ome.zarr", survives_in_zarr),
}


def table(folder: Path) -> str:
    """Every format in every direction, and what survives it."""
    lines = [f"| | {' | '.join(ASPECTS)} |", "|---" * (len(ASPECTS) + 1) + "|"]
    for name, (file, write) in READ.items():
        write(folder / file)
        lines.append(_line(f"read {name}", survives_reading(folder / file)))
    for name, (file, read) in WRITTEN.items():
        written(folder / file)
        lines.append(_line(f"write {name}", read(folder / file)))
    return "\n".join(lines)


def _line(name: str, survives: dict[str, bool]) -> str:
    return f"| {name} | {' | '.join('yes' if survives[aspect] else '–' for aspect in ASPECTS)} |"


def test_the_table_in_the_manual_is_what_survives(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert table(tmp_path) == text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()


def main() -> None:
    """Write the table into the manual."""
    text = DOCUMENT.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        made = table(Path(folder))
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    DOCUMENT.write_text(f"{before}\n{made}\n{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
