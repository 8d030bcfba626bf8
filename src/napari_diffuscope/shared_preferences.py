"""What was chosen once for window, command line and Python: where downloads lie, and whether the web may be asked."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_diffuscope.atomic import replace_text

CACHE_VARIABLE = "DIFFUSCOPE_CACHE"
OFFLINE_VARIABLE = "DIFFUSCOPE_OFFLINE"
FOLDER_VARIABLE = "DIFFUSCOPE_CONFIG"

_NO = ("", "0", "no", "off", "false")


@dataclass(frozen=True)
class SharedPreferences:
    """What the window tells the command line.

    Parameters
    ----------
    cache
        Folder for downloaded models; empty for the usual one.
    offline
        Whether nothing may be asked of the web.
    """

    cache: str = ""
    offline: bool = False


def preferences_file() -> Path:
    """Where they are kept; the environment variable ``DIFFUSCOPE_CONFIG`` names another folder."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        return Path(folder) / "preferences.json"
    from platformdirs import user_config_path

    return user_config_path("napari-diffuscope", appauthor=False) / "preferences.json"


def shared_preferences() -> SharedPreferences:
    """What was kept; the defaults where nothing was, or the file is damaged."""
    with suppress(OSError, ValueError, AttributeError):
        stored = json.loads(preferences_file().read_text(encoding="utf-8"))
        cache, offline = stored.get("cache", ""), stored.get("offline", False)
        return SharedPreferences(cache if isinstance(cache, str) else "", offline is True)
    return SharedPreferences()


def keep_preferences(chosen: SharedPreferences) -> None:
    """Keep them for all that runs later.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = preferences_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(asdict(chosen), indent=2) + "\n")


def cache_folder() -> Path:
    """Where downloaded models lie: ``DIFFUSCOPE_CACHE``, else what was chosen, else the cache of the system."""
    if folder := os.environ.get(CACHE_VARIABLE) or shared_preferences().cache:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("napari-diffuscope", appauthor=False) / "models"


def why_offline() -> str:
    """Why nothing may be asked of the web, in words for a sentence; empty where it may."""
    if os.environ.get(OFFLINE_VARIABLE, "").strip().lower() not in _NO:
        return f"the environment variable {OFFLINE_VARIABLE} says so"
    if shared_preferences().offline:
        return "the preferences say so"
    return ""
