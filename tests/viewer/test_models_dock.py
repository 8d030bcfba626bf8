"""The dock Models: the list, the card, and what can be done with a model, in a real window."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QApplication, QFileDialog, QInputDialog, QMessageBox

from napari_diffuscope.weights.catalogue import STARTERS, find_model, listed_models
from napari_diffuscope.weights.entries import add_entry
from napari_diffuscope.weights.model import load_model
from napari_diffuscope.weights.trial import verify_model

from .conftest import PATIENCE, click

pytestmark = [pytest.mark.viewer, pytest.mark.usefixtures("own_places")]


@pytest.fixture
def dock(open_dock):
    return open_dock("Models")


def after(qtbot, dock, action) -> object:
    """Do something that works in the background, and wait for its end."""
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        action()
    return ended.args[0]


def drop(dock, *paths: Path) -> bool:
    """Drag files over a dock and let them fall, as the window system tells it; whether they were taken."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    how = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    entered = QDragEnterEvent(QPoint(10, 10), *how)
    QApplication.sendEvent(dock, entered)
    if not entered.isAccepted():
        return False
    QApplication.sendEvent(dock, QDropEvent(QPointF(10, 10), *how))
    return True


def test_the_list_is_searched_by_words_and_the_card_says_what_is_known(dock) -> None:
    everything = dock.models.shown
    assert set(everything) == {model.name for model in listed_models()}
    dock.models.search.setText("shape shipped")
    assert dock.models.shown == ["shape-red-blood-cells"]
    dock.models.search.setText("published 2404.09425")
    assert dock.models.shown == ["msdsr-opensrh"]
    dock.models.choose("msdsr-opensrh")
    text = dock.cards.toPlainText()
    assert "never: nobody of this project has got this file" in text
    assert "unknown (its code: MIT)" in text
    dock.models.search.setText("no such thing")
    assert dock.models.shown == []
    assert not dock.buttons.verify_button.isEnabled()
    dock.models.search.clear()
    assert dock.models.shown == everything


def test_a_model_that_the_search_hides_is_not_the_chosen_one(dock) -> None:
    dock.models.choose("restoration-fluorescence")
    dock.models.search.setText("no model has these words")
    assert "No model has these words" in dock.cards.toPlainText()
    assert dock.example.isHidden()
    controls = (
        dock.buttons.export_button,
        dock.buttons.verify_button,
        dock.buttons.test_button,
        dock.buttons.remove_button,
    )
    assert not any(control.isEnabled() for control in controls)
    dock.models.search.setText("shape")
    assert dock.models.chosen.name == dock.models.shown[0]


def test_the_example_and_the_citation(qtbot, dock) -> None:
    dock.models.choose("restoration-fluorescence")
    assert not dock.example.isHidden()
    assert all(picture.pixmap().width() > 50 for picture in dock.example.pictures)
    click(qtbot, dock.buttons.cite_button)
    assert "@inproceedings{osunavargas2025ddpm" in QApplication.clipboard().text()
    dock.models.choose("dispr")
    assert dock.example.isHidden()


def test_what_can_be_done_depends_on_where_a_model_is(dock, monkeypatch) -> None:
    def possible(name: str) -> set[str]:
        dock.models.choose(name)
        controls = {
            "download": dock.buttons.download_button,
            "export": dock.buttons.export_button,
            "test": dock.buttons.test_button,
            "remove": dock.buttons.remove_button,
        }
        return {action for action, control in controls.items() if control.isEnabled()}

    assert possible("restoration-fluorescence") == {"export", "test"}
    assert "on this computer already" in dock.buttons.download_button.toolTip()
    assert possible("msdsr-opensrh") == {"download"}
    assert possible("dispr") == set()
    assert "no address" in dock.buttons.download_button.toolTip()
    assert "By hand: its authors publish no weights" in dock.cards.toPlainText()
    monkeypatch.setenv("DIFFUSCOPE_OFFLINE", "1")
    dock.look_again()
    assert possible("msdsr-opensrh") == set()
    assert "DIFFUSCOPE_OFFLINE" in dock.buttons.download_button.toolTip()


def test_download_verify_test_export_and_remove(
    qtbot, viewer, stack, dock, open_dock, server, own_places
) -> None:
    add_entry(server.address("whole.zip"), name="lab", title="From the lab", sha256=server.sha256)
    restore = open_dock("Restore")
    assert "From the lab" not in titles(restore)
    dock.look_again()
    dock.models.choose("lab")
    assert after(qtbot, dock, lambda: click(qtbot, dock.buttons.download_button)).state == "done"
    assert "lab is ready" in dock.bar.status.text()
    assert dock.models.chosen.badge == "downloaded"
    assert restore.form.model.box.findData("lab") >= 0, "the other docks know it at once"
    after(qtbot, dock, lambda: click(qtbot, dock.buttons.verify_button))
    assert "is whole" in dock.bar.status.text()
    after(qtbot, dock, lambda: click(qtbot, dock.buttons.test_button))
    assert "gives what it gave" in dock.bar.status.text()
    after(qtbot, dock, lambda: dock.export_to(own_places / "lab.zip"))
    assert {Path(name).name for name in zipfile.ZipFile(own_places / "lab.zip").namelist()} >= {
        "model.json",
        "weights.safetensors",
        "trial.npz",
    }
    click(qtbot, dock.buttons.remove_button)
    assert "for good" in dock.question.text()
    dock.question.button(QMessageBox.StandardButton.Cancel).click()
    assert find_model("lab").is_dir()
    click(qtbot, dock.buttons.remove_button)
    after(qtbot, dock, lambda: dock.question.button(QMessageBox.StandardButton.Yes).click())
    assert "lab" not in dock.models.shown
    assert restore.form.model.box.findData("lab") < 0
    assert not (own_places / "cache" / "lab").exists()
    after(qtbot, dock, lambda: dock.import_paths([own_places / "lab.zip"]))
    assert verify_model("lab"), "what was exported can be imported"


@pytest.mark.parametrize("format", ["Zip file…", "Folder…", "BioImage Model Zoo package…"])
def test_export_in_every_format_and_import_again(
    qtbot, dock, tiny_model, own_places, monkeypatch, format
) -> None:
    after(qtbot, dock, lambda: dock.import_paths([tiny_model]))
    place = own_places / "out.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(place.with_suffix("")), ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(own_places))
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: ("A. Author, B. Author", True))
    action = next(one for one in dock.buttons.export_button.menu().actions() if one.text() == format)
    outcome = after(qtbot, dock, action.trigger)
    assert outcome.state == "done", outcome.error
    written = own_places / "tiny" if format == "Folder…" else place
    assert str(written) in dock.bar.status.text()
    if "Zoo" in format:
        assert b"B. Author" in zipfile.ZipFile(written).read("bioimageio.yaml")
    after(qtbot, dock, lambda: dock.import_paths([written]))
    name = dock.models.chosen.name
    assert name == ("tiny-2" if format == "Folder…" else "out")
    assert dock.models.list.currentItem().text().startswith(f"Tiny ({name})"), (
        "titles that are the same are told apart"
    )
    x, level = torch.ones(1, 1, 16, 16), torch.tensor([0.5])
    outputs = [load_model(one).network(torch.cat((x, x), 1), level) for one in (tiny_model, find_model(name))]
    assert torch.equal(*outputs)


def test_a_model_without_an_example_says_so_and_gets_one(qtbot, dock, tiny_model) -> None:
    after(qtbot, dock, lambda: dock.import_paths([tiny_model]))
    assert "Example to test by" not in dock.cards.toPlainText(), "an import stores one"
    (find_model("tiny") / "trial.npz").unlink()
    dock.look_again()
    assert "offers to store" in dock.cards.toPlainText()
    after(qtbot, dock, lambda: click(qtbot, dock.buttons.test_button))
    assert "no stored example" in dock.question.text()
    after(qtbot, dock, lambda: dock.question.button(QMessageBox.StandardButton.Yes).click())
    assert "is stored now" in dock.bar.status.text()
    after(qtbot, dock, lambda: click(qtbot, dock.buttons.test_button))
    assert "gives what it gave" in dock.bar.status.text()


def titles(dock) -> list[str]:
    box = dock.form.model.box
    return [box.itemText(index) for index in range(box.count())]


def test_a_download_is_cancelled_and_gone_on_with(qtbot, dock, server, own_places) -> None:
    add_entry(server.address("drip.zip"), name="lab", sha256=server.sha256)
    dock.look_again()
    dock.models.choose("lab")
    click(qtbot, dock.buttons.download_button)
    qtbot.waitUntil(lambda: 0 < dock.bar.progress.value() < dock.bar.progress.maximum(), timeout=PATIENCE)
    assert "Downloading" in dock.bar.status.text()
    assert not dock.buttons.download_button.isEnabled()
    outcome = after(qtbot, dock, lambda: click(qtbot, dock.bar.cancel_button))
    assert outcome.state == "cancelled"
    assert dock.models.chosen.badge == "published"
    assert after(qtbot, dock, lambda: click(qtbot, dock.buttons.download_button)).state == "done"
    assert server.asked[-1][1].startswith("bytes=")


def test_a_download_that_fails_says_why_and_changes_nothing(qtbot, dock, server) -> None:
    add_entry(server.address("403.zip"), name="lab")
    dock.look_again()
    dock.models.choose("lab")
    before = dock.models.shown
    after(qtbot, dock, lambda: click(qtbot, dock.buttons.download_button))
    assert "sign in or accept its terms" in dock.bar.status.text()
    assert dock.models.shown == before
    assert dock.models.chosen.badge == "published"


def test_files_folders_and_archives_are_dropped(qtbot, dock, tiny_model, zipped_model, tmp_path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "dropped-folder")
    outcome = after(qtbot, dock, lambda: drop(dock, folder, zipped_model))
    assert [result.name for result in outcome.result] == ["dropped-folder", "tiny"]
    assert {"dropped-folder", "tiny"} <= set(dock.models.shown)
    assert dock.models.chosen.name == "tiny"
    outcome = after(qtbot, dock, lambda: drop(dock, zipped_model))
    assert outcome.result[0].name == "tiny-2", "nothing is replaced"


def test_models_dropped_on_another_dock_are_imported_and_images_are_not_taken(
    qtbot, stack, open_dock, zipped_model, tmp_path
) -> None:
    restore = open_dock("Restore")
    (tmp_path / "image.tif").write_bytes(b"II")
    assert not drop(restore, tmp_path / "image.tif")
    models = open_dock("Models")
    after(qtbot, models, lambda: drop(restore, zipped_model))
    assert restore.form.model.box.findData("tiny") >= 0


def test_bad_files_leave_the_list_unharmed_and_each_has_its_sentence(
    qtbot, dock, tmp_path, own_places
) -> None:
    bad = {
        "notes.pt": b"these are my notes",
        "empty.safetensors": b"",
        "cut.zip": b"PK\x03\x04" + b"\0" * 50,
        "program.pt": b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00true\x85R.",
        "image.tif": (STARTERS / "restoration-fluorescence" / "example_input.tif").read_bytes(),
    }
    paths = [tmp_path / name for name in bad]
    for path, content in zip(paths, bad.values(), strict=True):
        path.write_bytes(content)
    before = dock.models.shown
    outcome = after(qtbot, dock, lambda: drop(dock, *paths, tmp_path / "gone.pt"))
    problems = [result.problem for result in outcome.result]
    assert len(problems) == 6
    for path, problem in zip(paths, problems, strict=False):
        assert 10 < len(problem) <= 300
        assert "\n" not in problem
        assert path.name in dock.cards.toPlainText()
    assert "6 of 6 were not imported" in dock.bar.status.text()
    assert dock.models.shown == before
    assert not any(path.is_dir() for path in (own_places / "models").glob("*"))


def test_one_bad_file_does_not_hide_that_another_was_taken(qtbot, dock, tiny_model, tmp_path) -> None:
    (tmp_path / "notes.pt").write_bytes(b"these are my notes")
    after(qtbot, dock, lambda: drop(dock, tmp_path / "notes.pt", tiny_model))
    assert "1 of 2 were not imported" in dock.bar.status.text()
    assert "Imported: tiny." in dock.bar.status.text()
    assert "notes.pt" in dock.cards.toPlainText()
    after(qtbot, dock, lambda: dock.import_paths([tiny_model]))
    dock.ask_to_remove()
    assert "(tiny-2)" in dock.question.text()
    dock.question.reject()
    (tmp_path / "there").mkdir()
    after(qtbot, dock, lambda: dock.export_to(tmp_path / "there", "folder"))
    assert "choose another place" in dock.bar.status.text()
    assert "--" not in dock.bar.status.text()


def test_every_control_explains_itself(dock) -> None:
    from qtpy.QtWidgets import QAbstractButton, QLineEdit, QListWidget, QTextBrowser

    for kind in (QAbstractButton, QLineEdit, QListWidget, QTextBrowser):
        for control in dock.findChildren(kind):
            if control.objectName().startswith("qt_") or control.parent().__class__.__name__ == "QLineEdit":
                continue
            assert control.toolTip(), control


def test_preferences_hold_for_the_command_line_and_offline_wins(dock, own_places, monkeypatch) -> None:
    from napari.settings import get_plugin_settings

    from napari_diffuscope.shared_preferences import cache_folder, why_offline

    monkeypatch.delenv("DIFFUSCOPE_CACHE")
    settings = get_plugin_settings("napari-diffuscope").models
    try:
        settings.cache = str(own_places / "big disk")
        assert cache_folder() == own_places / "big disk"
        assert "big disk" in dock.places.text()
        assert dock.models.choose("msdsr-opensrh") is None
        assert dock.buttons.download_button.isEnabled()
        settings.offline = True
        assert why_offline() == "the preferences say so"
        dock.models.choose("msdsr-opensrh")
        assert not dock.buttons.download_button.isEnabled()
    finally:
        settings.cache, settings.offline = "", False
    assert not why_offline()


def test_the_tile_of_new_docks(open_dock, stack) -> None:
    from napari.settings import get_plugin_settings

    settings = get_plugin_settings("napari-diffuscope").running
    try:
        settings.tile = 192
        assert open_dock("Restore").settings().tile == 192
    finally:
        settings.tile = 0
