"""The documentation names the commands and options that there are, and no others."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer

from napari_diffuscope.cli.app import make_app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
OF_ALL = ("command-line", "batch", "cluster", "image-files", "large-files")
EXPLAINED_IN = {
    "restore": ("restore", *OF_ALL),
    "superres": ("superres", *OF_ALL),
    "shape": ("shape", *OF_ALL),
    "generate": ("generate", *OF_ALL),
    "pairs": ("generate", *OF_ALL),
    "compare": ("compare", *OF_ALL),
    "train": ("training", "command-line"),
    "evaluate": ("evaluate", "superres", "command-line"),
    "models": ("get-models", "models", "checkpoints", "command-line"),
}
"""Pages in which the options of a command are looked for, by its first word."""


@cache
def commands() -> dict[str, list[list[str]]]:
    """Of each command the options, each with all its names: ``{"models list": [["--json"], …]}``."""
    found: dict[str, list[list[str]]] = {}

    def walk(command: object, words: list[str]) -> None:
        if inside := getattr(command, "commands", None):
            for name, each in inside.items():
                if not each.hidden:
                    walk(each, [*words, name])
            return
        parameters = command.params  # type: ignore[attr-defined]
        options = [p for p in parameters if p.param_type_name == "option" and p.name != "help"]
        found[" ".join(words)] = [[*p.opts, *p.secondary_opts] for p in options]

    walk(typer.main.get_command(make_app()), [])
    return found


def names_in(page: str) -> set[str]:
    """All ``--options`` of a page, and the names in the first cells of its tables as options."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    settings = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    return set(re.findall(r"--[a-z][\w-]*", text)) | {f"--{name.replace('_', '-')}" for name in settings}


def written_commands(page: Path) -> list[str]:
    """Lines of code blocks, and code within a line, that call the program."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for line in lines if line.startswith("diffuscope ")]


@pytest.mark.parametrize("command", sorted(commands()))
def test_every_option_is_explained(command: str) -> None:
    pages = EXPLAINED_IN.get(command.split()[0], ("command-line",))
    explained = set().union(*map(names_in, pages))
    assert [names for names in commands()[command] if not explained & set(names)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_can_be_given(page: Path) -> None:
    wrong = []
    for line in written_commands(page):
        words = shlex.split(line, comments=True)[1:]
        called = next((c for c in commands() if words[: len(c.split())] == c.split()), None)
        asked = {word.split("=")[0] for word in words if re.match(r"--[a-z]", word)}
        if called is None:
            known = {"--help", "--version"} | {c.split()[0] for c in commands()}
            wrong += [line] if words[0] not in known and words[0] != "COMMAND" else []
        elif asked - {name for names in commands()[called] for name in names} - {"--help"}:
            wrong.append(line)
    assert wrong == []
