"""The dialog that asks what a checkpoint does not tell, in a real viewer with a real file."""

from __future__ import annotations

import json
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QAbstractButton, QComboBox, QWidget

from napari_diffuscope.jobs import run
from napari_diffuscope.methods import trying
from napari_diffuscope.methods.trying import TriedAnswer
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.viewer.models.candidate_strip import CandidateStrip
from napari_diffuscope.viewer.models.import_dialog import ImportDialog
from napari_diffuscope.weights import kept_archives
from napari_diffuscope.weights.model import load_model
from tests.tiny import openai_config
from tests.viewer.conftest import PATIENCE, noisy

pytestmark = pytest.mark.viewer


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("DIFFUSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "models"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = openai_config()
    state = {
        name: 0.05 * torch.randn_like(tensor) for name, tensor in OpenAIUNet(config).state_dict().items()
    }
    torch.save({"model": state, "hparams": {"num_heads": 2, "timesteps": 100}}, tmp_path / "paper.pt")
    return tmp_path / "paper.pt"


def wait_for_questions(qtbot: Any, dock: Any) -> None:
    qtbot.waitUntil(
        lambda: dock.imports.asking is not None and dock.imports.asking.isVisible(), timeout=PATIENCE
    )


@pytest.fixture
def dialog(viewer: Any, open_dock: Any, qtbot: Any, checkpoint: Path) -> ImportDialog:
    viewer.add_image(noisy(3, 40, 36))
    dock = open_dock("Models")
    dock.import_paths([checkpoint])
    wait_for_questions(qtbot, dock)
    qtbot.waitUntil(lambda: len(dock.imports.asking.strip.buttons) > 0, timeout=PATIENCE)
    return dock.imports.asking


def row_of(dialog: ImportDialog, name: str) -> Any:
    return next(row for row in dialog.rows if row.name == name)


def test_answers_are_tried_side_by_side_and_kept(qtbot: Any, dialog: ImportDialog, checkpoint: Path) -> None:
    assert row_of(dialog, "heads").answer() == 2
    assert "num_heads = 2" in row_of(dialog, "heads").why.text()
    assert row_of(dialog, "schedule").answer()["count"] == 100
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    dialog.compared.setCurrentIndex(dialog.compared.findData("prediction"))
    assert not dialog.strip.buttons  # pictures of another question are gone
    assert "Press Compare" in dialog.how.text()
    dialog.compare()
    assert not dialog.compared.isEnabled()
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    assert dialog.compared.isEnabled()
    texts = [button.text() for button in dialog.strip.buttons]
    assert sum("keeps the image best" in text for text in texts) <= 1
    assert len(texts) == 3
    pictures = [button.icon().pixmap(150).toImage() for button in dialog.strip.buttons]
    assert pictures[0] != pictures[1]
    dialog.strip.buttons[1].click()
    assert row_of(dialog, "prediction").answer() == "v"

    row_of(dialog, "schedule").box.setEditText("")
    dialog.import_button.click()
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    assert "noise added from level to level? It needs an answer" in dialog.bar.status.text()
    row_of(dialog, "schedule").box.setEditText("cosine 60")
    with qtbot.waitSignal(dialog.imported, timeout=PATIENCE) as imported:
        dialog.import_button.click()
    card = load_model(imported.args[0]).card
    assert (card.diffusion.prediction, card.network.arguments["heads"]) == ("v", 2)
    assert (card.diffusion.schedule.kind, card.diffusion.schedule.count) == ("cosine", 60)
    assert json.loads(checkpoint.with_name("paper.pt.json").read_text())["prediction"] == "v"


@pytest.mark.parametrize(
    ("errors", "best", "verdict"),
    [
        ((0.25, 0.1), 1, "one"),
        ((0.4, 0.31), None, "none"),
        ((0.29, 0.4), 0, "one"),
        ((0.1, 0.1001), None, "alike"),
    ],
)
def test_none_keeps_the_image_best_where_a_flat_picture_would_do_as_well(
    qtbot: Any, errors: tuple[float, ...], best: int | None, verdict: str
) -> None:
    strip = CandidateStrip(lambda _: None)
    qtbot.addWidget(strip)
    image = np.zeros((8, 8), np.float32)
    tried = [TriedAnswer(image, error, flat=0.3) for error in errors]
    strip.show_tried([("one", 1), ("two", 2)], tried)
    said = ["keeps the image best" in button.text() for button in strip.buttons]
    assert said == [place == best for place in range(2)]
    assert strip.verdict == verdict


def test_answers_are_tried_where_the_image_shows_something(checkpoint: Path) -> None:
    image = np.zeros((200, 220), np.float32)
    image[10:60, 10:60] = noisy(50, 50) + 100
    image[150, 180] = 1e6  # a hot pixel is no structure
    answers = {"task": "restore", "heads": 2, "prediction": "x0", "time": "index", "data_range": (-1, 1)}
    (tried,) = run(trying.try_answers(checkpoint, [{**answers, "schedule": "linear"}], image))
    assert tried.piece is not None
    assert tried.piece.shape == (128, 128)
    assert np.count_nonzero(tried.piece > 0.2) > 1000


def test_what_is_stopped_and_a_wrong_answer_are_said_and_nothing_is_imported(
    qtbot: Any, dialog: ImportDialog, checkpoint: Path, models: Path
) -> None:
    dialog.compare()
    dialog.bar.cancel_button.click()
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    assert dialog.bar.status.text() == "Stopped; nothing was imported."
    row_of(dialog, "heads").box.setEditText("many")
    dialog.import_button.click()
    assert "whole number" in dialog.bar.status.text()
    assert "How many attention heads?" in dialog.bar.status.text()
    row_of(dialog, "heads").box.setEditText("5")
    dialog.import_button.click()
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    assert "5 heads" in dialog.bar.status.text()
    dialog.cancel_button.click()
    assert not models.exists() or not any(models.iterdir())
    assert not checkpoint.with_name("paper.pt.json").exists()


def test_without_an_image_the_questions_are_asked_all_the_same(
    viewer: Any, open_dock: Any, qtbot: Any, checkpoint: Path
) -> None:
    dock = open_dock("Models")
    dock.import_paths([checkpoint])
    wait_for_questions(qtbot, dock)
    assert "Open an image" in dock.imports.asking.how.text()
    qtbot.waitUntil(lambda: not dock.imports.asking.runner.running, timeout=PATIENCE)
    assert dock.imports.asking.bar.status.text() == "", "nothing is under way"
    viewer.add_image(np.zeros((40, 40)))
    dock.imports.asking.compare()
    qtbot.waitUntil(lambda: not dock.imports.asking.runner.running, timeout=PATIENCE)
    assert "shows nothing" in dock.imports.asking.bar.status.text()
    with qtbot.waitSignal(dock.imports.asking.imported, timeout=PATIENCE):
        dock.imports.asking.import_button.click()


def test_a_picture_is_shown_at_once_the_chosen_first_and_importing_need_not_wait(
    qtbot: Any, dialog: ImportDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    row_of(dialog, "prediction").give("x0")
    dialog.compared.setCurrentIndex(dialog.compared.findData("prediction"))
    step, waits = trying._moved, threading.Event()

    def slow_after_the_first(model: Any, *arguments: Any) -> Any:
        if model.card.diffusion.prediction != "x0":
            waits.wait(PATIENCE / 1000)
        return step(model, *arguments)

    def shown() -> list[str]:
        return [button.text() for button in dialog.strip.findChildren(QAbstractButton) if button.isVisible()]

    monkeypatch.setattr(trying, "_moved", slow_after_the_first)
    try:
        dialog.compare()
        qtbot.waitUntil(lambda: len(shown()) == 2, timeout=PATIENCE)
        assert dialog.runner.running
        assert len(dialog.strip.buttons) == 1
        assert "clean image" in dialog.strip.buttons[0].text()
        assert "your image" in shown()
        qtbot.waitUntil(lambda: "Trying answer 2 of 3" in dialog.bar.status.text(), timeout=PATIENCE)
        with qtbot.waitSignal(dialog.imported, timeout=PATIENCE) as imported:
            dialog.import_button.click()
            waits.set()
    finally:
        waits.set()  # else a failure here would hold up the tests that follow
    assert load_model(imported.args[0]).card.diffusion.prediction == "x0"


def test_a_checkpoint_in_an_archive_is_asked_about_and_its_answers_are_kept(
    viewer: Any, open_dock: Any, qtbot: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    unpacked = []
    unpack = kept_archives.unpack
    monkeypatch.setattr(kept_archives, "unpack", lambda *places: (unpacked.append(places), unpack(*places)))
    viewer.add_image(noisy(3, 40, 36))
    with zipfile.ZipFile(checkpoint.with_name("suppl.zip"), "w") as archive:
        archive.write(checkpoint, "data/paper.pt")
    checkpoint.unlink()
    dock = open_dock("Models")
    dock.import_paths([checkpoint.with_name("suppl.zip")])
    wait_for_questions(qtbot, dock)
    dialog = dock.imports.asking
    qtbot.waitUntil(lambda: len(dialog.strip.buttons) > 0, timeout=PATIENCE)
    assert row_of(dialog, "heads").answer() == 2
    with qtbot.waitSignal(dialog.imported, timeout=PATIENCE) as imported:
        dialog.import_button.click()
    assert imported.args == ["suppl"]
    assert len(unpacked) == 1, "for the first look, the questions, the comparison and the import"
    qtbot.waitUntil(lambda: not any((tmp_path / "temporary").iterdir()), timeout=PATIENCE)
    assert load_model("suppl").card.network.arguments["heads"] == 2
    assert load_model("suppl").card.title == "suppl", "in the list as it was said"
    assert json.loads(checkpoint.with_name("suppl.zip.json").read_text())["heads"] == 2
    dock.import_paths([checkpoint.with_name("suppl.zip")])
    qtbot.waitUntil(lambda: dock.models.chosen.name == "suppl-2", timeout=PATIENCE)


def test_a_network_of_volumes_is_asked_about_and_not_tried(
    viewer: Any, open_dock: Any, qtbot: Any, tmp_path: Path
) -> None:
    config = OpenAIUNetConfig(
        dims=3,
        in_channels=3,
        out_channels=1,
        model_channels=32,
        channel_multipliers=(1,),
        res_blocks=1,
        attention_downsampling=(),
        middle_attention=False,
    )
    torch.save(OpenAIUNet(config).state_dict(), tmp_path / "cells.pt")
    viewer.add_image(noisy(3, 40, 36))
    dock = open_dock("Models")
    dock.import_paths([tmp_path / "cells.pt"])
    wait_for_questions(qtbot, dock)
    assert "cannot be tried on an image" in dock.imports.asking.how.text()
    assert not dock.imports.asking.compare_button.isEnabled()
    assert dock.imports.asking.import_button.isEnabled()
    dock.imports.asking.reject()


def test_every_control_explains_itself(dialog: ImportDialog) -> None:
    controls = [*dialog.findChildren(QAbstractButton), *dialog.findChildren(QComboBox)]
    silent = [control for control in controls if control.isVisible() and not control.toolTip()]
    assert silent == []


def test_an_archive_goes_with_the_dialog_that_goes_with_its_window(
    qtbot: Any, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(kept_archives, "_shelf", kept_archives._Shelf())  # dialogs of other tests keep theirs
    archive = checkpoint.with_name("suppl.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.write(checkpoint, "data/paper.pt")
    window = QWidget()
    dialog = ImportDialog(None, archive, window)
    with kept_archives.unpacked_folder(archive):
        pass
    assert any((tmp_path / "temporary").iterdir()), "kept for the next look"
    with qtbot.waitSignal(dialog.destroyed, timeout=PATIENCE):
        window.deleteLater()
    qtbot.waitUntil(lambda: not any((tmp_path / "temporary").iterdir()), timeout=PATIENCE)
