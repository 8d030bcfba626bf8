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


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose record is long, for it carries what its images are judged by."""
    folder = write_generator(tmp_path_factory.mktemp("models") / "judging")
    made = generate(model=str(folder), number=12, size=64).generated
    carry_training(folder, list(made[:3]), list(made[4:]))
    carry_real(folder, made[4:12], made[:10])
    return folder


def called(words: list[object]) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_without_room_for_the_card_the_images_are_whole_and_that_is_said_in_a_sentence(
    small_disk: Callable[[int], Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, made = small_disk(8), generate(model=str(model), number=2, size=64).generated
    words: list[object] = [
        "generate",
        tmp_path / "a.tif",
        "--model",
        model,
        "--number",
        2,
        "--size",
        64,
        "--quiet",
    ]
    words += ["--card", disk / "card.html", "--json", tmp_path / "record.json"]
    assert called(words) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "card.html" in line]
    assert len(said) == 1
    assert "'a.tif' is whole" in said[0]
    assert "the disk is full" in said[0]
    assert not list(disk.iterdir())
    np.testing.assert_array_equal(open_image(tmp_path / "a.tif").data[:], made)
    record = read_record(tmp_path / "a.tif")
    assert record is not None
    assert record["card"]["copies"]["compared"] == 2
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))["card"] == record["card"]


def test_without_room_for_the_record_alone_the_images_are_whole_and_that_is_said(
    small_disk: Callable[[int], Path], model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk, out = small_disk(4), tmp_path / "a.tif"
    (disk / "full").write_bytes(bytes(4096))
    words = ["generate", out, "--model", model, "--number", 2, "--size", 64, "--steps", 1, "--quiet"]
    assert called([*words, "--json", disk / "record.json"]) == 1
    [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("diffuscope: ")]
    assert "'a.tif' is whole" in said
    assert "the disk is full" in said
    assert [path.name for path in disk.iterdir()] == ["full"]
    assert open_image(out).shape == (2, 64, 64)


def test_a_disk_that_is_full_at_any_moment_is_told_in_a_sentence(
    small_disk: Callable[[int], Path], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words: list[object] = ["--model", model, "--number", 4, "--size", 64, "--steps", 1, "--quiet"]
    codes = []
    for room in range(64, 92, 4):  # four images are 64 kB; header, journal and record come on top
        out = small_disk(room) / "a.tif"
        codes.append(called(["generate", out, *words]))
        assert out.exists() == (codes[-1] == 0)
        said = capsys.readouterr().err.strip().splitlines()
        failures = [line for line in said if line.startswith("diffuscope: ")]
        assert len(failures) == codes[-1]
        assert all("free there" in line or "disk is full" in line for line in failures)
    assert codes[0] == 1
    assert codes[-1] == 0
