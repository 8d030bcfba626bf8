"""What all evaluations have in common: declared options, one folder, a report where figures cannot be drawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_diffuscope import DiffuscopeError
from napari_diffuscope.cli import main
from napari_diffuscope.cli.evaluate import EVALUATIONS
from napari_diffuscope.evaluate import harness
from napari_diffuscope.evaluate.declared import Evaluation
from napari_diffuscope.evaluate.harness import label_of
from napari_diffuscope.methods.declared import settings_of


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    z, y, x = np.mgrid[:9, :24, :24]
    tifffile.imwrite(tmp_path / "truth.tif", np.sin(z / 2 + y / 3 + x / 4, dtype=np.float32))
    return tmp_path / "truth.tif"


@pytest.mark.parametrize("evaluation", EVALUATIONS, ids=lambda each: each.name)
def test_every_setting_is_an_option_with_help(
    evaluation: Evaluation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert command("evaluate", evaluation.name, "--help") == 0
    shown = capsys.readouterr().out
    for setting in settings_of(evaluation.settings):
        assert setting.name == "data" or f"--{setting.option}" in shown
        assert setting.help.split()[0] in shown


def test_names_of_earlier_versions_are_understood(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--noise", "camera", "-q"]
    for name in ("restoration", "restore"):
        assert command("evaluate", name, *words) == 1
        assert "There is no" in capsys.readouterr().err
    assert (
        command("evaluate", "shape", str(tmp_path), "--out", str(tmp_path / "out"), "--fold", "7", "-q") == 1
    )
    assert "There is no fold 7" in capsys.readouterr().err


def test_a_wrong_word_among_several_is_named(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(volume.parent / "out")
    assert command("evaluate", "superres", str(volume), "--out", out, "--variants", "both", "-q") == 1
    assert "'both' is unknown; choose one of estimate" in capsys.readouterr().err


def test_the_folder_of_an_earlier_version_is_gone_on_with(volume: Path) -> None:
    out = volume.parent / "out"
    out.mkdir()
    earlier = {
        "kind": "superres", "data": str(volume), "planes": [0, 9], "size": 24, "steps": 10, "samples": 4, "seed": 0,
        "patch": 20, "axial_fwhm": 0.0, "noise": 0.0,
    }  # fmt: skip
    (out / "evaluation.json").write_text(json.dumps(earlier))
    words = ["evaluate", "superres", str(volume), "--out", str(out), "--size", "24", "--patch", "20", "-q"]
    assert command(*words, "--planes", "0:9", "--factors", "2", "--factors", "4") == 0
    assert "Every 4th plane" in (out / "superres.md").read_text(encoding="utf-8")
    assert command(*words, "--planes", "0:7", "--factors", "2") == 1


def test_without_matplotlib_the_report_is_written_and_said_to_have_no_figures(
    volume: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (harness, "napari_diffuscope.evaluate.superres.evaluation"):
        place = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{place}.can_draw", lambda: False)
    out = volume.parent / "out"
    words = ["--factors", "2", "--size", "24", "--patch", "20", "-q"]
    assert command("evaluate", "superres", str(volume), "--out", str(out), *words) == 0
    assert capsys.readouterr().err.count("Figures are left out") == 1
    assert (out / "superres.md").is_file()
    assert not (out / "figures").exists()


def test_models_of_one_name_are_told_apart_by_their_places() -> None:
    assert label_of("mine", "a/mine", ()) == "mine"
    assert label_of("mine", "a/mine", ("mine",)) == "a/mine"
    with pytest.raises(DiffuscopeError, match="a/mine is named twice"):
        label_of("mine", "a/mine", ("mine", "a/mine"))
