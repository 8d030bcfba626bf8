"""What can be done with models, as buttons: those can be pressed that make sense for the chosen one."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QWidget

from napari_diffuscope.shared_preferences import why_offline
from napari_diffuscope.viewer.models.export_button import ExportButton
from napari_diffuscope.viewer.models.import_button import ImportButton
from napari_diffuscope.viewer.widgets import button
from napari_diffuscope.weights.catalogue import ListedModel
from napari_diffuscope.weights.entries import kind_of

DOWNLOAD_TIP = (
    "Get the chosen model from the web, into the folder for downloads. Nothing is asked of the web before."
)


class ModelButtons(QWidget):
    """The buttons below the card of a model; what they do is up to their owner.

    Parameters
    ----------
    import_button, export_button
        Those that ask where from, and where to.
    """

    def __init__(self, import_button: ImportButton, export_button: ExportButton) -> None:
        super().__init__()
        self.import_button, self.export_button = import_button, export_button
        self.download_button = button("Download", DOWNLOAD_TIP)
        self.verify_button = button(
            "Verify",
            "Read the model through: that every weight is there, finite, and the one that its card names.",
        )
        self.test_button = button(
            "Test",
            "Run the model on its small stored example, and compare with what it gave where it was made.",
        )
        self.remove_button = button(
            "Remove…",
            "Delete the model from this computer for good, after asking. Models of the package stay.",
        )
        self.reveal_button = button("Reveal", "Show the folder of the model in the file manager.")
        self.cite_button = button("Cite", "Copy what to cite for this model, as BibTeX.")
        self.refresh_button = button(
            "Look again",
            "List the models anew after you copied one into a folder, here and in all open docks.",
        )
        self._lay_out()

    def show_for(self, model: ListedModel | None, *, idle: bool) -> None:
        """Let those be pressed that make sense.

        Parameters
        ----------
        model
            The chosen one, if any.
        idle
            Whether nothing is under way.
        """
        here = model is not None and model.at_hand
        there = model is not None and model.folder is not None
        own = model is not None and model.badge != "shipped" and (there or model.own_entry)
        for control, possible in (
            (self.import_button, idle),
            (self.export_button, idle and here),
            (self.verify_button, idle and there),
            (self.test_button, idle and here),
            (self.remove_button, idle and own),
            (self.reveal_button, there),
            (self.cite_button, model is not None and model.about is not None and bool(model.about.citation)),
        ):
            control.setEnabled(possible)
        self._show_download(model, idle=idle)

    def _show_download(self, model: ListedModel | None, *, idle: bool) -> None:
        """Whether the model can be downloaded, and why not."""
        here, address, reason = model is not None and model.at_hand, _address(model), why_offline()
        barred = bool(reason) and kind_of(address) in ("web", "doi")
        self.download_button.setEnabled(idle and bool(address) and not here and not barred)
        if here:
            tip = "This model is on this computer already."
        elif model is not None and not address:
            tip = "There is no address to get this model from; its card says what to do by hand."
        else:
            tip = f"Nothing may be asked of the web, for {reason}." if reason else DOWNLOAD_TIP
        self.download_button.setToolTip(tip)

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        rows = (
            (self.import_button, self.download_button, self.export_button),
            (self.verify_button, self.test_button, self.remove_button),
            (self.reveal_button, self.cite_button, self.refresh_button),
        )
        for y, row in enumerate(rows):
            for x, control in enumerate(row):
                grid.addWidget(control, y, x)


def _address(model: ListedModel | None) -> str:
    """Where a model can be had; empty where nobody says."""
    return model.entry.address if model is not None and model.entry is not None else ""
