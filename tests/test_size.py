"""Functions stay short enough to be read at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import napari_diffuscope

ROOT = Path(napari_diffuscope.__file__).parent
MOST_LINES = 60


def lengths() -> Iterator[tuple[str, int]]:
    """Each function, and the lines from its first statement to its last: without its parameters and its docstring."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            body = node.body[ast.get_docstring(node) is not None :]
            name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            yield name, (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_is_longer_than_a_page() -> None:
    assert [name for name, length in lengths() if length > MOST_LINES] == []


def test_most_functions_are_a_few_lines() -> None:
    assert median(length for _, length in lengths()) < 15
