"""The dialog that asks what a checkpoint does not tell, in a real viewer with a real file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtWidgets import QAbstractButton, QComboBox

from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.viewer.models.import_dialog import ImportDialog
from napari_diffuscope.weights.model import load_model
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
    config = OpenAIUNetConfig(
        in_channels=1,
        out_channels=1,
        model_channels=32,
        channel_multipliers=(1, 2),
        res_blocks=1,
        attention_downsampling=(2,),
    )
    state = {
        name: 0.05 * torch.randn_like(tensor) for name, tensor in OpenAIUNet(config).state_dict().items()
    }
    torch.save({"model": state, "hparams": {"num_heads": 2, "timesteps": 100}}, tmp_path / "paper.pt")
    return tmp_path / "paper.pt"


@pytest.fixture
def dialog(viewer: Any, open_dock: Any, qtbot: Any, checkpoint: Path) -> ImportDialog:
    viewer.add_image(noisy(3, 90, 80))
    dock = open_dock("Models")
    dock.import_paths([checkpoint])
    qtbot.waitUntil(lambda: dock.asking is not None and dock.asking.isVisible(), timeout=PATIENCE)
    qtbot.waitUntil(lambda: len(dock.asking.strip.buttons) > 0, timeout=PATIENCE)
    return dock.asking


def row_of(dialog: ImportDialog, name: str) -> Any:
    return next(row for row in dialog.rows if row.name == name)


def test_answers_are_tried_side_by_side_and_kept(qtbot: Any, dialog: ImportDialog, checkpoint: Path) -> None:
    assert row_of(dialog, "heads").answer() == 2
    assert "num_heads = 2" in row_of(dialog, "heads").why.text()
    assert row_of(dialog, "schedule").answer()["count"] == 100
    dialog.compared.setCurrentIndex(dialog.compared.findData("prediction"))
    dialog.compare()
    qtbot.waitUntil(lambda: not dialog.runner.running, timeout=PATIENCE)
    texts = [button.text() for button in dialog.strip.buttons]
    assert sum("keeps the image best" in text for text in texts) == 1
    assert len(texts) == 3
    pictures = [button.icon().pixmap(150).toImage() for button in dialog.strip.buttons]
    assert pictures[0] != pictures[1]
    dialog.strip.buttons[1].click()
    assert row_of(dialog, "prediction").answer() == "v"

    row_of(dialog, "schedule").box.setEditText("cosine 60")
    with qtbot.waitSignal(dialog.imported, timeout=PATIENCE) as imported:
        dialog.import_button.click()
    card = load_model(imported.args[0]).card
    assert (card.diffusion.prediction, card.network.arguments["heads"]) == ("v", 2)
    assert (card.diffusion.schedule.kind, card.diffusion.schedule.count) == ("cosine", 60)
    assert json.loads(checkpoint.with_name("paper.pt.json").read_text())["prediction"] == "v"


def test_a_wrong_answer_is_said_and_nothing_is_imported(
    qtbot: Any, dialog: ImportDialog, checkpoint: Path, models: Path
) -> None:
    row_of(dialog, "heads").box.setEditText("many")
    dialog.import_button.click()
    assert "whole number" in dialog.bar.status.text()
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
    qtbot.waitUntil(lambda: dock.asking is not None and dock.asking.isVisible(), timeout=PATIENCE)
    assert "Open an image" in dock.asking.how.text()
    viewer.add_image(np.zeros((40, 40)))
    dock.asking.compare()
    qtbot.waitUntil(lambda: not dock.asking.runner.running, timeout=PATIENCE)
    assert "shows nothing" in dock.asking.bar.status.text()
    with qtbot.waitSignal(dock.asking.imported, timeout=PATIENCE):
        dock.asking.import_button.click()


def test_every_control_explains_itself(dialog: ImportDialog) -> None:
    controls = [*dialog.findChildren(QAbstractButton), *dialog.findChildren(QComboBox)]
    silent = [control for control in controls if control.isVisible() and not control.toolTip()]
    assert silent == []
