"""Whole processes: what a fresh napari imports, how it closes, and the demo."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.viewer, pytest.mark.slow]

PREAMBLE = """
    import sys, time
    import napari, numpy as np
    from qtpy.QtCore import QTimer
    viewer = napari.Viewer()
    viewer.add_image(np.random.default_rng(0).poisson(100, (40, 64, 64)).astype(np.uint16), name="cells")
"""


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    whole = textwrap.dedent(PREAMBLE) + textwrap.dedent(script)
    return subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, timeout=400, check=False
    )


def test_opening_the_dock_is_quick_and_does_not_import_torch() -> None:
    run = run_script(
        """
        window = time.process_time()
        viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
        print(window, time.process_time() - window)
        assert "torch" not in sys.modules, "torch is imported for the dock"
        viewer.close()
        """
    )
    assert run.returncode == 0, run.stderr
    window, dock = map(float, run.stdout.split()[-2:])
    assert dock < 0.5 * window, "seconds of computing to open napari, and to open the dock"


def test_closing_the_window_during_a_run_is_quiet_and_leaves() -> None:
    run = run_script(
        """
        _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
        from napari_diffuscope.methods.restore.settings import RestoreSettings
        dock.apply(RestoreSettings(mode="mean", samples=50))
        QTimer.singleShot(500, dock.bar.run_button.click)
        closing = []
        def close_when_running(progress):
            if progress.done and not closing:
                closing.append(True)
                QTimer.singleShot(50, viewer.window._qt_window.close)
        dock.runner.progressed.connect(close_when_running)
        napari.run()
        print("closed during the run:", bool(closing))
        """
    )
    assert run.returncode == 0, run.stderr
    assert "closed during the run: True" in run.stdout
    assert "Traceback" not in run.stderr + run.stdout
    assert "Error" not in run.stderr


def test_deleting_several_layers_in_a_drawn_window_does_not_end_the_process() -> None:
    """Without our guard, napari 0.9 on Mesa 22.3 crashes in the first round."""
    run = run_script(
        """
        _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
        rounds = []
        def add():
            rounds.append([viewer.add_image(np.zeros((4, 64, 64))) for _ in range(2)])
            QTimer.singleShot(600, remove)
        def remove():
            for layer in rounds[-1]:
                viewer.layers.remove(layer)
            QTimer.singleShot(600, add if len(rounds) < 3 else viewer.close)
        QTimer.singleShot(600, add)
        napari.run()
        print("rounds:", len(rounds))
        """
    )
    assert run.returncode == 0, run.stderr
    assert "rounds: 3" in run.stdout


OF_A_CORNER = """
import runpy, sys
from napari_diffuscope.viewer import samples
whole = samples.stack
samples.stack = lambda: [(pixels[:4, :96, :96], *rest) for pixels, *rest in whole()]
runpy.run_module("napari_diffuscope.viewer.demo", run_name="__main__")
"""


def test_the_demo_takes_its_picture(tmp_path: Path) -> None:
    picture = tmp_path / "demo.png"
    command = [sys.executable, "-c", OF_A_CORNER, "--screenshot", str(picture)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.png"]
