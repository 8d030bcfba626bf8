"""What the user set under File › Preferences › Plugins; what the command line has to know is handed on to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.shared_preferences import SharedPreferences, keep_preferences, shared_preferences
from napari_diffuscope.viewer.model_choice import CATALOGUE

_followed: list[Any] = []


@dataclass(frozen=True)
class Preferences:
    """Defaults of the docks: the device, how many previews a second, and the edge of tiles, ``None`` for automatic."""

    device: str = "auto"
    preview_rate: float = 5.0
    tile: int | None = None


def preferences() -> Preferences:
    """The user's preferences, or the defaults where napari does not know the plugin."""
    settings = _settings()
    if settings is None:
        return Preferences()
    running = settings.running
    return Preferences(str(running.device), float(running.preview_rate), int(running.tile) or None)


def follow_preferences() -> None:
    """Hand the folder for downloads and the offline switch on to the command line and Python, now and when they change.

    What was kept from Python, and nobody set in the window, is shown in the window.
    """
    settings = _settings()
    if settings is None or any(each is settings for each in _followed):
        return
    _followed.append(settings)
    kept, chosen = shared_preferences(), _chosen(settings)
    if chosen == SharedPreferences() != kept:
        settings.models.cache, settings.models.offline = kept.cache, kept.offline
    elif chosen != kept:
        _hand_on(settings)
    settings.models.events.connect(lambda _: _hand_on(settings))


def _settings() -> Any:
    from napari.settings import get_plugin_settings

    return get_plugin_settings().get("napari-diffuscope")


def _chosen(settings: Any) -> SharedPreferences:
    return SharedPreferences(str(settings.models.cache).strip(), bool(settings.models.offline))


def _hand_on(settings: Any) -> None:
    if _chosen(settings) == shared_preferences():
        return
    with suppress(
        OSError, DiffuscopeError
    ):  # a place that cannot be written to: the next session tries again
        keep_preferences(_chosen(settings))
    CATALOGUE.changed.emit()
