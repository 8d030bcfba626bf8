"""Does the window stay alive while an image is restored?

``python benchmarks/responsiveness.py`` opens a real napari window (under Xvfb where there is no display), opens the
Restore dock, restores an image with previews, cancels runs at random moments, and prints a table.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import time
from dataclasses import dataclass, field

TICK = 5
"""Milliseconds between two beats of the event loop that is watched."""


@dataclass
class Heartbeat:
    """Notes how late the event loop is, from :meth:`start` to :meth:`stop`."""

    beats: list[float] = field(default_factory=list)

    def start(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.timer = QTimer()
        self.timer.setTimerType(Qt.TimerType.PreciseTimer)
        self.timer.timeout.connect(self.beat)
        self.timer.start(TICK)

    def stop(self) -> None:
        self.timer.stop()

    def beat(self) -> None:
        self.beats.append(time.perf_counter())

    def lateness(self) -> list[float]:
        """Milliseconds beyond the tick, for each beat."""
        pairs = zip(self.beats, self.beats[1:], strict=False)
        return sorted(max(0.0, (after - before) * 1000 - TICK) for before, after in pairs)


def main() -> None:
    options = arguments()
    ensure_display()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))[: options.cores]
        os.sched_setaffinity(0, cores)
    rows = measure(options)
    print(f"Image {options.size} x {options.size}, mode {options.mode}, {options.cores} cores\n")
    print("| what | measured | wanted |")
    print("|---|---|---|")
    for what, value, wanted in rows:
        print(f"| {what} | {value} | {wanted} |")


def measure(options: argparse.Namespace) -> list[tuple[str, str, str]]:
    import napari
    import numpy as np
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: options.size, : options.size]
    clean = 100 + 50 * np.sin(rows / 9) * np.sin(columns / 11)
    viewer.add_image(rng.poisson(clean).astype(np.uint16), name="image")
    settle(0.5)

    began = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Restore")
    QApplication.processEvents()
    opening = time.perf_counter() - began
    torch_free = "torch" not in sys.modules

    load_torch(dock)
    lateness, seconds, first = restore_watched(dock, options)
    cancels = [cancel_latency(dock, random.Random(i).uniform(0.3, 2.0)) for i in range(options.cancels)]
    viewer.close()
    late = lateness[int(0.95 * len(lateness))]
    return [
        ("dock opens", f"{opening:.2f} s", "0.5 s"),
        ("torch imported for that", "no" if torch_free else "yes", "no"),
        ("first preview after the click", f"{first:.2f} s", "one evaluation"),
        ("longest stall of the event loop", f"{lateness[-1]:.0f} ms", "200 ms"),
        ("lateness, 95th percentile", f"{late:.1f} ms", ""),
        ("beats watched", f"{len(lateness)} in {seconds:.0f} s", ""),
        ("cancel takes effect, median", f"{sorted(cancels)[len(cancels) // 2]:.2f} s", "1 s"),
        ("cancel takes effect, longest", f"{max(cancels):.2f} s", "1 s"),
    ]


def load_torch(dock) -> None:
    """The first run imports torch, which stalls the window once; this is announced and not measured."""
    from napari_diffuscope.methods.restore.settings import RestoreSettings

    dock.apply(RestoreSettings(crop=(0, 64, 0, 64)))
    dock.bar.run_button.click()
    wait_for(lambda: not dock.runner.running)


def restore_watched(dock, options: argparse.Namespace) -> tuple[list[float], float, float]:
    """Lateness of the event loop during a restoration, its seconds, and those until the first preview."""
    import numpy as np

    from napari_diffuscope.methods.restore.settings import RestoreSettings

    dock.apply(RestoreSettings(mode=options.mode, samples=options.samples))
    settle(1.0)
    pulse = Heartbeat()
    pulse.start()
    began = time.perf_counter()
    dock.bar.run_button.click()
    array = dock._run.results.arrays["restored"]
    wait_for(lambda: not dock.runner.running or bool(np.isfinite(array).any()))
    first = time.perf_counter() - began
    wait_for(lambda: not dock.runner.running or time.perf_counter() - began > options.seconds)
    pulse.stop()
    seconds = time.perf_counter() - began
    dock.runner.cancel()
    wait_for(lambda: not dock.runner.running)
    return pulse.lateness(), seconds, first


def cancel_latency(dock, after: float) -> float:
    """Seconds from pressing Cancel, some time after the first preview, to the end of the run."""
    import numpy as np

    from napari_diffuscope.methods.restore.settings import RestoreSettings

    dock.apply(RestoreSettings(mode="mean", samples=100))
    dock.bar.run_button.click()
    array = dock._run.results.arrays["restored"]
    wait_for(lambda: bool(np.isfinite(array).any()))
    settle(after)
    began = time.perf_counter()
    dock.bar.cancel_button.click()
    wait_for(lambda: not dock.runner.running)
    settled = time.perf_counter() - began
    settle(0.5)
    return settled


def wait_for(condition) -> None:
    """Run the event loop until something holds."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(20)
    loop.exec_()


def settle(seconds: float) -> None:
    """Run the event loop for a while."""
    end = time.perf_counter() + seconds
    wait_for(lambda: time.perf_counter() > end)


def ensure_display() -> None:
    """Start again under Xvfb where there is no display."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        if shutil.which("xvfb-run") is None:
            sys.exit("There is no display; install Xvfb, or run this on a desktop.")
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24"]
        os.execvp(screen[0], [*screen, sys.executable, *sys.argv])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="edge of the image in pixels")
    parser.add_argument("--mode", default="mean", help="mode of the restoration that is watched")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=40.0, help="watch at most so long")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cancels", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    main()
