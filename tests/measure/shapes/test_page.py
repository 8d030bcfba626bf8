"""The page about shape features names what there is, and its table holds what comes out."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.measure.shapes.features import FEATURES, shape_features

from .bodies import KNOWN, Known

PAGE = Path(__file__).parents[3] / "docs" / "shape-features.md"
MODULES = ("features", "errors", "meshes")
PLACES = (1, 2, 3)
"""Places and directions of every body; the page gives the largest error."""


def errors(body: Known) -> np.ndarray:
    """Relative errors of volume, surface, convexity and of the axis with the largest one, in per cent."""
    found = shape_features(body.occupied, voxel_size=(body.step, 1.0, 1.0))
    axes = [
        found[f"{name}_axis"] / true - 1
        for name, true in zip(("major", "middle", "minor"), body.axes, strict=True)
    ]
    values = [
        found["volume"] / body.volume - 1,
        found["surface"] / body.surface - 1,
        found["convexity"] / body.convexity - 1,
        max(axes, key=abs),
    ]
    return 100 * np.array(values)


def worst(name: str) -> list[float]:
    """The largest errors over places, with their sign."""
    table = np.array([errors(KNOWN[name](seed)) for seed in PLACES])
    return [float(column[np.abs(column).argmax()]) for column in table.T]


def rows() -> dict[str, list[str]]:
    lines = re.findall(
        r"^\| ([^|`]+) \|((?: [-+][0-9.]+ \|){4})$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {name: cells.replace(" ", "").strip("|").split("|") for name, cells in lines}


@pytest.mark.parametrize("name", KNOWN)
def test_the_table_holds_what_comes_out(name: str) -> None:
    assert [float(cell) for cell in rows()[name]] == pytest.approx(worst(name), abs=0.06)


def test_the_table_has_no_other_rows() -> None:
    assert set(rows()) == set(KNOWN)


def test_every_feature_and_function_is_on_the_page() -> None:
    named = set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8")))
    own = {
        key
        for name in MODULES
        for key, value in vars(importlib.import_module(f"napari_diffuscope.measure.shapes.{name}")).items()
        if not key.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__.endswith(f"shapes.{name}")
    }
    assert own | set(FEATURES) <= named


def test_no_measure_of_shapes_loads_torch() -> None:
    modules = "; ".join(f"import napari_diffuscope.measure.shapes.{name}" for name in MODULES)
    script = f"import sys; {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=300).returncode == 0
