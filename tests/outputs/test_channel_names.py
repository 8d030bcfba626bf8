"""Names of channels go from the file of an image into that of its result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope.cli import main
from napari_diffuscope.imaging.channel_names import channel_names
from tests.fuzz.models import write_restoration

PIXELS = np.random.default_rng(0).poisson(30, (2, 3, 24, 20)).astype(np.uint16)


@pytest.mark.parametrize(
    ("name", "planes", "names"),
    [
        ("out.ome.tif", None, ("DAPI", "GFP")),
        ("out.ome.zarr", None, ("DAPI", "GFP")),
        ("out.ome.tif", "3:5", ("GFP",)),
    ],
)
def test_a_restored_file_has_the_names_of_its_channels(
    name: str, planes: str | None, names: tuple[str, ...], tmp_path: Path
) -> None:
    source = tmp_path / "cells.ome.tif"
    metadata = {
        "axes": "CZYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeY": 0.1,
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    tifffile.imwrite(source, PIXELS, metadata=metadata, photometric="minisblack")
    words = ["restore", source, tmp_path / name, "--model", write_restoration(tmp_path / "model")]
    words += [] if planes is None else ["--planes", planes]
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, words)))
    assert not ended.value.code
    assert channel_names(tmp_path / name, len(names)) == names
    if name.endswith(".zarr"):
        omero = json.loads((tmp_path / name / "zarr.json").read_text())["attributes"]["ome"]["omero"]
        for channel in omero["channels"]:
            assert channel["window"]["start"] < channel["window"]["end"]
