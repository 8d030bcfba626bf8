"""What nothing in the sources uses is not there, unless the manual tells users of it; a test alone is no use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import napari_diffuscope

ROOT = Path(napari_diffuscope.__file__).parent
PACKAGE = "napari_diffuscope"

LEFT_OUT = ("methods", "viewer", "comparison")
"""Parts whose declared methods and docks are found by their names."""

FOR_BENCHMARKS = {(f"{PACKAGE}.training.phases", "phase_table")}


def sources() -> dict[str, ast.Module]:
    return {
        ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.rglob("*.py"))
    }


def used_in(trees: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Module and name of what is imported from a module or read in it; ``("", name)`` of what is read off anything."""
    uses = set()
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                uses |= {(node.module or "", alias.name) for alias in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                uses.add((module, node.id))
            elif isinstance(node, ast.Attribute):
                uses.add(("", node.attr))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                uses |= {("", name) for name in re.findall(r":(\w+)$", node.value)}
    return uses


def unused_in(trees: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Module and name of functions and classes that nothing uses; what is decorated is registered somewhere."""
    uses = used_in(trees)
    return {
        (module, node.name)
        for module, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("__")
        and not (isinstance(node, ast.FunctionDef) and node.decorator_list)
        and not {(module, node.name), ("", node.name)} & uses
    }


def test_what_is_not_used_is_found() -> None:
    tree = ast.parse("def used() -> None: ...\ndef unused() -> None: ...\nused()")
    assert unused_in({"a": tree}) == {("a", "unused")}


def test_functions_and_classes_are_used_by_the_sources_or_told_of_in_the_manual() -> None:
    places = [*ROOT.rglob("*.yaml"), *(ROOT.parents[1] / "docs").glob("*.md")]
    words = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in places)))
    left_out = tuple(f"{PACKAGE}.{part}." for part in LEFT_OUT)
    forgotten = {
        (module, name)
        for module, name in unused_in(sources())
        if name not in words and not module.startswith(left_out)
    }
    assert forgotten - FOR_BENCHMARKS == set()
