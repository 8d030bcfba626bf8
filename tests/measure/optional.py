"""What some tests need and many machines do not have."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


def needs_torch_fidelity(module: str) -> ModuleType:
    """A module of torch-fidelity; the test is skipped where it is not installed or does not load."""
    try:
        return importlib.import_module(f"torch_fidelity.{module}")
    except (ImportError, RuntimeError) as error:  # the latter: torchvision and torch that do not fit together
        pytest.skip(f"needs torch-fidelity, extra fid: {error}")
