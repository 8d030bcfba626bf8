"""Tiny models of every task, and model folders with damaged cards."""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from random import Random
from typing import Any

import torch

from napari_diffuscope.weights.card import (
    CARD_FILE,
    WEIGHTS_FILE,
)
from tests.fuzz.files import damage
from tests.methods import generators, shape_models, superres_models
from tests.tiny import SMALL, tiny_card, tiny_network, write_local

STARTERS = {
    "restore": ("restoration-fluorescence",),
    "superres": ("superres-fluorescence",),
    "shape": ("shape-red-blood-cells",),
    "generate": ("generate-structures",),
}

JSON_VALUES: tuple[Any, ...] = (
    -1, 0, 1, 2, 3, 10**9, 10**30, 0.5, -3.0, 1e300, math.nan, math.inf, "", "x", "YX", "ZYX", "x" * 5000, None, True,
    [], [1], [1, 2], [0, 0], [-1.0, 1.0], [math.nan, math.nan], [1, -1], [1, 2, 3], {}, {"a": 1}, [[1, 2], [3, 4]],
)  # fmt: skip


def write_restoration(folder: Path) -> Path:
    """An untrained network of the starter's kind, whose gains are opened so that all of it counts."""
    return write_local(folder, tiny_card("tiny-restoration", task="restoration"), tiny_network(**SMALL))


def write_models(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Tiny models by task; their tensors are so small that a second thread would only be in the way."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "restore": (write_restoration(folder / "tiny-restoration"),),
        "superres": (
            superres_models.write_tiny(folder / "tiny-slices"),
            superres_models.write_published(folder / "published-slices"),
        ),
        "shape": (
            shape_models.write_tiny(folder / "tiny-shapes"),
            shape_models.write_published(folder / "published-shapes"),
        ),
        "generate": (generators.write_generator(folder / "tiny-generator"),),
    }


def damaged_model(model: Path, folder: Path, rng: Random) -> tuple[Path, str]:
    """A copy of a model whose card or weights are not as they should be, and how."""
    made = folder / "damaged-model"
    shutil.copytree(model, made)
    if rng.random() < 0.25:
        return made, damage(made / rng.choice([CARD_FILE, WEIGHTS_FILE]), rng)
    card = json.loads((made / CARD_FILE).read_text())
    words = []
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        words.append(_change(card, rng))
    (made / CARD_FILE).write_text(json.dumps(card))
    return made, ", ".join(words)


def _change(card: dict[str, Any], rng: Random) -> str:
    """Replace, remove or add one entry anywhere in the card."""
    place, path = card, "card"
    while True:
        key = rng.choice(sorted(place))
        inner = place[key]
        if isinstance(inner, dict) and inner and rng.random() < 0.8:
            place, path = inner, f"{path}.{key}"
            continue
        break
    match rng.choice(["replace"] * 8 + ["remove", "add"]):
        case "replace":
            place[key] = copy.deepcopy(rng.choice(JSON_VALUES))
            return f"{path}.{key} = {str(place[key])[:30]}"
        case "remove":
            del place[key]
            return f"without {path}.{key}"
        case _:
            place["colour"] = rng.choice(JSON_VALUES)
            return f"{path}.colour added"


def draw_model(models: dict[str, tuple[Path, ...]], task: str, folder: Path, rng: Random) -> tuple[str, str]:
    """Path or name of a model, mostly a good one, and what is wrong with it, if anything."""
    chance = rng.random()
    if chance < 0.72:
        return str(rng.choice(models[task])), ""
    if chance < 0.73:
        return rng.choice(STARTERS[task]), ""
    if chance < 0.80:
        return str(rng.choice(models[rng.choice(sorted(models))])), "perhaps of another task"
    if chance < 0.83:
        return rng.choice(
            ["no-such-model", str(folder), str(folder / "absent"), "", "/dev/null", "."]
        ), "absent"
    path, words = damaged_model(rng.choice(models[task]), folder, rng)
    return str(path), words
