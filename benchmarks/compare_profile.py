"""How fast a line profile follows the mouse in the dock *Compare*, over five layers of 2048 × 2048 pixels.

From the new place of the line to the plot on the screen: milliseconds on the clock, and of the processor, which other
programs of a busy machine do not lengthen. What napari itself takes to move the line is not counted.

Run: ``python benchmarks/compare_profile.py [--layers 5] [--width 9]`` (on a screen, or under Xvfb).
"""

from __future__ import annotations

import argparse
import time

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

SIZE, MOVES = 2048, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--width", type=int, default=9, help="pixels across which the mean is taken")
    options = parser.parse_args()
    viewer, rng = napari.Viewer(), np.random.default_rng(0)
    layers = [
        viewer.add_image(rng.integers(0, 1000, (SIZE, SIZE)).astype(np.uint16), contrast_limits=(0, 1000))
        for _ in range(options.layers)
    ]
    dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Compare")[1]
    dock.choice.choose(layers[0], layers[1:])
    dock.tabs.setCurrentIndex(2)
    dock.plots.width.setValue(options.width)
    dock.plots.draw_line()
    settle()
    line, times = viewer.layers["profile"], []
    for _ in range(MOVES):
        line.data = [np.asarray(line.data[0]) + np.array([[3.0, 5.0], [7.0, -2.0]])]
        QApplication.processEvents()  # napari draws the line
        clock, processor = time.perf_counter(), time.process_time()
        dock.plots.draw()
        QApplication.processEvents()
        times.append((1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - processor)))
    clock, processor = np.median(times, axis=0)
    print(
        f"profile over {options.layers} layers of {SIZE} × {SIZE}, {options.width} pixels wide: "
        f"median {clock:.0f} ms on the clock, {processor:.0f} ms of the processor"
    )
    viewer.close()


def settle(seconds: float = 1.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


if __name__ == "__main__":
    main()
