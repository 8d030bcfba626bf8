"""Model cards, settings of schedulers and files of weights that make no sense are refused by name."""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from napari_diffuscope import DiffuscopeError, load_model
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, read_card
from napari_diffuscope.weights.diffusers_folder import weight_files

NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def refused(path: Path) -> str:
    with pytest.raises(DiffuscopeError) as caught:
        load_model(path)
    sentence = str(caught.value)
    assert len(sentence) <= 300
    assert path.name in sentence
    return sentence


def change(card: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    *outer, last = place.split(".")
    table = card
    for name in outer:
        table = table[name]
    table[last] = value
    return card


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("deviation_scale", NAN),
        ("deviation_scale", -3),
        ("deviation_scale", INFINITY),
        ("deviation_scale", 10**400),
        ("diffusion.clip", [NAN, NAN]),
        ("diffusion.clip", [1, -1]),
        ("axes", "XQ"),
        ("axes", "ZYX"),
        ("axes", ""),
        ("size", [0, 64]),
        ("size", [64, 64, 64]),
        ("state_channels", 0),
        ("state_channels", -1),
        ("state_channels", 3),
        ("condition_channels", 7),
        ("data_range", [1, -1]),
        ("data_range", [0, 0]),
        ("data_range", [NAN, 1]),
        ("pixel_size", [-1, 2]),
        ("axial_fwhm", [3, NAN]),
        ("cell_extent", -1),
        ("occupancy_threshold", 7),
        ("diffusion.steps", 0),
        ("diffusion.steps", -1),
        ("diffusion.published_samples", 0),
        ("diffusion.published_eta", NAN),
        ("diffusion.schedule.shift", 0),
        ("diffusion.schedule.shift", NAN),
        ("sha256", "word"),
        ("network.arguments.widths", [-1, -1]),
        ("network.arguments.widths", "word"),
        ("network.arguments.widths", [0.5, 2]),
        ("network.arguments.embedding", None),
        ("network.arguments.dims", True),
    ],
)
def test_entries_that_make_no_sense_are_refused_by_name(folder: Path, place: str, value: Any) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(change(card, place, value)))
    assert place.rpartition(".")[2] in refused(folder)


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "linear", "count": 1000, "betas": [0.02, 0.0001]},
        {"kind": "linear", "count": 100_000, "betas": [0.5, 0.9]},
        {"kind": "scaled-linear", "count": 50_000, "betas": [0.01, 0.1]},
        {"kind": "linear", "count": 1000, "betas": [1e-20, 0.02]},
        {"kind": "linear", "count": 1000, "betas": [NAN, 0.02]},
        {"kind": "cosine", "count": 1},
    ],
)
def test_schedules_that_do_not_fall_are_refused(folder: Path, schedule: dict[str, Any]) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps(change(card, "diffusion.schedule", schedule)))
    assert "schedule" in refused(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"steps"', '"steps": 3, "steps"'),
        ('"title": "Tiny"', '"title": "\\ud800"'),
        ('"title": "Tiny"', '"title": "Tiny", "training": ' + '{"a": ' * 90 + "1" + "}" * 90),
        ('"format": 1', '"format": ' + "1" * 5000),
    ],
    ids=["twice", "half", "deep", "digits"],
)
def test_cards_that_are_no_proper_json_are_refused(folder: Path, old: str, new: str) -> None:
    text = (folder / CARD_FILE).read_text()
    assert old in text
    (folder / CARD_FILE).write_text(text.replace(old, new, 1))
    assert "not valid JSON" in refused(folder)


def test_a_sparse_file_of_weights_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [25 * 10**9], "data_offsets": [0, 10**11]}}).encode()
    for path in (folder / WEIGHTS_FILE, tmp_path / "large.safetensors"):
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(header)) + header)
            file.truncate(8 + len(header) + 10**11)
    refused(folder)
    refused(tmp_path / "large.safetensors")


def test_programs_are_refused_as_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "traced.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
            archive.writestr(f"traced/{name}", "3" * 100)
    assert "TorchScript" in refused(path)


def test_links_in_a_circle_are_told(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    (folder / WEIGHTS_FILE).symlink_to(folder / WEIGHTS_FILE)
    refused(folder)
    (folder / CARD_FILE).unlink()
    (folder / CARD_FILE).symlink_to(folder / CARD_FILE)
    with pytest.raises(DiffuscopeError):
        read_card(folder)


STEM = "diffusion_pytorch_model"


@pytest.mark.parametrize(
    "names",
    [
        [f"{STEM}.fp16.safetensors"],
        [f"{STEM}.fp16.bin"],
        [f"{STEM}-00001-of-00002.bin", f"{STEM}-00002-of-00002.bin"],
        [f"{STEM}-00001-of-00002.safetensors", f"{STEM}-00002-of-00002.safetensors"],
        [f"{STEM}.fp16-00001-of-00002.safetensors", f"{STEM}.fp16-00002-of-00002.safetensors"],
        [f"{STEM}.non_ema.safetensors"],
    ],
)
def test_weights_of_diffusers_are_found_under_all_their_names(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in weight_files(tmp_path)] == names
    if len(names) > 1:
        os.unlink(tmp_path / names[1])
        with pytest.raises(DiffuscopeError, match="of 2 files of weights 1"):
            weight_files(tmp_path)
        return
    (tmp_path / f"{STEM}.bin").touch()
    assert [path.name for path in weight_files(tmp_path)] == [f"{STEM}.bin"]


def test_entries_of_earlier_versions_are_passed_over(folder: Path) -> None:
    path = folder / CARD_FILE
    card = json.loads(path.read_text())
    assert "normalisation" not in card
    path.write_text(json.dumps({**card, "normalisation": "stack-percentiles"}))
    assert load_model(folder).card.name == card["name"]
    path.write_text(json.dumps({**card, "normalization": "none"}))
    assert "normalization" in refused(folder)
