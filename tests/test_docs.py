"""The documentation says what the code does."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from napari_diffuscope.cli import main
from napari_diffuscope.methods.restore.settings import MODES, RestoreSettings
from napari_diffuscope.weights.card import DiffusionSpec, ModelCard

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


def first_cells(page: str) -> set[str]:
    """All names in `code` in the first cells of the tables of a page."""
    rows = re.findall(r"^\| (`[^|]*) \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_every_mode_and_option_of_a_restoration_is_explained() -> None:
    explained = first_cells("restore.md")
    assert set(MODES) <= explained
    assert {field.name for field in fields(RestoreSettings)} <= explained


def test_defaults_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "restore.md").read_text(encoding="utf-8").split("## Options")[1]
    for name in ("samples", "seed", "strength", "device", "rgb", "model", "mode"):
        (cell,) = re.findall(rf"^\| `{name}` \| ([^|]+) \|", text, re.MULTILINE)
        assert cell.strip("` ") == str(getattr(RestoreSettings(), name))


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
