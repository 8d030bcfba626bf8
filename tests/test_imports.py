"""What imports what: the package must be light, and its parts must not reach upwards."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest

import napari_diffuscope

ROOT = Path(napari_diffuscope.__file__).parent
PACKAGE = "napari_diffuscope"

GUI = ("napari", "qtpy", "magicgui", "superqt", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6")
LAZY = ("dask", "zarr", "platformdirs", "psutil")
HEAVY = ("torch", "numpy", "scipy", "skimage", "tifffile", "zarr", "dask", "pydantic", "typer", *GUI)

# Which parts each part may import; the modules beside __init__ (errors, jobs, …) may be imported by all.
BASE = {"imaging", "diffusion", "networks"}
ALLOWED = {
    "diffusion": {"diffusion"},
    "networks": {"networks"},
    "imaging": {"imaging"},
    "simulate": {"simulate", "imaging"},
    "weights": {"weights", *BASE},
    "measure": {"measure", *BASE},
    "comparison": {"comparison", "methods", "measure", "imaging"},
    "methods": {"methods", "weights", "measure", *BASE},
    "batches": {"batches", "methods", "weights", "imaging"},
    "evaluate": {"evaluate", "training", "simulate", "methods", "weights", "measure", *BASE},
    "training": {"training", "simulate", "methods", "weights", "measure", *BASE},
    "cli": {
        "cli",
        "batches",
        "training",
        "evaluate",
        "simulate",
        "comparison",
        "methods",
        "weights",
        "measure",
        *BASE,
    },
    "viewer": {
        "viewer",
        "batches",
        "training",
        "simulate",
        "comparison",
        "methods",
        "weights",
        "measure",
        *BASE,
    },
}

# What is looked up only while something runs, where the module that is imported knows the one that imports it.
LATER = {
    f"{PACKAGE}.methods.generate.settings": {f"{PACKAGE}.methods.registry"},
}

# Declared, and needed by what is imported or by napari rather than imported by the sources.
NOT_IMPORTED = {
    "imagecodecs": "tifffile decodes compressed files with it",
    "dask": "layers and arrays of users are dask arrays",
    "npe2": "reads the manifest",
    "bioio-lif": "a reader, imported by the name of its module",
    "bioio-nd2": "a reader, imported by the name of its module",
    "dask-jobqueue": "the script of docs/cluster.md asks queues for workers with it",
    "bokeh": "distributed draws its dashboard with it",
    "napari": "the extra that brings the window; imported by the viewer alone",
}


@cache
def all_modules() -> list[str]:
    """Every module of the package, those added tomorrow included."""
    names = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join((PACKAGE, *(part for part in parts if part != "__init__"))))
    return names


def part_of(module: str) -> str:
    """``methods`` for ``napari_diffuscope.methods.restore.settings``; empty for modules beside ``__init__``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / parts[1]).is_dir() else ""


def modules_of(*parts: str) -> list[str]:
    return [module for module in all_modules() if part_of(module) in parts]


@cache
def imports_of(module: str) -> list[tuple[int, str]]:
    """``(line, imported module)`` of a module's source, those inside functions included."""
    names = []
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are absolute"
            # `from napari_diffuscope import cli` names a part as well
            names += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return names


@cache
def parsed(module: str) -> ast.Module:
    """Source of a module as Python reads it."""
    path = ROOT.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def in_fresh_python(script: str, *arguments: Iterable[str]) -> object:
    """What a script, run by a fresh interpreter, prints as JSON."""
    command = [sys.executable, "-c", script, *map(json.dumps, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


IMPORT_BLOCKED = """
import importlib, json, sys, traceback
modules, blocked = map(json.loads, sys.argv[1:])
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
failed = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        failed[module] = str(error)
print(json.dumps(failed))
"""

IMPORT_ALLOWED = """
import importlib, json, sys
import numpy, torch
modules, allowed = map(json.loads, sys.argv[1:])
class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names:
            raise ImportError(f"{name} is not allowed")
sys.meta_path.insert(0, Blocker())
failed = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        failed[module] = str(error)
print(json.dumps(failed))
"""

LOADED_AFTER = """
import importlib, json, sys
modules, watched = map(json.loads, sys.argv[1:])
for module in modules:
    importlib.import_module(module)
print(json.dumps([name for name in watched if name in sys.modules]))
"""


def test_everything_is_discovered() -> None:
    assert f"{PACKAGE}.methods.restore.settings" in modules_of("methods")
    assert f"{PACKAGE}.errors" in modules_of("")
    assert {part_of(module) for module in all_modules()} - {""} <= set(ALLOWED), "a part without a rule"


def test_all_but_the_viewer_imports_without_napari_and_qt() -> None:
    modules = [
        module for module in all_modules() if part_of(module) != "viewer" and not module.endswith("__main__")
    ]
    assert len(modules) > 20
    assert in_fresh_python(IMPORT_BLOCKED, modules, [*GUI, *LAZY]) == {}


def test_the_blocker_blocks() -> None:
    assert in_fresh_python(IMPORT_BLOCKED, ["magicgui"], GUI) == {"magicgui": "magicgui is blocked"}


def test_mathematics_and_networks_need_torch_and_numpy_alone() -> None:
    of_torch = [
        requirement.split(";")[0].split(">")[0].split("=")[0].strip()
        for requirement in requires("torch") or []
    ]
    allowed = ["torch", "numpy", PACKAGE, *of_torch]
    modules = ["scipy", *modules_of("diffusion", "networks")]  # the first shows that something is refused
    assert in_fresh_python(IMPORT_ALLOWED, modules, allowed) == {"scipy": "scipy is not allowed"}


@pytest.mark.parametrize("part", ["diffusion", "networks"])
def test_mathematics_and_networks_name_torch_and_numpy_alone(part: str) -> None:
    allowed = {"torch", "numpy", PACKAGE, *sys.stdlib_module_names}
    strange = [
        f"{module}:{line} imports {name}"
        for module in modules_of(part)
        for line, name in imports_of(module)
        if name.split(".")[0] not in allowed
    ]
    assert strange == []


def test_what_a_dock_needs_before_its_first_job_does_not_load_torch() -> None:
    light = [
        "weights.card",
        "weights.catalogue",
        "imaging.image",
        "imaging.axes",
        "methods.restore.settings",
        "methods.superres.settings",
        "methods.superres.outputs",
        "methods.superres.method",
        "methods.shape.settings",
        "methods.shape.cells",
        "methods.shape.conditions",
        "methods.shape.window",
        "methods.shape.source",
        "methods.shape.occupancy",
        "methods.shape.result",
        "methods.shape.method",
        "methods.shape.files",
        "jobs",
    ]
    light += [
        name for name in ("methods.registry", "methods.commands") if f"{PACKAGE}.{name}" in all_modules()
    ]
    modules = [PACKAGE, *(f"{PACKAGE}.{name}" for name in light), *modules_of("cli", "viewer")]
    loaded = in_fresh_python(LOADED_AFTER, modules, ["torch"])
    assert loaded == []


def test_importing_the_package_is_quick_since_it_loads_nothing_heavy() -> None:
    assert in_fresh_python(LOADED_AFTER, [PACKAGE], HEAVY) == []


def test_the_public_names_are_there() -> None:
    for name in napari_diffuscope.__all__:
        assert getattr(napari_diffuscope, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        napari_diffuscope.nothing_of_this_name  # noqa: B018


@pytest.mark.parametrize("part", sorted(ALLOWED))
def test_imports_run_one_way(part: str) -> None:
    upwards = [
        f"{module}:{line} imports {name}"
        for module in modules_of(part)
        for line, name in imports_of(module)
        if name.split(".")[0] == PACKAGE and part_of(name) and part_of(name) not in ALLOWED[part]
    ]
    assert upwards == []


def test_modules_for_all_import_no_part() -> None:
    roots = [module for module in modules_of("") if module != PACKAGE and not module.endswith("__main__")]
    upwards = [
        f"{module}:{line} imports {name}"
        for module in roots
        for line, name in imports_of(module)
        if name.split(".")[0] == PACKAGE and part_of(name)
    ]
    assert upwards == []


@pytest.mark.parametrize("part", sorted(set(ALLOWED) - {"viewer"}))
def test_only_the_viewer_names_napari_or_qt(part: str) -> None:
    named = [
        f"{module}:{line} imports {name}"
        for module in modules_of(part)
        for line, name in imports_of(module)
        if name.split(".")[0] in GUI
    ]
    assert named == []


def loaded_by(module: str) -> set[str]:
    """Modules of the package whose import a module's own import begins: not in functions, not for types alone."""
    modules, names = set(all_modules()), []
    waiting: list[ast.AST] = [parsed(module)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif not isinstance(node, ast.FunctionDef | ast.Lambda) and not is_for_types(node):
            waiting += ast.iter_child_nodes(node)
    loaded = {next((m for m in (name, name.rpartition(".")[0]) if m in modules), "") for name in names}
    return loaded - {"", module}


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def named_by(module: str) -> set[str]:
    """Modules of the package that a module's source names anywhere, in functions and for types too."""
    modules = set(all_modules())
    names = {name for _, name in imports_of(module)}
    named = {next((m for m in (name, name.rpartition(".")[0]) if m in modules), "") for name in names}
    return named - {"", module, PACKAGE} - LATER.get(module, set())


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """A circle of a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_import_goes_in_a_circle() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert circle_in({module: loaded_by(module) for module in all_modules()}) == []
    parts = [module for module in all_modules() if module != PACKAGE]  # the package offers what lies in it
    assert circle_in({module: named_by(module) for module in parts}) == []


def test_evaluations_do_not_lean_on_each_other() -> None:
    """What they share stands beside their folders and knows none of them, for types neither."""
    rooms = sorted(place.parent.name for place in (ROOT / "evaluate").glob("*/__init__.py"))
    assert "restore" in rooms
    shared = [m for m in modules_of("evaluate") if m.count(".") == 2 and m.rpartition(".")[2] not in rooms]
    assert len(shared) > 5
    leaning = [
        f"{module}:{line} imports {name}"
        for room in ["", *rooms]
        for module in (shared if not room else [m for m in modules_of("evaluate") if f".{room}" in m])
        for line, name in imports_of(module)
        if any(name.startswith(f"{PACKAGE}.evaluate.{other}.") for other in rooms if other != room)
    ]
    assert leaning == []


def names_of(requirements: Iterable[str]) -> set[str]:
    """Names of distributions in the form that is compared."""
    return {re.split(r"[^A-Za-z0-9_.-]", each)[0].lower().replace("_", "-") for each in requirements}


def test_what_is_declared_is_imported_and_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for_work = [name for extra in set(extras) - {"test", "dev", "docs"} for name in extras[extra]]
    declared = names_of([*project["dependencies"], *for_work])
    tops = {name.split(".")[0] for module in all_modules() for _, name in imports_of(module)}
    known = {top: names_of(names) for top, names in packages_distributions().items()}
    known |= {"mpl_toolkits": {"matplotlib"}, "sklearn": {"scikit-learn"}, "skimage": {"scikit-image"}}
    used = {
        top: known.get(top, names_of([top]))
        for top in tops - sys.stdlib_module_names - {PACKAGE, "__future__"}
    }
    assert [top for top, names in used.items() if not names & declared] == []
    assert declared - set().union(*used.values()) - set(NOT_IMPORTED) == set()
    assert set(NOT_IMPORTED) <= declared
