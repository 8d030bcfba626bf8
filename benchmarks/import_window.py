"""Does the window stay alive while a checkpoint of 1.1 GB is imported in the dock *Models*?

``python benchmarks/import_window.py [--width 224] [--cold]``. Writes checkpoint and model into temporary folders.
With ``--cold`` torch is loaded during the import, as at the first use of a session, and not before.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from open_checkpoint import WRITE, run
from responsiveness import Heartbeat, ensure_display, settle, wait_for


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=224, help="channels of the network; 224 is MSDSR's")
    parser.add_argument("--cold", action="store_true", help="load torch during the import")
    given = parser.parse_args()
    ensure_display()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model000001.pt"
        run(WRITE, path, given.width)
        path.with_name(f"{path.name}.json").write_text('{"system": "msdsr", "head_channels": 32}')
        os.environ["DIFFUSCOPE_MODELS"] = str(Path(folder) / "models")
        os.environ["DIFFUSCOPE_CACHE"] = str(Path(folder) / "cache")
        if not given.cold:
            import torch  # noqa: F401
        watch(path)


def watch(path: Path) -> None:
    """Import it in a real window, and look at how late a timer fires meanwhile."""
    import napari

    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-diffuscope", "Models")
    wait_for(lambda: not dock.runner.running)
    settle(1.0)
    pulse = Heartbeat()
    pulse.start()
    began = time.perf_counter()
    dock.import_paths([path])
    wait_for(lambda: not dock.runner.running)
    seconds = time.perf_counter() - began
    settle(0.5)
    pulse.stop()
    late = pulse.lateness()
    print(f"{path.stat().st_size / 1e9:.2f} GB imported in {seconds:.1f} s: {dock.asking is None}")
    print(f"longest stall {late[-1]:.0f} ms, 95th percentile {late[int(0.95 * len(late))]:.1f} ms")
    viewer.close()


if __name__ == "__main__":
    main()
