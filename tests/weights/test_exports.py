"""Models that are handed on come back bit by bit; packages of the BioImage Model Zoo are valid and do what they say."""

from __future__ import annotations

import importlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_diffuscope.cli import main
from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.weights.catalogue import STARTERS
from napari_diffuscope.weights.describe import import_model
from napari_diffuscope.weights.exporting import export_model
from tests.weights.test_trainer_files import ANSWERS, network

STARTER_NAMES = sorted(path.name for path in STARTERS.iterdir() if (path / "model.json").is_file())


def content(folder: Path) -> dict[str, bytes]:
    """All files of a model, the name of the folder apart."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "origin.json"}
    card = json.loads(files["model.json"])
    card.pop("name")
    return {**files, "model.json": json.dumps(card, sort_keys=True).encode()}


@pytest.mark.parametrize("name", STARTER_NAMES)
def test_starters_come_back_bit_by_bit(tmp_path: Path, name: str) -> None:
    export_model(name, tmp_path / "folder")
    export_model(name, tmp_path / "model.zip", format="zip")
    import_model(tmp_path / "folder", tmp_path / "one")
    import_model(tmp_path / "model.zip", tmp_path / "two")
    normal = content(tmp_path / "folder")
    assert (STARTERS / name / "weights.safetensors").read_bytes() == normal["weights.safetensors"]
    assert content(STARTERS / name).keys() == normal.keys()
    assert content(tmp_path / "one") == content(tmp_path / "two") == normal


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_model("restoration-fluorescence", tmp_path_factory.mktemp("zoo"), format="bioimageio")[0]


def small(tmp_path: Path) -> Path:
    """A model folder of a checkpoint with attention, a schedule table and answers."""
    torch.save(network(3), tmp_path / "small.pt")
    import_model(tmp_path / "small.pt", tmp_path / "small", answers=ANSWERS)
    return tmp_path / "small"


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the library leaves files to be closed
def test_a_package_of_the_zoo_is_valid(package: Path, tmp_path: Path) -> None:
    spec = pytest.importorskip("bioimageio.spec", reason="the extra bioimageio is not installed")
    own = export_model(small(tmp_path), tmp_path, format="bioimageio", authors=["A. Author"])[0]
    for path in (package, own):
        folder = tmp_path / "unpacked" / path.stem
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        written = json.loads((folder / "bioimageio.yaml").read_text())
        written["cite"] = []  # whether those exist is asked of the web
        context = spec.ValidationContext(root=folder, perform_io_checks=True)
        summary = spec.build_description(written, context=context).validation_summary
        assert summary.status != "failed", summary.errors


def test_a_package_of_the_zoo_does_what_it_says(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    description = json.loads((tmp_path / "bioimageio.yaml").read_text())
    weights = description["weights"]["pytorch_state_dict"]
    module = importlib.import_module(weights["architecture"]["import_from"])
    step = getattr(module, weights["architecture"]["callable"])(**weights["architecture"]["kwargs"])
    step.load_state_dict(load_file(tmp_path / weights["source"]), strict=True)
    inputs = [torch.from_numpy(np.load(tmp_path / i["test_tensor"]["source"])) for i in description["inputs"]]
    with torch.inference_mode():
        output = step(*inputs)
    expected = np.load(tmp_path / description["outputs"][0]["test_tensor"]["source"])
    np.testing.assert_allclose(output.numpy(), expected, rtol=1e-4, atol=1e-4)
    assert description["config"]["napari_diffuscope"]["sampler"]["solver"] == "dpm-solver++"


def test_a_package_of_the_zoo_comes_back_bit_by_bit(package: Path, tmp_path: Path) -> None:
    import_model(package, tmp_path / "back")
    export_model("restoration-fluorescence", tmp_path / "folder")
    assert content(tmp_path / "back") == content(tmp_path / "folder")


def test_packages_of_others_are_out_of_scope(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "foreign")
    (tmp_path / "foreign" / "model.json").unlink()
    with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
        for path in sorted((tmp_path / "foreign").iterdir()):
            archive.write(path, path.name)
    for source in (tmp_path / "foreign", tmp_path / "foreign.zip"):
        with pytest.raises(DiffuscopeError, match=r"BioImage Model Zoo.*no diffusion model of ours"):
            import_model(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_replaces_nothing_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: object) -> int:
        try:
            main(["models", "export", *map(str, words)])
        except SystemExit as stop:
            return int(stop.code or 0)
        return 0

    folder, note = small(tmp_path), tmp_path / "note.zip"
    note.write_text("mine")
    assert run(folder, note, "--format", "zip", "--overwrite") == 1
    assert note.read_text() == "mine"
    assert run(folder, tmp_path / "model.tar", "--format", "zip") == 1
    assert "end in .zip" in capsys.readouterr().err
    assert run(folder, tmp_path / "m.zip", "--format", "zip") == 0
    assert run(folder, tmp_path / "m.zip", "--format", "zip") == 1
    assert run(folder, tmp_path / "m.zip", "--format", "zip", "--overwrite") == 0
    assert run(folder, folder) == 1
    assert run(folder, tmp_path / "copy") == 0
    assert content(tmp_path / "copy") == content(folder)
