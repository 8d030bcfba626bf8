"""A real viewer with a real dock and the real model."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from npe2 import PluginManifest
from qtpy.QtCore import Qt, QThreadPool

PATIENCE = 120_000
"""Milliseconds; a machine that trains at the same time is slow."""

MANY_OBJECTS = 50_000
"""A quarter more than a test begins with."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None]:
    """Set aside what no test takes away: napari itself after the first test, and what it keeps of each window's menus.

    All objects that are not set aside are searched for garbage several times in each test. Of 5,000 more with each
    window the hundredth test would search half a million.
    """
    yield
    if len(gc.get_objects()) > MANY_OBJECTS:
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _plugins_found_once() -> Iterator[None]:
    """All windows of a process have the same plugins, and reading what they offer was a quarter of opening one."""
    found = tuple(PluginManifest.discover())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda paths=(): iter(found))
        yield


def noisy(*shape: int, seed: int = 0) -> np.ndarray:
    """Blobs on a dark background with shot noise."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.random(shape), (0.7,) * (len(shape) - 2) + (4, 4))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return rng.poisson(100 + 400 * smooth**3).astype(np.uint16)


@pytest.fixture(autouse=True)
def paces(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of our own for the times of earlier runs."""
    path = tmp_path_factory.mktemp("paces") / "paces.json"
    monkeypatch.setattr("napari_diffuscope.viewer.pace.paces_file", lambda: path)
    return path


@pytest.fixture(autouse=True)
def _own_notifications(monkeypatch: pytest.MonkeyPatch) -> None:
    """What napari was told of in earlier tests of this process is no matter of this one."""
    monkeypatch.setattr(notification_manager, "records", [])


@pytest.fixture
def viewer(make_napari_viewer_proxy: Any) -> Any:
    """A viewer that refuses to be changed from another thread."""
    return make_napari_viewer_proxy(ensure_main_thread=True)


@pytest.fixture
def open_dock(viewer: Any, qtbot: Any) -> Iterator[Callable[..., Any]]:
    """Opens a dock as the menu does, Restore by default; no worker and no error is left at the end."""
    docks = []

    def opened(name: str = "Restore") -> Any:
        _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", name)
        docks.append(dock)
        return dock

    yield opened
    for dock in docks:
        dock.runner.cancel()
        qtbot.waitUntil(lambda dock=dock: not dock.runner.running, timeout=PATIENCE)
    assert QThreadPool.globalInstance().waitForDone(PATIENCE)
    assert_no_traceback()


@pytest.fixture
def stack(viewer: Any) -> Any:
    """A small z-stack with everything that a layer can say about itself."""
    return viewer.add_image(
        noisy(3, 64, 64),
        name="cells",
        scale=(0.5, 0.1, 0.1),
        translate=(3, 2, 1),
        rotate=0,
        units=("µm",) * 3,
        axis_labels=("z", "y", "x"),
        colormap="green",
        gamma=0.8,
    )


def assert_no_traceback() -> None:
    """Fail, and show them, if napari was told of exceptions in this test."""
    told = [record.exception for record in notification_manager.records if hasattr(record, "exception")]
    shown = "\n".join("".join(traceback.format_exception(exception)) for exception in told)
    assert not told, f"napari showed a traceback:\n{shown}"


def made(viewer: Any, start: str) -> Any:
    """The newest layer whose name begins so; the rest of a result's name tells its mode and seed."""
    return [layer for layer in viewer.layers if layer.name.startswith(start)][-1]


def click(qtbot: Any, button: Any) -> None:
    """Press a button with the mouse."""
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def run_to_the_end(qtbot: Any, dock: Any) -> Any:
    """Press Run and wait; returns how it ended."""
    with qtbot.waitSignal(dock.runner.ended, timeout=PATIENCE) as ended:
        click(qtbot, dock.bar.run_button)
    return ended.args[0]
