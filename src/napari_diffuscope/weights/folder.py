"""Model folders: ``model.json``, ``weights.safetensors`` and an example pair."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, NetworkSpec, read_card

EXAMPLE_FILES = ("example_input.tif", "example_output.tif")


def build_network(spec: NetworkSpec) -> nn.Module:
    """Network of a card, with random weights.

    Raises
    ------
    DiffuscopeError
        If the arguments do not describe such a network.
    """
    try:
        match spec.kind:
            case "local-unet":
                return LocalUNet(LocalUNetConfig(**spec.arguments))
            case _:
                raise DiffuscopeError(f"Networks of kind {spec.kind!r} cannot be built yet.")
    except (TypeError, ValueError) as error:
        raise DiffuscopeError(f"The network in the model card cannot be built: {error}.") from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give a network its weights, all of them and no others.

    Raises
    ------
    DiffuscopeError
        Naming the first tensors that are missing, extra, of the wrong shape, or not finite.
    """
    wanted = network.state_dict()
    problems = []
    if missing := [name for name in wanted if name not in tensors]:
        problems.append(f"{len(missing)} missing ({_some(missing)})")
    if extra := [name for name in tensors if name not in wanted]:
        problems.append(f"{len(extra)} extra ({_some(extra)})")
    shared = [name for name in wanted if name in tensors]
    if wrong := [f"{n} {tuple(tensors[n].shape)} for {tuple(wanted[n].shape)}" for n in shared if tensors[n].shape != wanted[n].shape]:
        problems.append(f"{len(wrong)} of the wrong shape ({_some(wrong)})")
    if bad := [n for n in shared if not bool(torch.isfinite(tensors[n]).all())]:
        problems.append(f"{len(bad)} with values that are not finite ({_some(bad)})")
    if problems:
        raise DiffuscopeError(f"The weights of {source} do not fit the network: tensors {'; '.join(problems)}.")
    network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()}, strict=True)


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def read_folder(folder: Path) -> tuple[ModelCard, nn.Module]:
    """Card and filled network of a model folder.

    Raises
    ------
    DiffuscopeError
        If a file is absent or damaged, or the weights are not those that the card names.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise DiffuscopeError(f"{folder} has no {WEIGHTS_FILE}.")
    if card.sha256 and sha256_of(path) != card.sha256:
        raise DiffuscopeError(f"{path} is not the file that its {CARD_FILE} describes (sha256 differs); get the folder again.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DiffuscopeError(f"{path} cannot be read as safetensors: {error}.") from error
    network = build_network(card.network)
    fill(network, tensors, str(folder))
    return card, network


def write_folder(
    folder: Path,
    card: ModelCard,
    tensors: Mapping[str, Tensor],
    *,
    example: tuple[np.ndarray, np.ndarray] | None = None,
) -> ModelCard:
    """Write a model folder, all or nothing; an existing folder of that name is replaced.

    Parameters
    ----------
    folder
        Where; its parent is created.
    card
        Its ``name`` is replaced by the folder's and ``sha256`` computed.
    tensors
        Weights as they shall be stored.
    example
        Input and output image, float32 ``(Y, X)``.

    Returns
    -------
    ModelCard
        The card as written.
    """
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary / WEIGHTS_FILE)
        card = replace(card, name=folder.name, sha256=sha256_of(temporary / WEIGHTS_FILE))
        (temporary / CARD_FILE).write_text(json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if example is not None:
            _write_example(temporary, example)
        temporary.chmod(0o755)
        (temporary / WEIGHTS_FILE).chmod(0o644)
        _swap(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return card


def _write_example(folder: Path, example: tuple[np.ndarray, np.ndarray]) -> None:
    import tifffile

    for name, image in zip(EXAMPLE_FILES, example, strict=True):
        tifffile.imwrite(folder / name, image, compression="zlib")


def _swap(temporary: Path, folder: Path) -> None:
    """Put a finished folder in its place."""
    if folder.exists():
        old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
        folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old)
    else:
        temporary.rename(folder)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
