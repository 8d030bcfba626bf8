"""``--dry-run`` tries a few blocks, writes nothing, and says what the run would take; full disks are told before."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.cli import main
from napari_diffuscope.imaging.failures import in_bytes
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.tiff import write_image
from napari_diffuscope.jobs import Job, run
from napari_diffuscope.methods.registry import METHODS
from napari_diffuscope.methods.rehearsal import PROBES, rehearsal_job
from napari_diffuscope.methods.work import Work
from tests.methods.toys import BRIGHTEN, BrightenSettings

Usage = namedtuple("Usage", "total used free")
PIXELS = np.ones((40, 16, 16), np.float32)
PAUSE = 0.05
worked: list[int] = []


def slowly(work: Work) -> Job[None]:
    """One plane after the other."""
    for block in work.blocks():
        time.sleep(PAUSE)
        worked.append(block.region[0].start)
        yield from work.write(block, {"bright": work.read(block)})


@pytest.fixture(autouse=True)
def slow() -> Iterator[None]:
    METHODS.add(replace(BRIGHTEN, job=slowly))
    worked.clear()
    yield
    METHODS.remove("brighten")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.tif"
    write_image(path, PIXELS, Image(PIXELS, "ZYX"))
    return path


def called(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_few_blocks_tell_the_time_of_all() -> None:
    found = run(rehearsal_job(METHODS["brighten"], {"image": Image(PIXELS, "ZYX")}, BrightenSettings()))
    assert found.tried == PROBES
    assert len(worked) < len(PIXELS) / 4
    assert found.blocks == {"bright": 40}
    assert found.seconds is not None
    assert found.seconds > 0.5 * PAUSE * 40, "that of all blocks, not of those that were tried"


@pytest.mark.parametrize("name", ["out.tif", "out.ome.zarr"])
def test_it_writes_nothing_and_says_what_it_would(
    name: str, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert called("brighten", source, tmp_path / name, "--dry-run") == 0
    said = capfd.readouterr().out
    assert f"{name}: bright, Z 40 × Y 16 × X 16, float32, 41.0 kB, 40 blocks" in said
    assert "Disk:" in said
    assert "from 3 of them tried here. Nothing was written." in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.tif"]


def test_of_a_batch_it_lists_what_goes_where(
    source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "in.tif").write_bytes(b"earlier")
    assert called("brighten", source, tmp_path / "out", "--dry-run") == 0
    said = capfd.readouterr().out
    assert f"{source} -> {tmp_path / 'out' / 'in.tif'} (there already)" in said
    assert not worked
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in.tif"]


@pytest.mark.parametrize(("name", "free"), [("out.tif", 40_000), ("out.ome.zarr", 20_000)])
def test_a_disk_without_room_is_told_before_the_work(
    name: str,
    free: int,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**6, 0, free))
    assert called("brighten", source, tmp_path / name) == 1
    assert f"but only {free // 1000}.0 kB are free there" in capfd.readouterr().err
    assert not worked
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**6, 0, 10**6))
    assert called("brighten", source, tmp_path / name) == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (3_140, "3.1 kB"),
        (41_000, "41.0 kB"),
        (16e9, "16.0 GB"),
        (2.5e12, "2.5 TB"),
    ],
)
def test_sizes_in_words(number: float, words: str) -> None:
    assert in_bytes(number) == words
