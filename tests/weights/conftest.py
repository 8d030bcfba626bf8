"""Models of one's own, apart from those of whoever runs the tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import ModelServer, serving


@pytest.fixture
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's models, downloads and preferences; the web may be asked."""
    for variable, name in (("MODELS", "models"), ("CACHE", "cache"), ("CONFIG", "config")):
        monkeypatch.setenv(f"DIFFUSCOPE_{variable}", str(tmp_path / name))
    for variable in (
        "DIFFUSCOPE_OFFLINE",
        "HF_HUB_OFFLINE",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def zipped_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as an archive."""
    base = tmp_path_factory.mktemp("zipped") / "tiny"
    return Path(shutil.make_archive(str(base), "zip", tiny_model.parent, tiny_model.name))


@pytest.fixture
def server(zipped_model: Path) -> Iterator[ModelServer]:
    """A server of that archive."""
    with serving(zipped_model.read_bytes()) as running:
        yield running
