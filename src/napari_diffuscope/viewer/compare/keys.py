"""Keys of a comparison: bound while it goes on, and never one that means something already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from napari.settings import get_settings


class Keys:
    """Binds keys of a viewer for a while.

    Parameters
    ----------
    viewer
        The viewer.
    actions
        What the keys do.
    """

    def __init__(self, viewer: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer, self._actions = viewer, dict(actions)
        self._bound: list[str] = []

    @property
    def bound(self) -> tuple[str, ...]:
        """Keys that do something now."""
        return tuple(self._bound)

    def bind(self) -> None:
        """Bind the keys that are free."""
        for key in self._actions:
            if key not in self._bound and key not in taken_keys(self._viewer):
                self._viewer.bind_key(key, self._pressed(key))
                self._bound.append(key)

    def release(self) -> None:
        """Let go of the keys."""
        bound, self._bound = self._bound, []
        for key in bound:
            self._viewer.bind_key(key, None)

    def _pressed(self, key: str) -> Callable[[Any], None]:
        return lambda viewer: self._actions[key]()


def taken_keys(viewer: Any) -> set[str]:
    """Keys that mean something in this viewer: of napari, as the user has set them, and of other plugins."""
    shortcuts = get_settings().shortcuts.shortcuts
    taken = {str(binding) for bindings in shortcuts.values() for binding in bindings}
    return taken | {str(binding) for binding in viewer.keymap}
