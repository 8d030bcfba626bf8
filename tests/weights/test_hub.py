"""Models of the Hugging Face hub, from a hub on this computer."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.download import download_model
from napari_diffuscope.weights.hub import needed_files
from napari_diffuscope.weights.trial import verify_model

constants = pytest.importorskip("huggingface_hub.constants")

COMMIT = "a" * 40


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as its library asks for."""

    files: dict[str, bytes]
    given: list[str]

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def do_GET(self, *, body: bool = True) -> None:
        place = self.path.partition("?")[0]
        if place.startswith("/api/models/lab/tiny"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in self.files.items()]
            facts = {"id": "lab/tiny", "modelId": "lab/tiny", "sha": COMMIT, "siblings": siblings, "tags": []}
            return self._send(
                json.dumps({**facts, "private": False, "downloads": 0, "likes": 0}).encode(), body=body
            )
        name = place.partition("/resolve/main/")[2]
        if place.startswith("/lab/tiny/") and name in self.files:
            if body:
                self.given.append(name)
            return self._send(self.files[name], body=body)
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def _send(self, content: bytes, *, body: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(own_places: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Hub]]:
    """A hub with one repository: the small model, and much that it does not need."""

    class Hub(_Hub):
        """One of this test alone."""

    Hub.given, Hub.files = [], {path.name: path.read_bytes() for path in tiny_model.iterdir()}
    Hub.files |= {"README.md": b"#" * 5000, "pytorch_model.bin": b"0" * 5000, "training/log.csv": b"1"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(own_places / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield Hub
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.filterwarnings("ignore::UserWarning:huggingface_hub")
def test_a_model_of_the_hub_takes_the_needed_files_alone_and_is_there_offline(
    hub: type[_Hub], own_places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = []
    folder = download_model("hf:lab/tiny", on_update=updates.append)
    assert folder.name == "tiny"
    assert verify_model(folder)
    assert set(hub.given) == {"model.json", "weights.safetensors"}
    assert any("lab/tiny" in update.message for update in updates)

    monkeypatch.setenv("DIFFUSCOPE_CACHE", str(own_places / "another"))
    monkeypatch.setenv("DIFFUSCOPE_OFFLINE", "1")
    hub.given.clear()
    assert verify_model(download_model("tiny")), "the hub's own cache has it"
    assert hub.given == []
    with pytest.raises(DiffuscopeError, match="lab/other is not in the cache of the hub"):
        download_model("hf:lab/other")


def test_a_model_that_the_hub_does_not_have_is_one_sentence(hub: type[_Hub]) -> None:
    with pytest.raises(DiffuscopeError, match="The hub has no model lab/none, or it is private"):
        download_model("hf:lab/none")


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        (["model.json", "weights.safetensors", "a.ckpt"], ["model.json", "weights.safetensors"]),
        (
            ["model_index.json", "unet/config.json", "unet/d.safetensors", "unet/d.bin", "unet/d.fp16.safetensors",
             "scheduler/scheduler_config.json", "vae/config.json", "vae/d.safetensors"],
            ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json", "unet/d.safetensors"],
        ),
        (["README.md", "ema.pt", "ema.pt.json"], ["ema.pt", "ema.pt.json"]),
    ],
)  # fmt: skip
def test_which_files_are_needed(names: list[str], needed: list[str]) -> None:
    assert needed_files(names) == needed


@pytest.mark.parametrize(
    ("names", "said"), [(["a.pt", "b.pt"], "2 checkpoints"), (["README.md"], "no model")]
)
def test_repositories_without_one_model_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(DiffuscopeError, match=said):
        needed_files(names)
