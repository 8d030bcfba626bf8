"""Menus and buttons that the documentation names are in the window under these words."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from npe2 import PluginManifest

from napari_diffuscope.methods.declared import settings_of
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.registry import METHODS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "napari_diffuscope"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = ("Plugins › Diffuscope", "Open Sample › Diffuscope")
"""Menus whose entries are in the manifest."""


def emphasised(page: Path) -> list[str]:
    """What stands between ``*`` or ``**``, without links and code."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return [
        bold or italic for bold, italic in re.findall(r"\*\*([^*\n]+)\*\*|(?<!\*)\*([^*\n]+)\*(?!\*)", text)
    ]


@cache
def entries_of_menus() -> set[str]:
    """Names of docks and sample images, as the manifest gives them to napari."""
    given = PluginManifest.from_file(SOURCE / "napari.yaml").contributions
    return {entry.display_name for entry in (*given.widgets, *given.sample_data)}


@cache
def words_of_the_window() -> set[str]:
    """All texts in the code of the window, without marks of shortcuts."""
    files = [*(SOURCE / "viewer").rglob("*.py"), *(SOURCE / "methods").rglob("*.py")]
    trees = [ast.parse(path.read_text("utf-8")) for path in files]
    return {
        node.value.replace("&", "").strip()
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_what_a_dock_calls_a_setting_is_on_a_page(method: Method) -> None:
    text = "\n".join(page.read_text("utf-8") for page in PAGES).lower()
    labels = [setting.label for setting in settings_of(method.settings) if not setting.hidden]
    assert [label for label in labels if label.lower() not in text] == []


def test_every_dock_and_sample_is_on_a_page() -> None:
    named = {words.split(" › ")[-1] for page in PAGES for words in emphasised(page)}
    assert entries_of_menus() - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_menus_lead_to_what_the_manifest_has(page: Path) -> None:
    paths = [words for words in emphasised(page) if any(f"{menu} › " in words for menu in OURS)]
    assert [words for words in paths if words.split(" › ")[-1] not in entries_of_menus()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_buttons_that_open_something_are_in_the_window(page: Path) -> None:
    buttons = [words for words in emphasised(page) if re.fullmatch(r"[A-Z][^…›]*[^\s…›]…", words)]
    assert [words for words in buttons if words not in words_of_the_window()] == []
