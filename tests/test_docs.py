"""The documentation says what the code does."""

from __future__ import annotations

import importlib
import re
import tomllib
import unicodedata
from contextlib import suppress
from dataclasses import fields
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

import napari_diffuscope
from napari_diffuscope.cli import main
from napari_diffuscope.methods.declared import Settings, setting_of
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.settings import SuperresSettings
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard
from napari_diffuscope.weights.folders import STARTERS

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
OPTION_TABLES: dict[str, type[Settings]] = {
    "restore": RestoreSettings,
    "superres": SuperresSettings,
    "shape": ShapeSettings,
}
"""Pages with a table of all settings of a method."""


def first_cells(page: str) -> set[str]:
    """All names in `code` in the first cells of the tables of a page."""
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def anchors_of(page: Path) -> set[str]:
    """What the headings of a page are called in links, as MkDocs does it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = (
        unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    )
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_pages_lead_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    within = [(page.parent / to if to else page, anchor) for to, anchor in links if "://" not in to]
    assert [f"{to.name}#{anchor}" for to, anchor in within if anchor not in anchors_of(to)] == []


def test_every_page_is_in_the_menu() -> None:
    listed = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}


def named(dotted: str) -> Any:
    """What a name such as ``napari_diffuscope.weights.model.load_model`` stands for.

    Raises
    ------
    ImportError, AttributeError
        If there is nothing of that name.
    """
    words = dotted.split(".")
    for count in range(len(words), 0, -1):
        with suppress(ModuleNotFoundError):
            return reduce(getattr, words[count:], importlib.import_module(".".join(words[:count])))
    raise ImportError(dotted)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_package_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = set(re.findall(r"napari_diffuscope(?:\.\w+)+", text))
    for module, names in re.findall(r"from (napari_diffuscope[\w.]*) import ([\w, ]+)", text):
        found |= {f"{module}.{name.strip()}" for name in names.split(",")}
    for name in found:
        named(name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_repository_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("recipes/NAME.toml", "")
    files = set(re.findall(r"(?<![\w/])((?:recipes|benchmarks|tests|weights)/[\w./-]*\w)", text))
    places = (ROOT, page.parent, ROOT / "src" / "napari_diffuscope")
    assert [file for file in files if not any((place / file).exists() for place in places)] == []


def test_every_starter_is_described() -> None:
    assert {folder.name for folder in STARTERS.iterdir() if folder.is_dir()} <= first_cells("models.md")


def test_what_the_package_offers_is_in_the_reference() -> None:
    referred = {words.split()[0] for words in (ROOT / "docs" / "api.md").read_text("utf-8").split("::: ")[1:]}
    offered = {name for name in napari_diffuscope.__all__ if not name.startswith("_")}
    assert offered <= {name.split(".")[-1] for name in referred}


@pytest.mark.parametrize("page", OPTION_TABLES)
def test_every_option_of_a_method_is_explained(page: str) -> None:
    assert {field.name for field in fields(OPTION_TABLES[page])} <= first_cells(f"{page}.md")


@pytest.mark.parametrize("page", OPTION_TABLES)
def test_modes_are_called_as_in_the_dock(page: str) -> None:
    table = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").split("## Modes")[1].split("\n## ")[0]
    words = setting_of(OPTION_TABLES[page], "mode").words
    assert dict(re.findall(r"^\| `([\w-]+)`[^|]* \| ([^|]+) \|", table, re.MULTILINE)) == {
        mode: words[mode][0] for mode in words
    }


def test_extras_and_environment_variables_are_on_the_page_on_installing() -> None:
    explained = first_cells("install.md")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["optional-dependencies"]) - {"test", "dev", "docs"} <= explained
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert {name for text in sources for name in re.findall(r"DIFFUSCOPE_[A-Z_]+", text)} <= explained


@pytest.mark.parametrize("page", OPTION_TABLES)
def test_defaults_are_those_of_the_code(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").split("## Options")[1].split("\n## ")[0]
    for names, cell in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", text, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            default = getattr(OPTION_TABLES[page](), name)
            # What the code leaves open ("from the file", "the model's own") is said in words, without a value.
            assert default is None or cell.strip("` ").lower() == str(default).lower(), name
            assert default is not None or "`" not in cell, name


def test_every_entry_of_a_model_card_is_explained() -> None:
    explained = first_cells("models.md")
    assert {field.name for kind in (ModelCard, DiffusionSpec) for field in fields(kind)} <= explained


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    commands = set(
        re.findall(r"^[│|\s]+(\w+)  +\w", capsys.readouterr().out.split("Commands", 1)[1], re.MULTILINE)
    )
    assert len(commands) >= 5
    listed = {name.split()[1] for name in first_cells("command-line.md") if name.startswith("diffuscope ")}
    assert commands <= listed


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
