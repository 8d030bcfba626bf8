"""How fast the dock *Compare* switches among its ways to look, with layers of 2048 × 2048 pixels.

From the key to the picture on the screen: milliseconds on the clock, and of the processor, which other programs of a
busy machine do not lengthen. The first visit of each way, which computes what it shows, is left out.

Run: ``python benchmarks/compare_switching.py [--layers 2] [--width 1200] [--height 800]`` (on a screen, or under Xvfb).
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

WAYS = ("grid", "swipe", "blink", "difference")
SIZE, VISITS = 2048, 6
#: Seconds between two switches.
PAUSE = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=1200)
    parser.add_argument("--height", type=int, default=800)
    options = parser.parse_args()
    viewer = napari.Viewer()
    viewer.window.resize(options.width, options.height)
    dock = opened(viewer, options.layers)
    settle()
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for _ in range(VISITS):
        for way in WAYS:
            times[way].append(switch(dock, way))
            settle()
    print(f"{options.layers} layers, window {options.width} × {options.height}; median and worst, ms")
    print("| way | on the clock | worst | of the processor |\n|---|---|---|---|")
    for way, measured in times.items():
        clock, processor = np.array(measured[1:]).T
        print(f"| {way} | {np.median(clock):.0f} | {clock.max():.0f} | {np.median(processor):.0f} |")
    dock.looking.end()
    viewer.close()


def opened(viewer: Any, count: int) -> Any:
    """The dock with some layers of noise."""
    rng = np.random.default_rng(0)
    layers = [
        viewer.add_image(rng.integers(0, 1000, (SIZE, SIZE)).astype(np.uint16), contrast_limits=(0, 1000))
        for _ in range(count)
    ]
    dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")[1]
    dock.choice.choose(layers[0], layers[1:])
    dock.look.pace.setCurrentIndex(2)  # by hand: a layer that changes by itself would be timed as well
    return dock


def switch(dock: Any, way: str) -> tuple[float, float]:
    """Milliseconds until the way is on the screen."""
    clock, processor = time.perf_counter(), time.process_time()
    dock.looking.show(way)
    QApplication.processEvents()
    return 1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - processor)


def settle() -> None:
    end = time.monotonic() + PAUSE
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
