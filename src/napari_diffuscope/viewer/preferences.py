"""What the user set under File › Preferences › Plugins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preferences:
    """Defaults of the docks: the device, and how many previews a second."""

    device: str = "auto"
    preview_rate: float = 5.0


def preferences() -> Preferences:
    """The user's preferences, or the defaults where napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    settings = get_plugin_settings().get("napari-diffuscope")
    if settings is None:
        return Preferences()
    return Preferences(device=str(settings.running.device), preview_rate=float(settings.running.preview_rate))
