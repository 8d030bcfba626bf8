"""The settings of a method for many files: no layer, but what the declaration says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QFormLayout, QLineEdit

from napari_diffuscope.methods.declared import Settings, settings_of
from napari_diffuscope.methods.method import Method
from napari_diffuscope.viewer.batch.files import FolderChoice, whole_path
from napari_diffuscope.viewer.declared_form import DeclaredForm
from napari_diffuscope.viewer.no_image import NoImage
from napari_diffuscope.viewer.setting_rows import SettingRows
from napari_diffuscope.viewer.widgets import add_row

FOR_ONE_RUN = ("only", "resume")
"""What is chosen of one run alone: single cells, and going on, which a batch does by itself."""


class BatchForm(DeclaredForm):
    """Controls of a method in the dock Batch; parameters as of `DeclaredForm`."""

    def __init__(self, viewer: Any, method: Method, on_error: Callable[[str], None]) -> None:
        self.axes = QLineEdit()
        self.axes.setPlaceholderText("as the files say")
        self.axes.setToolTip("Axes of all images, such as ZYX, where their files are silent or wrong.")
        self.scene = QLineEdit()
        self.scene.setPlaceholderText("the largest; of a plate all fields")
        self.scene.setToolTip(
            "Which image of each file that holds several: its name, as the microscope called it, its number counted "
            "from 0, or A/1/0 of a plate."
        )
        self.others = {each.name: _place_of(each.name, each.help) for each in method.others}
        self.storing: SettingRows | None = None
        if method.storing is not None:
            rare = tuple(one.name for one in settings_of(method.storing) if one.name in FOR_ONE_RUN)
            self.storing = SettingRows(method.storing, rare, self._take)
        super().__init__(viewer, method, on_error)

    def add_own_rows(self, main: QFormLayout, advanced: QFormLayout) -> None:
        """Further inputs, and how results are written."""
        for name, place in self.others.items():
            add_row(main, name.capitalize(), place)
            place.edited.connect(self._take)
        if self.storing is not None:
            self.storing.add_to(main, advanced)
        for label, line in (("Axes", self.axes), ("Scene", self.scene)):
            add_row(advanced, label, line)
            line.textChanged.connect(lambda _: self._take())

    def places(self) -> dict[str, str]:
        """Where further inputs are, those that were named.

        Raises
        ------
        DiffuscopeError
            As `whole_path`.
        """
        return {name: str(whole_path(place.path)) for name, place in self.others.items() if place.path}

    def stored_as(self) -> Settings | None:
        """How results are written."""
        if self.storing is None or self.method.storing is None:
            return None
        return self.method.storing(**self.storing.values())

    def typed_axes(self) -> str | None:
        """Axes that were typed."""
        return self.axes.text().strip() or None

    def typed_scene(self) -> str | None:
        """Which image of each file was asked for, by name or number."""
        return self.scene.text().strip() or None

    def _make_input(self, viewer: Any) -> NoImage:
        return NoImage(self)


def _place_of(name: str, help: str) -> FolderChoice:
    return FolderChoice(
        f"{help} One file for all images, a folder in which each image has a file of its own name, or a pattern such "
        f"as {name}/{{name}}_cells.tif."
    )
