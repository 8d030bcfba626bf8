"""The controls of the dock Train: what is learned, from what, from where on, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_diffuscope.training.learnable import DENOISE, LEARNABLES, Learnable
from napari_diffuscope.training.new_model import NewModel
from napari_diffuscope.training.teaching import Staging, trainings_folder
from napari_diffuscope.viewer.batch.files import FolderChoice, whole_path
from napari_diffuscope.viewer.form_parts import DeviceChoice, arrange
from napari_diffuscope.viewer.model_choice import CATALOGUE
from napari_diffuscope.viewer.models.works import free_name
from napari_diffuscope.viewer.preferences import preferences
from napari_diffuscope.viewer.setting_rows import SettingRows
from napari_diffuscope.viewer.train.material import MaterialChoice
from napari_diffuscope.viewer.widgets import add_row, choice, choose, fill, form, note, say, with_note
from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.catalogue import list_models, told_apart

ONE_CLASS = (
    "Open layers are learned from as one class; for several, choose a folder that holds a folder for each."
)


@dataclass(frozen=True)
class Asked:
    """Everything that the controls say."""

    what: Learnable
    chosen: NewModel
    stage: Staging
    start: str | None
    start_title: str


class TrainForm(QWidget):
    """All controls of a training. ``changed`` tells that any of them changed.

    Parameters
    ----------
    viewer
        The viewer.
    """

    changed = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        titles = [(each.title, each.name) for each in LEARNABLES.values()]
        self.what_box = choice(titles, "What the network is to learn.")
        self.needs = note()
        self.material = MaterialChoice(viewer)
        self.start = choice(
            [],
            "Weights to begin with. A model that does something alike needs far fewer images and far less time; it "
            "stays as it is.",
        )
        self.rows = SettingRows(NewModel, ("device",), self._changed)
        self.device = DeviceChoice()
        choose(self.device, preferences().device)
        self.folder = FolderChoice(
            "Trainings are kept here, each in a folder of its name: to go on with them."
        )
        self.folder.line.setText(str(trainings_folder()))
        self.preparation = note()
        self.size_note = note()
        self.size_note.setToolTip(
            "The card of the model says it, so that other images can be compared with these."
        )
        self._lay_out()
        self.what_box.currentIndexChanged.connect(lambda _: self._take_what())
        self.start.currentIndexChanged.connect(lambda _: self._changed())
        self.material.edited.connect(self._changed)
        CATALOGUE.changed.connect(self.refresh)
        self._take_what()

    @property
    def what(self) -> Learnable:
        """What is to be learned."""
        return LEARNABLES.get(self.what_box.currentData(), DENOISE)

    def lacking(self) -> str:
        """What is still to be chosen; empty if nothing."""
        return self.material.lacking()

    def chosen(self) -> NewModel:
        """How it is to be learned.

        Raises
        ------
        DiffuscopeError
            For a name that cannot be that of a folder.
        """
        return NewModel(**self.rows.values(), device=self.device.currentData())

    def asked(self) -> Asked:
        """Everything, reading no pixel.

        Raises
        ------
        DiffuscopeError
            If something is lacking or does not do.
        """
        start = self.start.currentData() or None
        title = self.start.currentText() if start else ""
        return Asked(self.what, self.chosen(), self.material.stage(start), start, title)

    def run_folder(self, name: str) -> Any:
        """Folder of a training of that name."""
        return whole_path(self.folder.path) / name

    def refresh(self) -> None:
        """List the models to begin with anew, and offer a name that is free."""
        what = self.what
        cards = {card.name: card for card in list_models(what.task) if _can_be_begun_with(card)}
        titles = told_apart({name: card.title for name, card in cards.items()})
        fill(
            self.start, [*((title, name) for name, title in titles.items()), ("Nothing: random weights", "")]
        )
        self._offer_name()

    def _take_what(self) -> None:
        what = self.what
        say(self.needs, what.needs)
        say(self.preparation, f"{what.preparation} The values of your layers and files stay as they are.")
        self.material.show_for(what)
        self.refresh()
        choose(self.start, what.starter)
        self.rows["minutes"].value = 30.0 if what.kind != "classes" else 240.0
        self._changed()

    def _offer_name(self) -> None:
        """A free name, unless the user wrote one."""
        if self.rows["name"].value in ("", None, "my-model", self._offered):
            self._offered = free_name(f"my-{self.what.name}")
            self.rows["name"].value = self._offered

    _offered = ""

    def _changed(self) -> None:
        self._tell_of_layers()
        self.rows.show_for(self.rows["until"].value)
        self.rows.show("shrink", self.what.kind in ("denoising", "slices"))
        self.rows.show("patch", self.what.material != "cells")
        self.changed.emit()

    def enterEvent(self, event: Any) -> None:
        """Sizes of layers may have been set since."""
        super().enterEvent(event)
        self._tell_of_layers()

    def _tell_of_layers(self) -> None:
        classes = "" if self.what.kind != "classes" or not self.material.from_layers else ONE_CLASS
        say(self.size_note, " ".join(filter(None, (classes, self.material.pixel_size_in_words()))))

    def _lay_out(self) -> None:
        main, advanced = form(), form()
        add_row(main, "Learn", with_note(self.what_box, self.needs))
        self.material.add_to(main)
        main.addRow("", self.size_note)
        add_row(main, "Begin with", self.start)
        self.rows.add_to(main, advanced)
        add_row(main, "Device", self.device)
        add_row(advanced, "Trainings", self.folder)
        advanced.addRow(self.preparation)
        self._folded, self._wheel = arrange(
            self,
            main,
            advanced,
            "Rarely needed: memory, the words of the card, and what is done to the images.",
        )


def _can_be_begun_with(card: ModelCard) -> bool:
    """Whether a model was trained here; networks of papers have other schedules."""
    return card.diffusion.schedule.kind == "continuous-cosine"
