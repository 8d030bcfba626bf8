"""The predicted cells of a dock: their features in a table, and buttons that save them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.viewer.background import Background
from napari_diffuscope.viewer.shape.export import MESHES, write_csv, write_meshes, write_volumes
from napari_diffuscope.viewer.shape.session import ShapeSession
from napari_diffuscope.viewer.shape.sessions import Key, ShapeSessions
from napari_diffuscope.viewer.shape.table import FeatureTable, Row
from napari_diffuscope.viewer.widgets import button, column, guarded, in_a_row, note, say

SPREAD = "In brackets: the spread of the model, not an error bar."
"""Shown below the table wherever it has any: the truth lies between samples too seldom, and their volumes are small."""


class ShapeResults(QWidget):
    """Table and files of all sessions; hidden while there are none.

    ``said`` brings a sentence, ``failed`` a `DiffuscopeError`.

    Parameters
    ----------
    sessions
        As they are at any time.
    here
        Key of the plane that was worked on last, or ``None``.
    background
        Where files are written.
    """

    said = Signal(str)
    failed = Signal(object)

    def __init__(
        self, sessions: ShapeSessions, here: Callable[[], Key | None], background: Background
    ) -> None:
        super().__init__()
        self._sessions, self._here, self._background = sessions, here, background
        self.setToolTip("The predicted cells and their features")
        self.table = FeatureTable()
        self.spread_note = note()
        self._make_buttons()
        self._lay_out()
        self.setVisible(False)

    @property
    def chosen(self) -> tuple[ShapeSession, int] | None:
        """Session and label of the selected row."""
        key = self.table.chosen
        return (self._sessions[key[0]], key[1]) if key and key[0] in self._sessions else None

    def current_session(self) -> ShapeSession | None:
        """That of the selected row, else of the plane worked on last, else the newest with cells."""
        if self.chosen is not None:
            return self.chosen[0]
        with_cells = [session for session in self._sessions.values() if session.cells]
        here = [session for session in with_cells if session.plane.key == self._here()]
        return (here or with_cells)[-1] if with_cells else None

    def refresh(self) -> None:
        """Fill the table."""
        rows = [row for key, session in self._sessions.items() for row in _rows(key, session)]
        self.table.show_rows(rows, self._units())
        say(self.spread_note, SPREAD if any(row.spread for row in rows) else "")
        self.setVisible(bool(rows))

    def _units(self) -> dict[str, str]:
        from napari_diffuscope.measure.shapes.features import feature_units

        known = {session.plane.pixel_size is not None for session in self._sessions.values()}
        return feature_units("µm") if known == {True} else feature_units("px") if known == {False} else {}

    def save_csv(self) -> None:
        """Ask for a file and write the features."""
        session = self._session_to_save()
        path, _ = QFileDialog.getSaveFileName(self, "Features as CSV", "features.csv", "CSV (*.csv)")
        if path:
            self._write(partial(write_csv, Path(path), dict(session.cells), dict(session.complaints)))

    def save_volumes(self) -> None:
        """Ask for a folder and write volumes."""
        session = self._session_to_save()
        folder = QFileDialog.getExistingDirectory(self, "Folder for one TIFF per cell")
        unit = "pixel" if session.plane.pixel_size is None else "micrometer"
        if folder:
            self._write(partial(write_volumes, Path(folder), dict(session.cells), unit=unit))

    def save_meshes(self, ending: str) -> None:
        """Ask for a folder and write surfaces."""
        session = self._session_to_save()
        folder = QFileDialog.getExistingDirectory(self, f"Folder for one {ending.upper()} per cell")
        if folder:
            self._write(partial(write_meshes, Path(folder), dict(session.cells), ending))

    def _session_to_save(self) -> ShapeSession:
        session = self.current_session()
        if session is None or not session.cells:
            raise DiffuscopeError("There are no shapes to save yet; predict some.")
        return session

    def _write(self, work: Callable[[], Generator[Any, None, str]]) -> None:
        self.said.emit("Writing…")
        self._background.start(work, self.said.emit)

    def _make_buttons(self) -> None:
        self.csv_button = button(
            "CSV…",
            "Save the features as a table. Columns that end in _sd are the spread of the model, no error bars.",
            partial(guarded, self.failed.emit, self.save_csv),
        )
        self.volumes_button = button(
            "Volumes…",
            "Save every cell as a TIFF volume with its voxel size, named by its number.",
            partial(guarded, self.failed.emit, self.save_volumes),
        )
        self.meshes_button = button("Surfaces…", "Save every cell as a surface, for other programs.")
        menu = QMenu(self.meshes_button)
        for ending in MESHES:
            menu.addAction(
                f"{ending.upper()}…", partial(guarded, self.failed.emit, partial(self.save_meshes, ending))
            )
        self.meshes_button.setMenu(menu)

    def _lay_out(self) -> None:
        buttons = in_a_row(self.csv_button, self.volumes_button, self.meshes_button)
        column(self, (self.table, 0), self.spread_note, buttons, margins=(8, 0, 8, 8))
        self.layout().setSpacing(4)


def _rows(key: Key, session: ShapeSession) -> list[Row]:
    rows = []
    for label in sorted({*session.cells, *session.complaints}):
        shape = session.cells.get(label)
        features = {**shape.features, "mask_agreement": shape.mask_agreement} if shape else {}
        if shape and shape.distance is not None:
            features["distance_from_training"] = shape.distance
        spread = shape.spread if shape else {}
        remark = session.complaints.get(label, "")
        rows.append(Row((key, label), label, session.where, features, spread, remark))
    return rows
