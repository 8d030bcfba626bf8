"""The buttons with which cells are chosen and their shapes looked at."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QWidget

from napari_diffuscope.viewer.widgets import button


class ShapeButtons(QWidget):
    """Four of them; what they do is up to their owner."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Choose cells and look at their shapes")
        self.click_button = button(
            "Click on cells",
            "Let clicks in the image choose cells; press again to move the image as usual. "
            "Alt-click chooses a cell at any time.",
        )
        self.click_button.setCheckable(True)
        self.again_button = button(
            "Predict again",
            "Predict the last cell anew, with its outline as it is painted now and the settings above.",
        )
        self.dimensions_button = button(
            "Show in 3D", "Turn to 3D around the shapes, or back to the view as it was."
        )
        self.points_button = button(
            "Predict at points",
            "Predict the cells at the points of the Points layer chosen above that lie in this plane.",
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for number, each in enumerate(
            (self.click_button, self.again_button, self.dimensions_button, self.points_button)
        ):
            grid.addWidget(each, number // 2, number % 2)

    def show_for(self, *, image: bool, points: bool, last: bool, shapes: bool) -> None:
        """Let those be pressed that make sense.

        Parameters
        ----------
        image, points
            Whether an image, and points of the user, are chosen.
        last
            Whether a cell was chosen already.
        shapes
            Whether there are shapes to look at, or the window shows 3D.
        """
        self.click_button.setEnabled(image)
        self.points_button.setVisible(points)
        self.again_button.setEnabled(last)
        self.dimensions_button.setEnabled(shapes)

    def show_flat(self, flat: bool) -> None:
        """Say where the button of the dimensions leads to, from 2D or from 3D."""
        self.dimensions_button.setText("Show in 3D" if flat else "Back to 2D")
