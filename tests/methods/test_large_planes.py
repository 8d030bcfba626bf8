"""A part of a plane that is larger than memory is restored without reading the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope import restore
from napari_diffuscope.imaging import parts
from napari_diffuscope.imaging.files import open_image

CROP = (1000, 1064, 2000, 2080)


def test_a_crop_of_a_plane_of_37_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "sparse.npy"
    header = {"descr": "<u1", "fortran_order": False, "shape": (200_000, 200_000)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        rng = np.random.default_rng(0)
        for row in range(900, 1200):
            file.seek(start + row * 200_000 + 1800)
            file.write(rng.poisson(60 + 40 * np.sin(np.arange(600) / 20)).astype(np.uint8).tobytes())
        file.truncate(start + 200_000**2)
    result = restore(path, crop=CROP)
    assert result.restored.shape == (64, 80)
    assert np.isfinite(result.restored).all()
    assert 40 < result.restored.mean() < 80
    assert any("too large to be read whole" in message for message in result.record["messages"])
    assert result.record["settings"]["crop"] == CROP


def test_a_part_of_a_large_plane_is_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).poisson(100, (3, 700, 900)).astype(np.uint16)
    np.save(tmp_path / "stack.npy", pixels)
    image = open_image(tmp_path / "stack.npy", axes="ZYX")
    monkeypatch.setattr(parts, "MOST_PIXELS", 1000)
    monkeypatch.setattr(parts, "MARGIN", 30)
    part, crop = parts.part_of_large_planes(image, (100, 164, 10, 90))
    assert crop is not None
    y0, y1, x0, x1 = crop
    np.testing.assert_array_equal(part.read_plane(1)[y0:y1, x0:x1], pixels[1, 100:164, 10:90])
    assert part.plane_shape == (124, 120)
