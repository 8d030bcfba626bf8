"""The dock of a method of a few lines, in a real viewer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "methods"))
from test_toy import TOY

from napari_diffuscope.viewer.declared_dock import method_dock

from .conftest import run_to_the_end

pytestmark = pytest.mark.viewer


def test_dock(qtbot, viewer) -> None:
    layer = viewer.add_image(
        np.ones((3, 64, 64), np.float32), name="cells", scale=(0.5, 0.1, 0.1), units=("µm",) * 3
    )
    dock = method_dock(TOY)(viewer)
    viewer.window.add_dock_widget(dock, name="Brighten")
    dock.form.rows["gain"].value = 3.0
    assert dock.form.settings().gain == 3.0 and dock.form.settings().offset is None
    assert run_to_the_end(qtbot, dock).state == "done"
    result = viewer.layers[-1]
    assert (result.data == 4).all()
    assert result.scale.tolist() == [0.5, 0.1, 0.1]
    viewer.screenshot("/work/wt/toy.png", canvas_only=False, flash=False)
