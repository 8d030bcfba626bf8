"""What a training learns from, as controls: open layers, or folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.units import same_length, to_micrometres
from napari_diffuscope.jobs import Job, Update
from napari_diffuscope.training.learnable import Learnable, Material
from napari_diffuscope.training.new_model import Learned
from napari_diffuscope.training.teaching import Staging
from napari_diffuscope.viewer.batch.files import FolderChoice, whole_path
from napari_diffuscope.viewer.layer_choice import LayerChoice
from napari_diffuscope.viewer.train.layer_list import LayerList
from napari_diffuscope.viewer.train.staging import image_of, images_of, staged
from napari_diffuscope.viewer.widgets import add_row, choice, fill, show_row

SOURCES = {
    "images": (("Open layers", "layers"), ("A folder", "folder")),
    "pairs": (("Two open layers", "layers"), ("Two folders", "folder")),
    "cells": (("Two open layers", "layers"), ("A folder", "folder")),
}
"""Where each material can come from."""


class MaterialChoice(QObject):
    """Rows that say what is learned from. ``edited`` tells that it changed.

    Parameters
    ----------
    viewer
        The viewer.
    """

    edited = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._what: Learnable | None = None
        self.source = choice([], "Where the images are.")
        self.layers = LayerList(
            viewer, "Tick the images to learn from. They stay as they are: copies are learned from."
        )
        self.low = LayerChoice(viewer, "The noisy image of the pair. It stays as it is.")
        self.high = LayerChoice(
            viewer, "The clean image of the same field. It stays as it is.", nothing="Choose…"
        )
        self.stack = LayerChoice(viewer, "A stack in which the cells were imaged. It stays as it is.")
        self.labels = LayerChoice(
            viewer, "The labels of the cells of the stack, in 3D. They stay as they are.", kind=Labels
        )
        self.folder = FolderChoice("Folder of the images. They stay as they are.")
        self.high_folder = FolderChoice("Folder of the clean images, with the names of the noisy ones.")
        self._rows: QFormLayout | None = None
        self.source.currentIndexChanged.connect(lambda _: self._arrange())
        for signal in (
            self.layers.edited,
            self.low.layer_changed,
            self.high.layer_changed,
            self.stack.layer_changed,
            self.labels.layer_changed,
            self.folder.edited,
            self.high_folder.edited,
        ):
            signal.connect(self.edited.emit)

    def add_to(self, layout: QFormLayout) -> None:
        """Put the rows into a form."""
        self._rows = layout
        for text, field in (
            ("From", self.source),
            ("Images", self.layers),
            ("Noisy", self.low),
            ("Clean", self.high),
            ("Stack", self.stack),
            ("Labels", self.labels),
            ("Folder", self.folder),
            ("Clean", self.high_folder),
        ):
            add_row(layout, text, field)

    @property
    def from_layers(self) -> bool:
        """Whether open layers are learned from, and not files."""
        return bool(self.source.currentData() == "layers")

    def show_for(self, what: Learnable) -> None:
        """Show the rows for something that is learned."""
        self._what = what
        fill(self.source, SOURCES[what.material])
        self._arrange()

    def lacking(self) -> str:
        """What is still to be chosen; empty if nothing."""
        pairs = self._is("pairs")
        if self.from_layers:
            if self._is("cells"):
                return "" if None not in self._chosen() else "open a stack and the labels of its cells"
            if pairs:
                there = None not in (self.low.layer, self.high.layer)
                return (
                    "" if there and self.low.layer != self.high.layer else "choose a noisy and a clean layer"
                )
            return "" if self.layers.ticked else "open and tick images"
        if not self.folder.path:
            return "choose a folder"
        return "choose the folder of the clean images" if pairs and not self.high_folder.path else ""

    def pixel_size_in_words(self) -> str:
        """Pixel size of the layers that are learned from; empty for files, which are not looked into yet."""
        if not self.from_layers or self.lacking():
            return ""
        sizes = set()
        for layer in self._chosen():
            try:
                image = image_of(layer)
            except DiffuscopeError:
                continue  # told when it is to be learned from
            sizes.add(to_micrometres(image.scale[-1], image.units[-1]))
        told = [size for size in sizes if size is not None]
        if len(told) < len(sizes) or not told:
            return "Not all layers say their pixel size, so that the card will not either."
        low, high = min(told), max(told)
        return (
            f"Pixels of {low:.3g} µm." if same_length(low, high) else f"Pixels of {low:.3g} to {high:.3g} µm."
        )

    def stage(self, start: str | None) -> Staging:
        """What puts the images into files, to be called in the background.

        Parameters
        ----------
        start
            Model to begin with.

        Raises
        ------
        DiffuscopeError
            If something is lacking, or a layer is no image.
        """
        if self._what is None or (lacking := self.lacking()):
            raise DiffuscopeError(f"There is nothing to learn from yet: {lacking}.")
        if not self.from_layers:
            return partial(_as_they_are, Learned(tuple(map(whole_path, self._paths())), start))
        what = self._what
        images = images_of(what, self._chosen())
        return lambda folder: staged(what, images, folder, start)

    def disconnect_viewer(self) -> None:
        """Let go of the viewer and its layers."""
        for part in (self.layers, self.low, self.high, self.stack, self.labels):
            part.disconnect_viewer()

    def _chosen(self) -> list[Any]:
        if self._is("cells"):
            return [self.stack.layer, self.labels.layer]
        return [self.low.layer, self.high.layer] if self._is("pairs") else self.layers.ticked

    def _is(self, material: Material) -> bool:
        return self._what is not None and self._what.material == material

    def _paths(self) -> list[str]:
        return [self.folder.path, self.high_folder.path] if self._is("pairs") else [self.folder.path]

    def _arrange(self) -> None:
        if self._rows is None:
            return
        pairs, cells = self._is("pairs"), self._is("cells")
        layers = self.from_layers
        for field, shown in (
            (self.layers, layers and not pairs and not cells),
            (self.stack, layers and cells),
            (self.labels, layers and cells),
            (self.low, layers and pairs),
            (self.high, layers and pairs),
            (self.folder, not layers),
            (self.high_folder, not layers and pairs),
        ):
            show_row(self._rows, field, shown)
        label = self._rows.labelForField(self.folder)
        label.setText("Noisy" if pairs else "Folder")
        self.edited.emit()


def _as_they_are(learned: Learned, folder: Path) -> Job[Learned]:
    yield Update(0, 0, "Looking at the images")
    return learned
