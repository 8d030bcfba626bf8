"""What several tests need."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real microscopy images that lies beside the project on some machines."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the real images of ../shared/data, which are not there")
    return folder
