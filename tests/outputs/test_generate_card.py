"""A card that finds no room costs no image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope import generate
from napari_diffuscope.cli import main
from napari_diffuscope.imaging.files import open_image
from napari_diffuscope.imaging.tiff import read_record
from tests.methods.generators import carry_real, carry_training, write_generator


def test_without_room_for_the_card_the_images_are_whole_and_that_is_said_in_a_sentence(
    small_disk: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, model = small_disk(8), write_generator(tmp_path / "model")
    made = generate(model=str(model), number=12, size=64).generated
    carry_training(model, list(made[:3]), list(made[4:]))
    carry_real(model, made[4:12], made[:10])
    words = ["generate", tmp_path / "a.tif", "--model", model, "--number", 2, "--size", 64, "--quiet"]
    words += ["--card", disk / "card.html", "--json", tmp_path / "record.json"]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "card.html" in line]
    assert len(said) == 1
    assert "'a.tif' is whole" in said[0]
    assert "the disk is full" in said[0]
    assert not list(disk.iterdir())
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").data[:], made[:2])
    record = read_record(tmp_path / "a.tif")
    assert record is not None
    assert record["card"]["copies"]["compared"] == 2
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["card"] == record["card"]
