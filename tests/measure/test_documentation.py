"""The page about measures names what there is, and what it says of numbers is so."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.measure.features import (
    IntensityFeatures,
    SpectrumFeatures,
    TextureFeatures,
    standardised,
)

PAGE = Path(__file__).parents[2] / "docs" / "measures.md"
MODULES = (
    "quality",
    "spectrum",
    "uncertainty",
    "correlation",
    "splitting",
    "decorrelation",
    "decorrelation_published",
    "micro",
    "squirrel",
    "overlap",
    "noise",
    "distances",
    "features",
    "inception",
)
SMALL = {"standardised_errors", "RadialSpectrum", "patch_array"}
"""Public, for other parts of the project, but nothing a microscopist asks for."""


@pytest.mark.parametrize("name", MODULES)
def test_every_measure_is_on_the_page(name: str) -> None:
    module = importlib.import_module(f"napari_diffuscope.measure.{name}")
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }
    names = own | set(getattr(module, "__all__", ()))
    assert names - set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8"))) - SMALL == set()


def test_the_page_counts_features_right() -> None:
    some = np.random.default_rng(0).normal(size=(4, 32, 32))
    counts = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    found = {
        "IntensityFeatures": IntensityFeatures()(some).shape[1],
        "SpectrumFeatures": SpectrumFeatures()(some).shape[1],
        "TextureFeatures": TextureFeatures()(some).shape[1],
        "standardised": standardised(some)(some).shape[1],
    }
    assert {key: int(value) for key, value in counts.items()} == found


def test_no_measure_loads_torch() -> None:
    modules = "; ".join(f"import napari_diffuscope.measure.{name}" for name in MODULES)
    script = f"import sys; {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == 0
