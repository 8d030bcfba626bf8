"""A method of a few lines, declared in a test, gets everything that the others have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from napari_diffuscope.imaging.blocks import VolumeSpec
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.declared import Settings, declared
from napari_diffuscope.methods.method import METHODS, Input, Inputs, Method, Output
from napari_diffuscope.methods.running import run_method
from napari_diffuscope.methods.work import Work


@dataclass(frozen=True)
class BrightenSettings(Settings):
    gain: float = declared(2.0, "Gain", "How many times brighter.", low=0.0, high=100.0)
    offset: int | None = declared(
        None, "Offset", "What to add; automatic adds 1.", low=0, high=9, advanced=True
    )
    way: Literal["plain", "inverted"] = declared(
        "plain",
        "Way",
        "Which way round.",
        words={"plain": ("Plain", "As it is."), "inverted": ("Inverted", "Dark is bright.")},
    )
    twice: bool = declared(False, "Twice", "Do it two times.", decides=True)


def describe(inputs: Inputs, settings: BrightenSettings) -> list[Output]:
    image = inputs["image"]
    return [Output("bright", VolumeSpec(image.shape, image.axes, scale=image.scale, units=image.units))]


def brighten(work: Work) -> Job[None]:
    settings = work.settings
    sign = -1 if settings.way == "inverted" else 1
    factor = sign * settings.gain ** (2 if settings.twice else 1)
    for block in work.blocks():
        pixels = work.read(block) * factor + (1 if settings.offset is None else settings.offset)
        yield from work.write(block, {"bright": pixels.astype(np.float32)})


TOY = Method(
    "brighten",
    "Brighten",
    "Make an image brighter.",
    BrightenSettings,
    describe,
    brighten,
    inputs=(Input(help="Image to brighten."),),
    doing="Brightening",
    result="brightening",
)


@pytest.fixture
def toy() -> Iterator[Method]:
    yield METHODS.add(TOY)
    METHODS.remove("brighten")


def test_python(toy: Method) -> None:
    result = run_method(toy, np.ones((3, 8, 8), np.float32), gain=3.0)
    np.testing.assert_array_equal(result.bright, np.full((3, 8, 8), 4, np.float32))
    assert result.record["method"] == "brighten" and result.record["settings"]["gain"] == 3.0


def test_command(toy: Method, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from napari_diffuscope.cli import main

    with pytest.raises(SystemExit):
        main(["brighten", "--help"])
    shown = capsys.readouterr().out
    assert "How many times brighter." in shown and "--way" in shown
    source = tmp_path / "in.tif"
    import tifffile

    tifffile.imwrite(
        source, np.ones((3, 8, 8), np.float32), metadata={"axes": "ZYX"}, photometric="minisblack"
    )
    main(["brighten", str(source), str(tmp_path / "out.tif"), "--gain", "3"])
    print(capsys.readouterr())
    with tifffile.TiffFile(tmp_path / "out.tif") as tif:
        np.testing.assert_array_equal(tif.asarray(), np.full((3, 8, 8), 4, np.float32))
