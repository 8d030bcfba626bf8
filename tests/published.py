"""The published networks with drawn weights, and what their authors' own code answers for one input."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "published"


@dataclass(frozen=True)
class Recorded:
    """One recorded evaluation; tensor names without the checkpoint's prefix."""

    config: dict[str, Any]
    prefix: str
    state: dict[str, torch.Tensor]
    input: torch.Tensor
    t: torch.Tensor
    output: torch.Tensor


def recorded(name: str) -> Recorded:
    """Return a recorded network, or skip the test where the recordings are absent."""
    description = describe(name)
    prefix = description["checkpoint_prefix"]
    state = {
        full.removeprefix(prefix): torch.from_numpy(draw(full, shape))
        for full, shape in description["tensors"].items()
    }
    with np.load(PUBLISHED / f"{name}.npz") as numbers:
        arrays = {key: torch.from_numpy(numbers[key]) for key in ("input", "t", "output")}
    return Recorded(config=description["config"], prefix=prefix, state=state, **arrays)


def describe(name: str) -> dict[str, Any]:
    """Return the authors' configuration, the prefix and all tensor shapes of a recorded network."""
    path = PUBLISHED / f"{name}.json"
    if not path.exists():
        pytest.skip(f"the recordings of the published networks are not at {PUBLISHED}")
    return json.loads(path.read_text())


def draw(full_name: str, shape: list[int]) -> np.ndarray:
    """Draw one tensor by its full name, prefix included, as it was drawn for the recording."""
    rng = np.random.Generator(np.random.Philox(key=zlib.crc32(full_name.encode())))
    if full_name.endswith("freqs"):
        return (2 * np.pi * rng.standard_normal(shape)).astype(np.float32)
    if full_name.endswith("phases"):
        return (2 * np.pi * rng.random(shape)).astype(np.float32)
    if not shape:
        return np.array(0.7, dtype=np.float32)
    values = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) > 1:
        return values / np.float32(np.sqrt(np.prod(shape[1:])))
    return (
        np.float32(1) + np.float32(0.1) * values if full_name.endswith("weight") else np.float32(0.1) * values
    )


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the largest difference over the largest expected value."""
    return float((found - expected).abs().max() / expected.abs().max())


def fill(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Give every tensor of a network values drawn by its name, and return them."""
    shapes = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    state = {name: torch.from_numpy(draw(name, shape)) for name, shape in shapes.items()}
    network.load_state_dict(state, strict=True)
    return state
