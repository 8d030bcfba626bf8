"""``diffuscope models list``, ``info``, ``add``, ``download``, ``verify``, ``test`` and ``remove``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights import checksums
from napari_diffuscope.weights.catalogue import STARTERS, find_model, listed_models
from napari_diffuscope.weights.citing import bibtex_of
from napari_diffuscope.weights.removal import remove_model
from napari_diffuscope.weights.trial import TOLERANCE, try_model, verify_model

from .server import ModelServer
from .test_models_command import run


@pytest.fixture
def mine(own_places: Path, tiny_model: Path) -> Path:
    """A model of the user."""
    return Path(shutil.copytree(tiny_model, own_places / "models" / "mine"))


def test_the_life_of_a_model(
    own_places: Path, server: ModelServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "add", server.address("whole.zip"), "--name", "lab", "--sha256", server.sha256) == 0
    assert run("models", "info", "lab") == 0
    said = capsys.readouterr().out
    assert server.sha256 in said
    assert "never: nobody of this project" in said
    assert run("models", "download", "lab", "--quiet") == 0
    assert capsys.readouterr().out.strip() == str(own_places / "cache" / "lab")
    assert run("models", "verify", "lab") == 0
    assert run("models", "test", "lab") == 0
    assert "gives what it gave" in capsys.readouterr().out
    assert run("models", "list") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("lab ")]
    assert "downloaded" in line
    assert run("models", "remove", "lab") == 1
    assert "--yes" in capsys.readouterr().err
    assert find_model("lab")
    assert run("models", "remove", "lab", "--yes") == 0
    assert not (own_places / "cache" / "lab").exists()
    assert "lab" not in [model.name for model in listed_models()]


def test_the_list_tells_what_is_at_hand_and_what_is_not(
    own_places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "list", "--json") == 0
    states = {model["name"]: model["state"] for model in json.loads(capsys.readouterr().out)}
    assert states["restoration-fluorescence"] == "shipped"
    assert states["dispr"] == "published"
    assert run("models", "list", "--json", "--at-hand", "--task", "restore") == 0
    at_hand = json.loads(capsys.readouterr().out)
    assert {model["name"] for model in at_hand} == {"restoration-fluorescence", "deblurring-fluorescence"}


def test_every_shipped_model_is_whole_and_does_what_it_did_where_it_was_made(
    own_places: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {folder.name for folder in STARTERS.iterdir()}
    assert run("models", "test") == 0
    assert capsys.readouterr().out.count("gives what it gave where it was made") == len(names)
    assert run("models", "verify") == 0
    assert capsys.readouterr().out.count("whole, sha256") == len(names)
    catalogued = {model.name for model in listed_models() if model.entry is not None and model.entry.shipped}
    assert catalogued == names


def test_a_model_that_gives_something_else_fails_the_test(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("models", "test", "mine") == 0
    assert "no stored example" in capsys.readouterr().out
    assert run("models", "test", "mine", "--store") == 0
    capsys.readouterr()
    assert try_model("mine").difference is not None
    with np.load(mine / "trial.npz") as stored:
        values = {name: stored[name] for name in stored.files}
    values["output"] = values["output"] + 3 * TOLERANCE * values["output"].std()
    np.savez_compressed(mine / "trial.npz", **values)
    assert run("models", "test", "mine") == 1
    assert "another result than it did where it was made" in capsys.readouterr().err
    (mine / "trial.npz").write_bytes(b"no numbers")
    assert run("models", "test", "mine") == 1
    assert "trial.npz" in capsys.readouterr().err


def test_damaged_weights_are_told_by_verify_though_they_look_untouched(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checksums, "LEAST_BYTES", 0)
    weights = mine / "weights.safetensors"
    long_ago = time.time_ns() - 10**12
    os.utime(weights, ns=(long_ago, long_ago))
    assert verify_model(mine)
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    with weights.open("r+b") as file:
        file.write(content)
    os.utime(weights, ns=(long_ago, long_ago))
    assert run("models", "verify", "mine") == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_checksum_is_computed_once_and_anew_when_the_file_changes(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "LEAST_BYTES", 0)
    weights, read = mine / "weights.safetensors", []
    through = checksums._through
    monkeypatch.setattr(checksums, "_through", lambda path: read.append(path) or through(path))
    os.utime(weights)
    fresh = checksums.checked_once(weights)
    assert checksums.checked_once(weights) == fresh
    assert len(read) == 2, "a file of this moment may be written once more without a trace"
    os.utime(weights, ns=(10**18, 10**18))
    assert checksums.checked_once(weights) == checksums.checked_once(weights) == fresh
    assert len(read) == 3
    checksums._known.clear()  # another process
    assert checksums.checked_once(weights) == fresh
    assert len(read) == 3
    weights.write_bytes(weights.read_bytes() + b"0")
    assert checksums.checked_once(weights) != fresh


READY = """
import sys, time, torch
from napari_diffuscope import load_model
before = time.process_time()
load_model("restoration-fluorescence")
print(before, time.process_time() - before, int("torch._dynamo" in sys.modules or "sympy" in sys.modules))
"""


def test_a_starter_is_ready_soon_after_torch(own_places: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READY], capture_output=True, text=True, check=True, timeout=600
    )
    torch, used, compiler = map(float, done.stdout.split())
    assert used < 2 * torch, "seconds of the processor, as those that torch itself takes to load"
    assert not compiler, "torch's compiler, which nobody needs, takes seconds to load"


def test_removed_is_gone_for_good_and_shipped_stays(mine: Path, own_places: Path) -> None:
    with pytest.raises(DiffuscopeError, match="comes with the package and stays"):
        remove_model("restoration-fluorescence")
    with pytest.raises(DiffuscopeError, match="not on this computer"):
        remove_model("dispr")
    (mine / "my notes.txt").write_text("dear diary")
    with pytest.raises(DiffuscopeError, match=r"my notes\.txt"):
        remove_model("mine")
    (mine / "my notes.txt").unlink()
    removal = remove_model("mine")
    assert "for good" in removal.sentence
    assert list((own_places / "models").iterdir()) == []
    assert find_model("restoration-fluorescence").is_dir()


def test_a_link_to_a_model_elsewhere_is_removed_and_the_model_stays(
    own_places: Path, tiny_model: Path
) -> None:
    (own_places / "models").mkdir()
    (own_places / "models" / "linked").symlink_to(tiny_model)
    remove_model("linked")
    assert not os.path.lexists(own_places / "models" / "linked")
    assert verify_model(tiny_model)


def test_what_is_damaged_is_listed_with_its_reason(mine: Path, own_places: Path) -> None:
    (mine / "weights.safetensors").unlink()
    (own_places / "models" / "broken").mkdir()
    (own_places / "models" / "broken" / "model.json").write_text("{")
    problems = {model.name: model.problem for model in listed_models() if model.badge == "missing"}
    assert "no weights" in problems["mine"]
    assert "not valid JSON" in problems["broken"]
    (own_places / "models" / "catalogue.json").write_text('{"format": 1, "model": [{"nome": "x"}]}')
    problems = {model.name: model.problem for model in listed_models() if model.badge == "missing"}
    assert "nome" in problems["catalogue"]
    assert "shipped" in {model.badge for model in listed_models()}, "the list is there all the same"


def test_citations_become_bibtex(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "info", "msdsr-opensrh", "--bibtex") == 0
    assert "jiang2024msdsr" in capsys.readouterr().out
    entries = bibtex_of(("Osuna-Vargas et al., WACV 2025, arXiv 2409.12078", "Someone, A thing, 2020"))
    assert "@inproceedings{osunavargas2025ddpm" in entries
    assert "note = {Someone, A thing, 2020}" in entries
    assert entries.count("{") == entries.count("}")
