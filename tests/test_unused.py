"""What nothing in the sources uses is not there; a test alone is no use."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import napari_diffuscope

ROOT = Path(napari_diffuscope.__file__).parent
PACKAGE = "napari_diffuscope"

OF_USERS = {
    "evaluate.restore.evaluation": {"evaluate_restoration"},
    "measure.correlation": {"fourier_ring_correlation", "fourier_shell_correlation"},
    "measure.decorrelation": {"decorrelation_resolution"},
    "measure.distances": {"frechet_distance", "kernel_distance", "distance_floor"},
    "measure.inception": {"InceptionFeatures"},
    "measure.micro": {"micro_ms3im"},
    "measure.spectrum": {"radial_power_spectrum"},
    "measure.splitting": {"split_photons", "split_diagonal"},
    "measure.uncertainty": {"fit_scale"},
}
"""Functions and classes for Python alone; the manual tells of each."""

FOR_BENCHMARKS = {"training.phases": {"phase_table"}}

LEFT_OUT = ("methods", "viewer", "comparison")
"""Parts whose declared methods and docks are found by their names."""


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


def test_functions_and_classes_are_used_by_the_sources_or_told_of_in_the_manual() -> None:
    trees = sources()
    uses = used_in(trees)
    manifest = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.yaml"))
    excepted = {
        (module, name) for part in (OF_USERS, FOR_BENCHMARKS) for module in part for name in part[module]
    }
    unused = {
        (module.removeprefix(f"{PACKAGE}."), node.name)
        for module, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("__")
        and not (isinstance(node, ast.FunctionDef) and node.decorator_list)
        and not {(module, node.name), ("", node.name)} & uses
        and not re.search(rf"\b{node.name}\b", manifest)
        and not any(module.startswith(f"{PACKAGE}.{part}.") for part in LEFT_OUT)
    }
    assert unused - excepted == set()
    assert excepted - unused == set(), "an exception that is none any more"


def test_what_is_for_users_alone_stands_in_the_manual() -> None:
    manual = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT.parents[1] / "docs").glob("*.md"))
    assert [name for names in OF_USERS.values() for name in sorted(names) if name not in manual] == []
