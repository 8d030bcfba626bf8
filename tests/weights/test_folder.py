"""Model folders: written whole, read strictly; the catalogue that lists them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_diffuscope import DiffuscopeError, load_model
from napari_diffuscope.networks.local_unet import LocalUNet
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, read_card
from napari_diffuscope.weights.catalogue import STARTERS, find_model, list_models
from napari_diffuscope.weights.folder import EXAMPLE_FILES, sha256_of, write_folder


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change_card(folder: Path, **changes: Any) -> None:
    path = folder / CARD_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_tensors(folder: Path, change: Any) -> None:
    tensors = load_file(folder / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, folder / WEIGHTS_FILE)
    change_card(folder, sha256=sha256_of(folder / WEIGHTS_FILE))


def test_a_model_comes_back_as_it_was(folder: Path) -> None:
    model = load_model(folder)
    assert isinstance(model.network, LocalUNet)
    assert model.card.title == "Tiny"
    assert not model.network.training
    stored = load_file(folder / WEIGHTS_FILE)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in model.network.state_dict().items())


def test_writing_replaces_a_folder_whole_or_not_at_all(folder: Path) -> None:
    card, before = read_card(folder), (folder / WEIGHTS_FILE).read_bytes()
    with pytest.raises(AttributeError):
        write_folder(folder, card, {"broken": None}, overwrite=True)  # type: ignore[dict-item]
    assert (folder / WEIGHTS_FILE).read_bytes() == before
    tensors = load_file(folder / WEIGHTS_FILE)
    halves = {name: tensor.half() for name, tensor in tensors.items()}
    with pytest.raises(DiffuscopeError, match="--overwrite"):
        write_folder(folder, card, halves)
    assert (folder / WEIGHTS_FILE).read_bytes() == before
    write_folder(folder, card, halves, overwrite=True)
    assert (folder / WEIGHTS_FILE).stat().st_size < len(before)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    load_model(folder)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("head.weight"), r"1 missing \(head.weight\)"),
        (lambda t: t.update(spare=torch.zeros(2)), r"1 extra \(spare\)"),
        (
            lambda t: t.update({"out_gain": torch.zeros(3)}),
            r"1 of the wrong shape \(out_gain \(3,\) for \(\)\)",
        ),
        (lambda t: t["head.weight"].fill_(float("nan")), r"not finite \(head.weight\)"),
    ],
)
def test_wrong_tensors_are_named(folder: Path, change: Any, sentence: str) -> None:
    change_tensors(folder, change)
    with pytest.raises(DiffuscopeError, match=sentence):
        load_model(folder)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "red"}, "unknown entry 'colour'"),
        ({"task": "cooking"}, "task must be one of"),
        ({"network": {"kind": "local-unet"}}, "lacks the entry 'arguments'"),
        ({"network": {"kind": "local-unet", "arguments": {"width": 3}}}, "cannot be built"),
        ({"pixel_size": [0.1]}, "must have 2 entries"),
        ({"deviation_scale": "big"}, "must be a number"),
        ({"format": 99}, "format 99"),
        ({"sha256": "0" * 64}, "sha256 differs"),
    ],
)
def test_wrong_cards_are_refused_by_name(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    change_card(folder, **changes)
    with pytest.raises(DiffuscopeError, match=sentence):
        load_model(folder)


def test_damaged_folders_are_refused(folder: Path) -> None:
    (folder / CARD_FILE).write_text("{")
    with pytest.raises(DiffuscopeError, match="not valid JSON"):
        load_model(folder)
    (folder / CARD_FILE).unlink()
    with pytest.raises(DiffuscopeError, match="is no model"):
        load_model(folder)


def test_an_absent_weights_file_is_named(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(DiffuscopeError, match=WEIGHTS_FILE):
        load_model(folder)


def test_the_catalogue_prefers_a_users_own_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFUSCOPE_MODELS", str(folder.parent))
    assert find_model("model") == folder
    assert {"model", "restoration-fluorescence"} <= {card.name for card in list_models("restoration")}
    assert find_model("restoration-fluorescence") == STARTERS / "restoration-fluorescence"
    with pytest.raises(DiffuscopeError, match="restoration-fluorescence"):
        find_model("nothing-of-the-kind")


@pytest.mark.parametrize(
    "starter", sorted(path.parent for path in STARTERS.glob(f"*/{CARD_FILE}")), ids=lambda p: p.name
)
def test_starters_are_complete_and_small(starter: Path) -> None:
    card = load_model(starter).card
    assert card.name == starter.name
    assert (starter / WEIGHTS_FILE).stat().st_size <= 6e6
    assert all((starter / name).is_file() for name in EXAMPLE_FILES)
    assert card.training["data"]
    assert card.limits
    assert card.licence != "unknown"
    # Shapes have a window of their own and are never cut into tiles; generators decide what lies far apart.
    if card.task not in ("shape", "generate"):
        assert max(load_model(starter).network.receptive_radius) <= 64  # type: ignore[arg-type]


def test_the_ancestral_solver_is_for_shapes_alone(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model, folder)
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["diffusion"]["solver"] = "ancestral"
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(DiffuscopeError, match="which models of shapes alone may have"):
        read_card(folder)
