"""Archives are unpacked once, and nothing of them stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from napari_diffuscope.weights import kept_archives
from napari_diffuscope.weights.kept_archives import keeping_archives, unpacked_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def zipped(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/words.txt", text)
    return path


def words(source: Path) -> tuple[Path, str]:
    with unpacked_folder(source) as folder:
        return folder, (folder / "model" / "words.txt").read_text()


def test_an_archive_is_unpacked_once_while_it_is_kept_and_anew_when_it_changed(
    tmp_path: Path, temporary: Path
) -> None:
    source, other = zipped(tmp_path / "one.zip", "first"), zipped(tmp_path / "two.zip", "second")
    with keeping_archives():
        place, text = words(source)
        with keeping_archives():
            assert words(source) == (place, text) == (place, "first")
        assert words(source)[0] == place
        zipped(source, "changed")
        assert words(source)[1] == "changed"
        assert not place.exists(), "only the newest is kept"
        with unpacked_folder(source) as still_used:
            assert words(other)[1] == "second"
            assert (still_used / "model" / "words.txt").is_file()
    assert not any(temporary.iterdir())
    words(source)
    assert not any(temporary.iterdir())


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path, temporary: Path
) -> None:
    source = zipped(tmp_path / "one.zip", "first")
    killed = (
        "import os, sys, tempfile; from pathlib import Path\n"
        "from napari_diffuscope.weights.kept_archives import unpacked_folder\n"
        "tempfile.tempdir = sys.argv[2]\n"
        "with unpacked_folder(Path(sys.argv[1])): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(source), str(temporary)], check=False, timeout=300)
    (left,) = temporary.iterdir()
    with unpacked_folder(source) as folder:
        living = folder.parent
        for place in (left, living):
            os.utime(place, (1, 1))
        words(zipped(tmp_path / "two.zip", "second"))
        assert not left.exists()
        assert (folder / "model" / "words.txt").is_file()
    assert not any(temporary.iterdir())


def test_a_folder_that_is_being_made_is_left_alone(tmp_path: Path, temporary: Path) -> None:
    young = temporary / f"{kept_archives.PREFIX}young"
    young.mkdir()
    words(zipped(tmp_path / "one.zip", "first"))
    assert young.is_dir()
