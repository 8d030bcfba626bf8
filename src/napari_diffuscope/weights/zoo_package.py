"""A model as a package of the BioImage Model Zoo, format 0.5 of its specification.

The description is written as JSON, which is YAML too. It needs no library; where ``bioimageio.spec`` is installed
(extra ``bioimageio``), what was written is checked by it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_diffuscope.errors import DiffuscopeError, quoted
from napari_diffuscope.weights.card import CARD_FILE, WEIGHTS_FILE, ModelCard
from napari_diffuscope.weights.folder import read_folder, sha256_of
from napari_diffuscope.weights.place import EXAMPLE_FILES
from napari_diffuscope.weights.zoo import denoising_step, strides_of, tensors_to_test

DESCRIPTION = "bioimageio.yaml"
DESCRIPTIONS = (DESCRIPTION, "rdf.yaml")
_README, _COVER, _ENVIRONMENT = "README.md", "cover.png", "environment.yaml"
_FORMAT = "0.5.4"
_SPDX = """
    0BSD AGPL-3.0-only AGPL-3.0-or-later Apache-2.0 BSD-2-Clause BSD-3-Clause BSD-3-Clause-Clear CC-BY-4.0 CC-BY-NC-4.0
    CC-BY-NC-ND-4.0 CC-BY-NC-SA-4.0 CC-BY-ND-4.0 CC-BY-SA-4.0 CC0-1.0 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only
    GPL-3.0-or-later ISC LGPL-3.0-only LGPL-3.0-or-later MIT MPL-2.0 Unlicense
"""
_LICENCES = frozenset(_SPDX.split())


def write_zoo_files(folder: Path, authors: Sequence[str] = ()) -> list[str]:
    """Make a package of the zoo of a model folder, by files beside its own.

    Parameters
    ----------
    folder
        The model folder; files are added to it.
    authors
        Names of who made the model.

    Returns
    -------
    list of str
        Names of all files of the package.

    Raises
    ------
    DiffuscopeError
        If the model is damaged.
    """
    card, network = read_folder(folder)
    network.eval().requires_grad_(False)
    inputs, output = tensors_to_test(card, network)
    for name, tensor in {**inputs, "estimate": output}.items():
        np.save(folder / _tensor_file(name), tensor.numpy(), allow_pickle=False)
    (folder / _README).write_text(_readme(card), encoding="utf-8")
    (folder / _ENVIRONMENT).write_text(
        "name: napari-diffuscope\nchannels: [conda-forge]\n"
        "dependencies:\n  - python>=3.11\n  - pytorch\n  - pip\n  - pip:\n      - napari-diffuscope\n",
        encoding="utf-8",
    )
    _write_cover(folder, output)
    description = _description(folder, card, strides_of(network, card), inputs, output, authors)
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / DESCRIPTION).write_text(text, encoding="utf-8")
    return [DESCRIPTION, _README, _COVER, _ENVIRONMENT, *map(_tensor_file, (*inputs, "estimate"))]


def check_zoo_package(folder: Path) -> str:
    """Check a package by ``bioimageio.spec``, if that is installed; nothing is asked of the web.

    Parameters
    ----------
    folder
        The package, unpacked.

    Returns
    -------
    str
        Whether it was checked, as a sentence.

    Raises
    ------
    DiffuscopeError
        If it is not valid.
    """
    if importlib.util.find_spec("bioimageio") is None:
        return "It was not checked: bioimageio.spec is not installed (pip install 'napari-diffuscope[bioimageio]')."
    from bioimageio.spec import ValidationContext, build_description

    written = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    context = ValidationContext(root=folder, perform_io_checks=False)
    summary = build_description(written, context=context).validation_summary
    if summary.status == "failed":
        errors = "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in summary.errors[:3])
        raise DiffuscopeError(f"The package of the BioImage Model Zoo is not valid ({quoted(errors, 200)}).")
    return f"It is valid by bioimageio.spec for format {_FORMAT} of the BioImage Model Zoo."


def _tensor_file(name: str) -> str:
    return f"test_{name}.npy"


def _described(folder: Path, name: str) -> dict[str, str]:
    return {"source": name, "sha256": sha256_of(folder / name)}


def _description(
    folder: Path,
    card: ModelCard,
    strides: tuple[int, ...],
    inputs: Mapping[str, torch.Tensor],
    output: torch.Tensor,
    authors: Sequence[str],
) -> dict[str, Any]:
    licence = re.match(r"[A-Za-z0-9.+-]+", card.licence)
    known = {"license": licence[0]} if licence and licence[0] in _LICENCES else {}
    attached = [name for name in (CARD_FILE, *EXAMPLE_FILES) if (folder / name).is_file()]
    tensors = {name: _tensor(folder, name, card, strides, tensor) for name, tensor in inputs.items()}
    estimate = _tensor(folder, "estimate", card, strides, output)
    for axis in estimate["axes"]:
        if axis["type"] == "space":
            axis["size"] = {"tensor_id": "state", "axis_id": axis["id"]}
    return {
        "format_version": _FORMAT,
        "type": "model",
        "name": _plain_name(card),
        "description": (card.purpose or card.title)[:500],
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "tags": ["diffusion", "2d" if len(card.axes) == 2 else "3d", card.task, "napari-diffuscope"],
        "authors": [{"name": name} for name in authors],
        "cite": _cited(card),
        **known,
        "documentation": _described(folder, _README),
        "covers": [_described(folder, _COVER)],
        "attachments": [_described(folder, name) for name in attached],
        "inputs": list(tensors.values()),
        "outputs": [estimate],
        "weights": {"pytorch_state_dict": _weights(folder, card)},
        "config": {"napari_diffuscope": {"card": CARD_FILE, "sampler": _plain(asdict(card.diffusion))}},
    }


def _weights(folder: Path, card: ModelCard) -> dict[str, Any]:
    return {
        **_described(folder, WEIGHTS_FILE),
        "architecture": {
            "callable": denoising_step.__name__,
            "import_from": denoising_step.__module__,
            "kwargs": {"card": _plain(card.to_dict())},
        },
        "pytorch_version": torch.__version__.partition("+")[0],
        "dependencies": _described(folder, _ENVIRONMENT),
    }


_MEANINGS = {
    "state": "The noisy image that the sampler works on.",
    "level": "How noisy it is: index into the table of noise levels, or time from 0 to 1.",
    "measurement": "What was measured, scaled to the network's range.",
    "classes": "Weights of the classes.",
    "estimate": "The estimate of the clean image.",
}


def _tensor(
    folder: Path, name: str, card: ModelCard, strides: tuple[int, ...], tensor: torch.Tensor
) -> dict[str, Any]:
    axes: list[dict[str, Any]] = [{"type": "batch", "size": 1}]
    if name in ("level", "classes"):
        axes.append({"type": "index", "id": "index", "size": tensor.shape[1]})
    else:
        names = [f"{name}{number}" for number in range(tensor.shape[1])]
        axes.append({"type": "channel", "channel_names": names})
        for axis, size, stride in zip(card.axes, tensor.shape[2:], strides, strict=True):
            extent: Any = size if axis == "Z" else {"min": size, "step": stride}
            if name == "measurement":
                extent = {"tensor_id": "state", "axis_id": axis.lower()}
            axes.append({"type": "space", "id": axis.lower(), "size": extent})
    return {
        "id": name,
        "description": _MEANINGS[name],
        "axes": axes,
        "test_tensor": _described(folder, _tensor_file(name)),
        "data": {"type": "float32"},
    }


def _plain(values: Any) -> Any:
    return json.loads(json.dumps(values))


def _plain_name(card: ModelCard) -> str:
    name = re.sub(r"[^A-Za-z0-9_+\-() ]+", " ", card.title or card.name)
    return (
        f"{' '.join(name.split())[:64]:<5}".replace(" " * 2, " _")
        if len(name) < 5
        else " ".join(name.split())[:64]
    )


def _cited(card: ModelCard) -> list[dict[str, str]]:
    """Citations that have a place on the web; the readme has all."""
    cited = []
    for text in card.citation:
        if doi := re.search(r"\b10\.\d{4,9}/[^\s;,]+[^\s;,.]", text):
            cited.append({"text": text, "doi": doi[0]})
        elif arxiv := re.search(r"arXiv[: ]*(\d{4}\.\d{4,5})", text):
            cited.append({"text": text, "url": f"https://arxiv.org/abs/{arxiv[1]}"})
    return cited


def _readme(card: ModelCard) -> str:
    cite = "\n".join(f"- {entry}" for entry in card.citation) or "Nothing is said."
    numbers = json.dumps(_plain(card.metrics), indent=2, ensure_ascii=False)
    return (
        f"# {card.title}\n\n{card.purpose}\n\n"
        "The network of this package is **one denoising step** of a diffusion model: it estimates the clean image from "
        "a noisy one. Images are made by many such steps. The package napari-diffuscope does that "
        "(`diffuscope models import` takes this package as it is); the settings of its sampler are in "
        f"`{CARD_FILE}`.\n\n"
        f"## When not to trust it\n\n{card.limits or 'Nothing is said.'}\n\n"
        f"## Validation\n\nOn kept-out data:\n\n```json\n{numbers}\n```\n\n"
        f"## Licence\n\n{card.licence}\n\n## Cite\n\n{cite}\n"
    )


def _write_cover(folder: Path, output: torch.Tensor) -> None:
    """A picture twice as wide as high: the example before and after, or what the step gave."""
    import imageio.v3 as imageio
    import tifffile

    places = [folder / name for name in EXAMPLE_FILES]
    if all(place.is_file() for place in places):
        images = [np.asarray(tifffile.imread(place)) for place in places]
    else:
        images = [output[0, 0].numpy()] * 2
    imageio.imwrite(
        folder / _COVER, np.concatenate([_square(image) for image in images], 1), extension=".png"
    )


def _square(image: np.ndarray, edge: int = 256) -> np.ndarray:
    """The middle plane, cut or repeated to a square of 8 bit."""
    plane = image.astype(np.float32)
    while plane.ndim > 2:
        plane = plane[len(plane) // 2]
    plane = np.repeat(np.repeat(plane, max(1, edge // plane.shape[0]), 0), max(1, edge // plane.shape[1]), 1)
    plane = np.pad(plane, [(0, max(0, edge - size)) for size in plane.shape], mode="symmetric")[:edge, :edge]
    low, high = np.percentile(plane, (1, 99.8))
    return np.asarray(np.clip((plane - low) / max(high - low, 1e-6), 0, 1) * 255, np.uint8)
