"""Networks that are compiled for training: the same weights, in less time, and no harm where there is no compiler."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from napari_diffuscope.jobs import Update
from napari_diffuscope.training import compiling
from napari_diffuscope.training.compiling import WORTH_MINUTES, WORTH_STEPS, has_compiler, ready_to_train
from napari_diffuscope.training.loop import training_job
from napari_diffuscope.training.processes import Processes
from napari_diffuscope.training.recipe import Optimisation
from napari_diffuscope.weights.card import ModelCard, read_card
from tests.training.test_training import recipe


def trained(folder: Path, compiled: str) -> tuple[ModelCard, list[Update]]:
    """Card of a training of three steps, and what it told."""
    plan = recipe(steps=3, compiled=compiled, precision="float32", validate_every=3)
    plan = replace(plan, network={"widths": [8], "encoder_blocks": [1], "decoder_blocks": [], "embedding": 8})
    told = list(training_job(plan, folder / "run", folder / "model", workers=0))
    return read_card(folder / "model"), told


@pytest.mark.slow
@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    # In a process of its own: the compiler leaves so much in memory that later tests would wait for it.
    script = (
        "import sys, pathlib; from tests.training.test_compiled import trained; "
        "trained(pathlib.Path(sys.argv[1]), 'on')"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "on")], cwd=root, check=True, timeout=300)
    one, other = read_card(tmp_path / "on" / "model"), trained(tmp_path / "off", "off")[0]
    assert (one.training["compiled"], other.training["compiled"]) == (True, False)
    weights = load_file(tmp_path / "off" / "model" / "weights.safetensors")
    for name, weight in load_file(tmp_path / "on" / "model" / "weights.safetensors").items():
        torch.testing.assert_close(weight.float(), weights[name].float(), rtol=0.01, atol=0.004)


def test_without_a_compiler_it_learns_all_the_same_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(network: torch.nn.Module) -> Callable[..., None]:
        raise RuntimeError("No working C++ compiler was found")

    monkeypatch.setattr(compiling, "compiled", compiled)
    card, told = trained(tmp_path, "on")
    assert card.training["compiled"] is False
    assert [update.message for update in told if "could not be compiled (No working C++" in update.message]


def test_short_trainings_are_not_compiled_of_themselves() -> None:
    network, group = torch.nn.Linear(1, 1), Processes(0, 1, torch.device("cpu"))
    short = Optimisation(steps=WORTH_STEPS - 1)
    assert ready_to_train(network, short, group) is network
    assert ready_to_train(network, replace(short, time_budget_minutes=WORTH_MINUTES - 1), group) is network
    long = ready_to_train(network, replace(short, steps=WORTH_STEPS), group)
    assert (long is not network) == has_compiler()
    assert ready_to_train(network, Optimisation(steps=WORTH_STEPS, compiled="off"), group) is network
