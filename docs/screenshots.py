"""Make the pictures of the documentation: real windows, driven by script. `make docs` runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    target = IMAGES / "restore-window.png"
    command = [sys.executable, "-m", "napari_diffuscope.viewer.demo", "--screenshot", str(target)]
    subprocess.run(command, check=True)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
