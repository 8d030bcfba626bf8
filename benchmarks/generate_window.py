"""Does the window stay alive while images are generated? ``python benchmarks/generate_window.py [MODEL]``."""

from __future__ import annotations

import sys
import time

from responsiveness import Heartbeat, ensure_display, settle, wait_for


def main() -> None:
    """Measure and print."""
    ensure_display()
    import napari
    import numpy as np

    viewer = napari.Viewer()
    settle(1.0)
    began = time.perf_counter()
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Generate")
    print(
        f"dock opened in {time.perf_counter() - began:.2f} s, torch {'' if 'torch' in sys.modules else 'not '}loaded"
    )
    if len(sys.argv) > 1:
        dock.form.model.choose(sys.argv[1])
    dock.form.rows["number"].value, dock.form.rows["steps"].value = 1, 1
    dock.bar.run_button.click()  # loads torch and the model
    wait_for(lambda: not dock.runner.running)
    dock.form.rows["number"].value, dock.form.rows["steps"].value = 16, None
    settle(1.0)
    pulse, own = Heartbeat(), list[float]()
    pulse.start()
    pulse.timer.timeout.connect(lambda: own.append(time.thread_time()))
    began = time.perf_counter()
    dock.bar.run_button.click()
    array = dock._run.results.arrays["generated"]
    wait_for(lambda: not dock.runner.running or bool(np.isfinite(array).any()))
    first = time.perf_counter() - began
    wait_for(lambda: not dock.runner.running)
    pulse.stop()
    late = pulse.lateness()
    print(
        f"first frame {first:.2f} s after the click; 16 images of 128 x 128 in {time.perf_counter() - began:.1f} s"
    )
    print(f"longest stall {late[-1]:.0f} ms, 95th percentile {late[int(0.95 * len(late))]:.1f} ms")
    print(f"most work of the window's own thread between two beats: {1000 * max(np.diff(own)):.0f} ms")
    viewer.close()


if __name__ == "__main__":
    main()
