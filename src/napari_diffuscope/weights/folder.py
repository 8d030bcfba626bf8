"""Model folders: ``model.json``, ``weights.safetensors`` and an example pair."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.failures import name_of, reading
from napari_diffuscope.networks.config import NetworkConfig
from napari_diffuscope.networks.edm2_unet import EDM2UNet, EDM2UNetConfig
from napari_diffuscope.networks.local_unet import LocalUNet, LocalUNetConfig
from napari_diffuscope.networks.lucidrains_unet import LucidrainsUNet, LucidrainsUNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig
from napari_diffuscope.networks.shapes_alone import built_of_shapes
from napari_diffuscope.validation import parse
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard, NetworkSpec, read_card
from napari_diffuscope.weights.card_channels import check_channels
from napari_diffuscope.weights.card_checks import check_network_numbers
from napari_diffuscope.weights.checksums import checked_once
from napari_diffuscope.weights.place import EXAMPLE_FILES, making_model, put_in_place
from napari_diffuscope.weights.tensors import load_stored, stored_shapes
from napari_diffuscope.weights.ways_on import GET_MODEL_AGAIN, with_way_on

_NETWORKS: dict[str, tuple[type[nn.Module], type[NetworkConfig]]] = {
    "local-unet": (LocalUNet, LocalUNetConfig),
    "openai-unet": (OpenAIUNet, OpenAIUNetConfig),
    "edm2-unet": (EDM2UNet, EDM2UNetConfig),
    "lucidrains-unet": (LucidrainsUNet, LucidrainsUNetConfig),
}


def build_network(spec: NetworkSpec, *, device: str = "cpu") -> nn.Module:
    """Network of a card, with random weights; on the device ``meta`` with none, which takes no memory.

    Raises
    ------
    DiffuscopeError
        If the arguments do not describe such a network.
    """
    check_network_numbers(spec.arguments)
    try:
        network, config = _NETWORKS[spec.kind]
        parse(config, dict(spec.arguments), "network")
        described = config.from_dict(spec.arguments)
        if device == "meta":
            return built_of_shapes(lambda: network(described))
        with torch.device(device):
            return network(described)
    except (DiffuscopeError, TypeError, ValueError, ArithmeticError, LookupError, RuntimeError) as error:
        sentence = f"The network in the model card cannot be built: {str(error).rstrip('.')}."
        raise DiffuscopeError(with_way_on(sentence, "correct the card")) from error


def filled_network(spec: NetworkSpec, tensors: Mapping[str, Tensor], source: str) -> nn.Module:
    """Network of a card whose parameters are the given tensors, not copies of them.

    Raises
    ------
    DiffuscopeError
        If the network cannot be built, or as :func:`fill` says.
    """
    network = build_network(spec, device="meta")
    fill(network, tensors, source)
    if any(tensor.is_meta for tensor in network.buffers()):  # it computes buffers that are in no file
        weights = network.state_dict()
        network = build_network(spec)
        network.load_state_dict(weights, assign=True)
    return network


def fill(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give a network its weights, all of them and no others.

    A network on the device ``meta`` takes the tensors themselves, any other copies them.

    Raises
    ------
    DiffuscopeError
        Naming the first tensors that are missing, extra, of the wrong shape, or not finite.
    """
    wanted = network.state_dict()
    check_names(wanted, tensors, source)
    if bad := [name for name, tensor in tensors.items() if not all_finite(tensor)]:
        raise DiffuscopeError(
            f"The weights of {source} are damaged: {len(bad)} tensors hold values that are not finite "
            f"({_some(bad)}); {GET_MODEL_AGAIN}."
        )
    converted = {name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()}
    network.load_state_dict(converted, strict=True, assign=any(tensor.is_meta for tensor in wanted.values()))


def check_names(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: str) -> None:
    """Refuse tensors that are not exactly those of a network, by name and shape."""
    problems = []
    if missing := [name for name in wanted if name not in tensors]:
        problems.append(f"{len(missing)} missing ({_some(missing)})")
    if extra := [name for name in tensors if name not in wanted]:
        problems.append(f"{len(extra)} extra ({_some(extra)})")
    shapes = {
        name: (tuple(tensors[name].shape), tuple(wanted[name].shape)) for name in wanted if name in tensors
    }
    if wrong := [f"{name} {given} for {right}" for name, (given, right) in shapes.items() if given != right]:
        problems.append(f"{len(wrong)} of the wrong shape ({_some(wrong)})")
    if whole := [
        name for name in shapes if wanted[name].is_floating_point() > tensors[name].is_floating_point()
    ]:
        problems.append(f"{len(whole)} of whole numbers ({_some(whole)})")
    if problems:
        raise DiffuscopeError(
            f"The weights of {source} do not fit the network: tensors {', '.join(problems)}; {GET_MODEL_AGAIN}."
        )


def all_finite(tensor: Tensor) -> bool:
    """Whether a tensor has neither NaN nor infinity, looked through piece by piece."""
    if not tensor.is_floating_point():
        return True
    for piece in torch.split(tensor.detach().reshape(-1), 1 << 22):
        # A finite sum has finite terms, and summing is thirty times faster than looking at each.
        if not math.isfinite(piece.sum(dtype=torch.float32).item()) and not bool(torch.isfinite(piece).all()):
            return False
    return True


def _some(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def read_folder(folder: Path) -> tuple[ModelCard, nn.Module]:
    """Card and filled network of a model folder.

    Raises
    ------
    DiffuscopeError
        If a file is absent or damaged, or the weights are not those that the card names.
    """
    card, tensors = read_tensors(folder)
    return card, filled_network(card.network, tensors, str(folder))


def read_tensors(folder: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Card and weights of a model folder, as they are stored.

    Raises
    ------
    DiffuscopeError
        If a file is absent or damaged, or the weights are not those that the card names.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_FILE
    with reading(folder / CARD_FILE, "model card"):
        wanted = build_network(card.network, device="meta").state_dict()
        check_channels(card)
    if not path.is_file():
        raise DiffuscopeError(f"{name_of(folder)} has no {WEIGHTS_FILE}; {GET_MODEL_AGAIN}.")
    with reading(path, "safetensors"):
        shapes = stored_shapes(path)
        if card.sha256 and path.stat().st_size > _most_bytes(wanted):
            raise DiffuscopeError(
                f"{name_of(path)} is larger than the weights of its network; get the folder again."
            )
        if card.sha256 and checked_once(path) != card.sha256:
            raise DiffuscopeError(
                f"{name_of(path)} is not the file that its {CARD_FILE} describes (sha256 differs); "
                "get the folder again."
            )
        return card, load_stored(path, shapes)


def _most_bytes(wanted: Mapping[str, Tensor]) -> int:
    """Most bytes that the file of a network has, with every number stored in eight."""
    return 100_000_000 + sum(8 * tensor.numel() for tensor in wanted.values())


def write_folder(
    folder: Path,
    card: ModelCard,
    tensors: Mapping[str, Tensor],
    *,
    example: tuple[np.ndarray, np.ndarray] | None = None,
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> ModelCard:
    """Write a model folder, all or nothing.

    Parameters
    ----------
    folder
        Where; its parent is created. An empty folder of that name is used.
    card
        Its ``name`` is replaced by the folder's and ``sha256`` computed.
    tensors
        Weights as they shall be stored.
    example
        Input and output image, float32 ``(Y, X)``.
    files
        Content of further files that a model folder may hold, by name.
    overwrite
        Whether a model folder of that name is replaced.

    Returns
    -------
    ModelCard
        The card as written.

    Raises
    ------
    DiffuscopeError
        As :func:`~napari_diffuscope.weights.place.check_model_place`, or if it cannot be written; nothing is left
        behind then.
    """
    folder = folder.resolve()
    with making_model(folder, overwrite=overwrite) as growing:
        card = _fill_folder(growing, replace(card, name=folder.name), tensors, example)
        for name, content in (files or {}).items():
            (growing / name).write_bytes(content)
        put_in_place(growing, folder)
    return card


def _fill_folder(
    place: Path,
    card: ModelCard,
    tensors: Mapping[str, Tensor],
    example: tuple[np.ndarray, np.ndarray] | None,
) -> ModelCard:
    from safetensors.torch import save_file

    contiguous = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    save_file(contiguous, place / WEIGHTS_FILE)
    card = replace(card, sha256=sha256_of(place / WEIGHTS_FILE))
    (place / CARD_FILE).write_text(
        json.dumps(card.to_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    if example is not None:
        _write_example(place, example)
    (place / WEIGHTS_FILE).chmod(0o644)
    return card


def _write_example(folder: Path, example: tuple[np.ndarray, np.ndarray]) -> None:
    import tifffile

    for name, image in zip(EXAMPLE_FILES, example, strict=True):
        tifffile.imwrite(folder / name, image, compression="zlib")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
