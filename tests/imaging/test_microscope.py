"""Files of microscopes become images with what they know of themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.blocks.reading import read_block
from napari_diffuscope.imaging.files import list_series, open_image
from tests.imaging.microscope_files import write_czi, write_lif, write_nd2

pytest.importorskip("pylibCZIrw", reason='the readers are missing: pip install "napari-diffuscope[formats]"')
pytest.importorskip("bioio_lif")
pytest.importorskip("bioio_nd2")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16)


@pytest.fixture
def two_scenes(tmp_path: Path) -> Path:
    scenes = [noise(1, 1, 2, 20, 24), noise(1, 1, 2, 30, 24, seed=1)]
    return write_czi(tmp_path / "two.czi", scenes, names=["left", "right"], channels=["DAPI"])


def test_czi_keeps_sizes_axes_and_names_of_channels(tmp_path: Path) -> None:
    pixels = noise(2, 2, 3, 40, 50)
    image = open_image(write_czi(tmp_path / "a.czi", [pixels], channels=["DAPI", "GFP"]))
    assert (image.axes, image.channels, image.name) == ("TCZYX", ("DAPI", "GFP"), "a")
    assert image.scale[2:] == (0.3, 0.1, 0.1)
    assert image.units[2:] == ("micrometer",) * 3
    assert not image.notes
    np.testing.assert_array_equal(np.asarray(image.data), pixels)
    window = [(1, 2), (0, 1), (1, 3), (7, 33), (11, 12)]
    part = pixels[tuple(slice(*edges) for edges in window)]
    np.testing.assert_array_equal(read_block(image, [slice(*edges) for edges in window]), part)
    assert open_image(tmp_path / "a.czi", axes="TZCYX").axes == "TZCYX"
    with pytest.raises(DiffuscopeError, match="one letter per axis"):
        open_image(tmp_path / "a.czi", axes="ZYX")


def test_colours_of_czi_are_red_green_and_blue(tmp_path: Path) -> None:
    from pylibCZIrw import czi

    colours = np.zeros((16, 20, 3), np.uint8)
    colours[..., 0], colours[..., 2] = 200, 10
    with czi.create_czi(str(tmp_path / "c.czi")) as document:
        document.write(data=colours[..., ::-1].copy(), plane={"T": 0, "C": 0, "Z": 0})
        document.write_metadata(scale_x=1e-7, scale_y=1e-7)
    image = open_image(tmp_path / "c.czi", rgb="channels")
    np.testing.assert_array_equal(np.asarray(image.data), colours.transpose(2, 0, 1))
    assert open_image(tmp_path / "c.czi").axes == "YX"


def test_which_scene_is_taken_is_said_and_can_be_chosen(two_scenes: Path) -> None:
    image = open_image(two_scenes)
    (note,) = image.notes
    assert "holds 2 images; series 1 ('right' 2 x 30 x 24) is read, the largest" in note
    assert "0: 'left' 2 x 20 x 24" in note
    assert (image.series, image.scene, image.name) == (1, "right", "two right")
    for wanted in ("left", "LEFT", 0, "0"):
        chosen = open_image(two_scenes, series=wanted)
        assert (chosen.shape, chosen.notes) == ((2, 20, 24), ())
        np.testing.assert_array_equal(np.asarray(chosen.data), noise(1, 1, 2, 20, 24)[0, 0])
    assert [(one.name, one.shape) for one in list_series(two_scenes)] == [
        ("left", (2, 20, 24)),
        ("right", (2, 30, 24)),
    ]
    for wanted, words in (("middle", "0: 'left', 1: 'right'"), (2, "no series 2"), ("-1", "no series -1")):
        with pytest.raises(DiffuscopeError, match=words):
            open_image(two_scenes, series=wanted)


def test_scenes_without_names_are_all_there(tmp_path: Path) -> None:
    scenes = [noise(1, 1, 1, 20, 24), noise(1, 1, 1, 20, 24, seed=1)]
    path = write_czi(tmp_path / "plain.czi", scenes)
    assert len(list_series(path)) == 2
    np.testing.assert_array_equal(np.asarray(open_image(path, series=1).data), scenes[1][0, 0, 0])
    (note,) = open_image(path).notes
    assert "series 0 (20 x 24) is read, the first of the largest" in note


def test_lif_keeps_sizes_axes_and_names_of_channels(tmp_path: Path) -> None:
    images = {"Series001": noise(1, 2, 3, 20, 30), "Series002": noise(1, 2, 4, 20, 30, seed=1)}
    path = write_lif(tmp_path / "a.lif", images, channels=["Green", "Red"])
    image = open_image(path, series="series001")
    assert (image.axes, image.channels, image.scene) == ("CZYX", ("Green", "Red"), "Series001")
    assert image.scale[1:] == (0.3, 0.1, 0.1)
    assert image.units[1:] == ("micrometer",) * 3
    np.testing.assert_array_equal(np.asarray(image.data), images["Series001"][0])
    np.testing.assert_array_equal(np.asarray(open_image(path).data), images["Series002"][0])
    assert "Series001" in open_image(path).notes[0]
    listed = [(one.name, one.axes, one.shape, one.nbytes) for one in list_series(path)]
    assert listed == [
        ("Series001", "CZYX", (2, 3, 20, 30), 7200),
        ("Series002", "CZYX", (2, 4, 20, 30), 9600),
    ]


def test_nd2_keeps_sizes_times_axes_and_names_of_positions_and_channels(tmp_path: Path) -> None:
    """No file of a microscope was at hand: this one follows the layout that its reader knows."""
    positions = {"well one": noise(2, 2, 3, 20, 30), "well two": noise(2, 2, 3, 20, 30, seed=1)}
    path = write_nd2(tmp_path / "a.nd2", positions, channels=["DAPI", "GFP"], interval=2.5)
    image = open_image(path, series="well two")
    assert (image.axes, image.channels, image.notes) == ("TCZYX", ("DAPI", "GFP"), ())
    assert (image.scale[0], *image.scale[2:]) == (2.5, 0.3, 0.1, 0.1)
    assert (image.units[0], *image.units[2:]) == ("second", *("micrometer",) * 3)
    for name, pixels in positions.items():
        np.testing.assert_array_equal(np.asarray(open_image(path, series=name).data), pixels)
    assert "series 0 ('well one' 2 x 2 x 3 x 20 x 30) is read" in open_image(path).notes[0]


def test_nd2_without_a_calibration_has_no_sizes_and_missing_planes_are_said(tmp_path: Path) -> None:
    pixels = noise(2, 1, 3, 20, 30)
    path = write_nd2(tmp_path / "a.nd2", {"one": pixels}, channels=["DAPI"], pixel=None, frames=4)
    image = open_image(path)
    assert (image.scale[2:], image.units[2:]) == ((1.0, 1.0), ("pixel", "pixel"))
    (note,) = image.notes
    assert "of 6 planes of each channel 4 were recorded" in note
    np.testing.assert_array_equal(np.asarray(image.data)[0], pixels[0, 0])
    np.testing.assert_array_equal(np.asarray(image.data)[1, 1:], 0)


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"ZISRAWFILE", "Zeiss CZI"), (b"\x70\0\0\0", "Leica LIF"), (b"\xda\xce\xbe\x0a", "Nikon ND2")],
)
def test_without_the_extra_one_sentence_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, kind: str
) -> None:
    monkeypatch.setattr("napari_diffuscope.imaging.microscope.reading.find_spec", lambda name: None)
    (tmp_path / "a.tif").write_bytes(content + bytes(50))
    with pytest.raises(DiffuscopeError) as caught:
        open_image(tmp_path / "a.tif")
    assert f"a.tif' is a {kind} file" in str(caught.value)
    assert 'pip install "napari-diffuscope[formats]"' in str(caught.value)


def test_damaged_files_end_in_a_sentence(tmp_path: Path) -> None:
    whole = write_czi(tmp_path / "whole.czi", [noise(1, 2, 3, 40, 50)], channels=["a", "b"]).read_bytes()
    hole, place = bytearray(whole), whole.find(b"ZISRAWSUBBLOCK", 5000)
    hole[place : place + 600] = bytes(600)
    lif = write_lif(tmp_path / "whole.lif", {"one": noise(1, 1, 2, 20, 30)}, channels=["a"]).read_bytes()
    nd2 = write_nd2(tmp_path / "whole.nd2", {"one": noise(1, 1, 2, 20, 30)}, channels=["a"]).read_bytes()
    damaged = {
        "short.czi": whole[:700],
        "cut.czi": whole[: len(whole) * 9 // 10],
        "hole.czi": bytes(hole),
        "text.czi": b"nothing of the kind",
        "text.nd2": b"nothing of the kind",
        "text.lif": b"nothing of the kind",
        "cut.nd2": nd2[: len(nd2) // 2],
        "head.nd2": b"\xda\xce\xbe\x0a" + bytes(500),
        "cut.lif": lif[:400],
        "pixels.lif": lif[:-700],
    }
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DiffuscopeError, match=name) as caught:
            np.asarray(open_image(tmp_path / name).data)
        assert len(str(caught.value)) <= 300, name


def test_a_file_that_goes_away_is_told(two_scenes: Path) -> None:
    image = open_image(two_scenes)
    two_scenes.unlink()
    with pytest.raises(DiffuscopeError, match=r"There is no file .*two\.czi"):
        image.read_plane(0)


def test_what_another_reader_of_bioio_claims_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bioio import BioImage

    pixels = noise(4, 20, 30)
    monkeypatch.setattr("bioio.plugins.get_plugins", lambda use_cache: {".dv": []})
    monkeypatch.setattr("bioio.BioImage", lambda path, **_: BioImage(pixels, dim_order="ZYX"))
    (tmp_path / "a.dv").write_bytes(b"whatever")
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "a.dv").data), pixels)
