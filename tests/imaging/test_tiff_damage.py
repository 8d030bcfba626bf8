"""Descriptions that cannot be true and files that are none: a sentence or the pixels, at once and in little memory."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
import tifffile

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import list_series, open_image
from napari_diffuscope.imaging.tiff import read_image, read_record

DATA = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def write_ome(
    path, *, pixels: str = "", data: str = "<TiffData/>", before: str = "", after: str = ""
) -> None:
    sizes = {"SizeX": 30, "SizeY": 20, "SizeZ": 3, "SizeC": 1, "SizeT": 1}
    text = " ".join(f'{name}="{value}"' for name, value in sizes.items() if f"{name}=" not in pixels)
    xml = (
        f'{before}<OME {NAMESPACE}><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
        f'{text} {pixels} PhysicalSizeX="0.5"><Channel ID="Channel:0" SamplesPerPixel="1"/>{data}</Pixels></Image>'
        f"{after}</OME>"
    )
    tifffile.imwrite(path, DATA, photometric="minisblack", metadata=None, description=xml)


BEYOND_REASON = {
    "depth": {"pixels": 'SizeZ="1000000000"'},
    "width": {"pixels": 'SizeX="1000000000"'},
    "all": {"pixels": 'SizeZ="100000" SizeT="100000" SizeC="100000"'},
    "digits": {"pixels": f'SizeZ="{"9" * 5000}"'},
    "word": {"pixels": 'SizeZ="many"'},
    "negative": {"pixels": 'SizeZ="-3"'},
    "zero": {"pixels": 'SizeZ="0"'},
    "page": {"data": '<TiffData IFD="1000000000" PlaneCount="1"/>'},
    "count": {"data": '<TiffData IFD="0" PlaneCount="1000000000"/>'},
    "first": {"data": '<TiffData IFD="0" FirstZ="1000000000" PlaneCount="1"/>'},
    "entities": {"before": '<!DOCTYPE OME [<!ENTITY a "b">]>', "data": '<TiffData IFD="&a;"/>'},
    "unknown entity": {"data": "<TiffData/>&nothing;"},
    "broken": {"data": "<TiffData>"},
    "modulo": {
        "after": "<StructuredAnnotations><XMLAnnotation ID='A' Namespace='openmicroscopy.org/omero/dimension/modulo'>"
        "<Value><Modulo><ModuloAlongT Type='lifetime' Start='0' End='1e12' Step='1'/></Modulo></Value></XMLAnnotation>"
        "</StructuredAnnotations>"
    },
}


@pytest.mark.parametrize("name", BEYOND_REASON)
def test_a_description_beyond_reason_is_left_aside_and_that_is_said(tmp_path, name, capfd):
    write_ome(tmp_path / "a.ome.tif", **BEYOND_REASON[name])
    tracemalloc.start()
    began = time.process_time()
    image = open_image(tmp_path / "a.ome.tif")
    pixels = np.asarray(image.data)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - began < 10
    assert most < 64 * 2**20
    np.testing.assert_array_equal(pixels, DATA)
    (note,) = image.notes
    assert "OME description" in note
    assert len(note) <= 300
    assert list_series(tmp_path / "a.ome.tif")[0].shape == DATA.shape
    assert read_record(tmp_path / "a.ome.tif") is None
    assert capfd.readouterr().err == ""


def test_a_pipe_among_the_files_of_a_set_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "b.ome.tif")
    write_ome(
        tmp_path / "a.ome.tif",
        data='<TiffData IFD="0"><UUID FileName="b.ome.tif">urn:uuid:1</UUID></TiffData>',
    )
    image = open_image(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(np.asarray(image.data), DATA)
    assert any("b.ome.tif" in note for note in image.notes)


@pytest.mark.parametrize("name", ["a.tif", "a.npy", "a.png", "a"])
@pytest.mark.parametrize("function", [open_image, list_series])
def test_pipes_and_devices_are_no_images(tmp_path, name, function):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DiffuscopeError, match="pipe"):
        function(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(DiffuscopeError, match="device"):
        function(tmp_path / name)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("code", [256, 257], ids=["width", "height"])
def test_flipped_bits_that_claim_more_than_a_file_can_hold(tmp_path, compression, code, capfd):
    """Bit 20 of the width or height set: a page of some ten million rows."""
    tifffile.imwrite(tmp_path / "a.tif", DATA[0], compression=compression, metadata=None)
    raw = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        tag = tif.pages[0].tags[code]
    kind, value = ("<I", tag.value | 2**30) if tag.dtype == 4 else ("<H", tag.value | 2**15)
    raw[tag.valueoffset : tag.valueoffset + struct.calcsize(kind)] = struct.pack(kind, value)
    for other in (256, 257):  # the other edge as long
        with tifffile.TiffFile(tmp_path / "a.tif") as tif:
            place = tif.pages[0].tags[other]
        if place.dtype == 3:
            raw[place.valueoffset : place.valueoffset + 2] = struct.pack("<H", 2**16 - 1)
    (tmp_path / "a.tif").write_bytes(raw)
    began = time.process_time()
    with pytest.raises(DiffuscopeError) as caught:
        read_image(tmp_path / "a.tif").read_plane(0)
    assert "a.tif" in str(caught.value)
    assert len(str(caught.value)) <= 300
    assert time.process_time() - began < 10
    assert capfd.readouterr().err == ""
