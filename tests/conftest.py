"""What several tests need."""

from __future__ import annotations

import gc
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .weights.server import ModelServer, serving

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_finish() -> None:
    """Take what was imported until now for lasting.

    With every viewer that closes all objects are searched for garbage; among those of the libraries there is none, and
    looking through them took a second for each test.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, then those with many tests.

    Processes take file after file in this order (Makefile): what comes last is short, and none waits long for another.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in slow, -tests[item.path]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real microscopy images that lies beside the project on some machines."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the real images of ../shared/data, which are not there")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small untrained model: quick, and of the same kind as the starters."""
    from tests.tiny import tiny_card, tiny_network, write_local

    card = tiny_card(task="restoration", steps=3, deviation_scale=2.0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return write_local(folder, card, tiny_network(widths=(16, 32, 48)))


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
