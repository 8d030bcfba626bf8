"""A way of looking at compared layers."""

from __future__ import annotations

from typing import ClassVar

from napari_diffuscope.viewer.compare.stage import Stage


class Way:
    """One of the ways to look; they are entered and left while the comparison goes on.

    Parameters
    ----------
    stage
        What all ways share.
    """

    #: Name in the code, on the button, its key, and what it is for.
    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    key: ClassVar[str] = ""
    purpose: ClassVar[str] = ""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.viewer, self.comparison = stage, stage.viewer, stage.comparison

    def enter(self) -> None:
        """Show the compared layers in this way.

        Raises
        ------
        DiffuscopeError
            If these layers cannot be shown so.
        """
        raise NotImplementedError

    def leave(self) -> None:
        """Take away what this way alone shows; quickly, it may be entered again."""

    def follow(self) -> None:
        """The camera, the sliders, the canvas, or pixels have changed."""

    def dress(self) -> None:
        """Contrast or colours of a compared layer have changed."""

    def forget(self) -> None:
        """Pixels have changed, or other layers are compared: what was computed is old."""

    def clear(self) -> None:
        """The comparison has ended: keep nothing."""
