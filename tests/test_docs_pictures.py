"""Pictures of the documentation are made smaller without harm to what they show."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from napari_diffuscope.comparison.svg import COLOURS

SCRIPT = Path(__file__).parents[1] / "docs" / "screenshots.py"


def test_thin_curves_keep_their_colours_beside_an_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = np.repeat(rng.integers(0, 256, (400, 400, 1)), 3, axis=2).astype(np.uint8)
    pixels[..., 0] //= 2  # many colours, none of a curve
    pixels[:, :40] = 35
    curves = [ImageColor.getrgb(colour) for colour in COLOURS[:3]]
    for column, colour in enumerate(curves):
        pixels[:300, 10 + 10 * column] = colour
    picture = tmp_path / "picture.png"
    Image.fromarray(pixels).save(picture)
    before = picture.stat().st_size
    runpy.run_path(str(SCRIPT))["shrink"](picture)
    assert picture.stat().st_size < before
    shown = np.asarray(Image.open(picture).convert("RGB"))
    assert [tuple(shown[0, 10 + 10 * column]) for column in range(3)] == curves
    assert np.abs(shown.astype(int) - pixels).mean() < 2
