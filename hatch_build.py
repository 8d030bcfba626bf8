"""The README as package indexes and the napari hub show it: what is a relative link here leads to the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

BRANCH = "main"


class ReadmeHook(MetadataHookInterface):
    """Puts the README into the metadata, with links that hold anywhere."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Complete the table ``[project]``."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata["urls"]["Source"]
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository)}


def absolute(text: str, repository: str) -> str:
    """Markdown whose relative links and pictures lead into a repository on GitHub.

    Parameters
    ----------
    text
        Markdown.
    repository
        Address of the repository.
    """
    raw = repository.replace("https://github.com/", "https://raw.githubusercontent.com/")
    relative = r"\]\((?![a-z]+:|#)([^)\s]+)\)"
    text = re.sub(r"(!\[[^\]]*)" + relative, rf"\1]({raw}/{BRANCH}/\2)", text)
    return re.sub(relative, rf"]({repository}/blob/{BRANCH}/\1)", text)
