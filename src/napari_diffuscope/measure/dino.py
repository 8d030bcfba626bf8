"""Features of DINOv2, for those who have its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.measure.features import patch_array

EDGE = 224
"""Pixels along an edge that patches are resized to."""

HEAD = 64
"""Channels of a head of attention, in all sizes of the network."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OFFSET = 0.1
"""Added to the number of cells when positions are resized, as the authors do."""

RENAMED = (
    (r"^(dinov2\.|backbone\.|module\.|teacher\.)+", ""),
    (r"^embeddings\.", ""),
    (r"^position_embeddings$", "pos_embed"),
    (r"^patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"^blocks\.(\d+)\.(?=\d+\.)", "blocks."),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"^layernorm\.", "norm."),
)
"""Names of Hugging Face, and of checkpoints of trainings, to those of the authors' weights."""


@dataclass(frozen=True, eq=False)
class DinoFeatures:
    """The class token of a DINOv2 network (Oquab et al. 2023, arXiv 2304.07193), as in Stein et al. (NeurIPS 2023).

    The network has seen photographs, not micrographs: patches are repeated in three channels and resized to 224 x 224.

    Parameters
    ----------
    tensors
        The weights by name, as the authors or Hugging Face store them; of any of the four sizes, with or without
        registers. Nothing is downloaded.
    low, high
        Intensities that become 0 and 1; the same for both sets.
    where
        Name of the file, for messages.
    batch
        Patches at a time.

    Raises
    ------
    DiffuscopeError
        If the weights are of another network.
    """

    tensors: Mapping[str, Any]
    low: float
    high: float
    where: str = "the file"
    batch: int = 8
    name: str = "DINOv2"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise DiffuscopeError(f"low must be smaller than high, not {self.low} and {self.high}.")
        object.__setattr__(self, "tensors", _named_as_by_the_authors(self.tensors))
        self._check()

    def _check(self) -> None:
        weights = self.tensors
        needed = ("cls_token", "pos_embed", "patch_embed.proj.weight", "norm.weight", "blocks.0.norm1.weight")
        fits = all(name in weights for name in needed) and weights["patch_embed.proj.weight"].dim() == 4
        if fits:
            width, channels, *cell = weights["patch_embed.proj.weight"].shape
            cells = weights["pos_embed"].shape[1] - 1
            fits = channels == 3 and not width % HEAD and cell == [14, 14] and round(cells**0.5) ** 2 == cells
        if not fits:
            raise DiffuscopeError(
                f"{self.where} does not hold the weights of DINOv2; give a checkpoint of facebookresearch/dinov2, or "
                "the model.safetensors of one of its models on Hugging Face."
            )

    def __call__(self, patches: np.ndarray) -> np.ndarray:
        """Numbers ``(N, D)``, float64."""
        import torch
        from torch.nn import functional

        grey = np.clip((patch_array(patches) - self.low) / (self.high - self.low), 0, 1)
        pixels = torch.from_numpy(grey.astype(np.float32))[:, None]
        mean, deviation = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, DEVIATION))
        found = []
        with torch.inference_mode():
            for part in torch.split(pixels, self.batch):
                resized = functional.interpolate(
                    part, (EDGE, EDGE), mode="bicubic", antialias=True, align_corners=False
                )
                try:
                    found.append(self._class_token((resized.clamp(0, 1) - mean) / deviation))
                except (KeyError, RuntimeError) as error:
                    raise DiffuscopeError(
                        f"{self.where} does not hold whole weights of DINOv2; get the file again."
                    ) from error
        return np.asarray(torch.cat(found).double().numpy())

    def _class_token(self, images: Any) -> Any:
        import torch
        from torch.nn import functional

        weights = self.tensors
        cells = functional.conv2d(
            images, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=14
        )
        count = len(images)
        token = weights["cls_token"].expand(count, -1, -1)
        x = torch.cat((token, cells.flatten(2).transpose(1, 2)), 1) + self._positions(cells.shape[-1])
        if (registers := weights.get("register_tokens")) is not None:
            x = torch.cat((x[:, :1], registers.expand(count, -1, -1), x[:, 1:]), 1)
        number = 0
        while f"blocks.{number}.norm1.weight" in weights:
            x = self._block(x, f"blocks.{number}.")
            number += 1
        return self._normed(x[:, 0], "norm.")

    def _positions(self, edge: int) -> Any:
        """Embeddings of the positions for a grid of cells, resized from the one of the training."""
        import torch
        from torch.nn import functional

        known = self.tensors["pos_embed"]
        side = round((known.shape[1] - 1) ** 0.5)
        if side == edge:
            return known
        grid = known[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = (edge + OFFSET) / side
        resized = functional.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat((known[:, :1], resized.flatten(2).transpose(1, 2)), 1)

    def _normed(self, x: Any, place: str) -> Any:
        from torch.nn import functional

        weights = self.tensors
        return functional.layer_norm(
            x, x.shape[-1:], weights[f"{place}weight"], weights[f"{place}bias"], eps=1e-6
        )

    def _linear(self, x: Any, place: str) -> Any:
        from torch.nn import functional

        return functional.linear(x, self.tensors[f"{place}weight"], self.tensors[f"{place}bias"])

    def _block(self, x: Any, place: str) -> Any:
        from torch.nn import functional

        batch, count, width = x.shape
        mixed = self._linear(self._normed(x, f"{place}norm1."), f"{place}attn.qkv.")
        heads = mixed.view(batch, count, 3, width // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*heads).transpose(1, 2).reshape(x.shape)
        x = x + self._scaled(self._linear(attended, f"{place}attn.proj."), f"{place}ls1.gamma")
        hidden = self._normed(x, f"{place}norm2.")
        if f"{place}mlp.w12.weight" in self.tensors:
            gate, value = self._linear(hidden, f"{place}mlp.w12.").chunk(2, -1)
            hidden = self._linear(functional.silu(gate) * value, f"{place}mlp.w3.")
        else:
            hidden = self._linear(
                functional.gelu(self._linear(hidden, f"{place}mlp.fc1.")), f"{place}mlp.fc2."
            )
        return x + self._scaled(hidden, f"{place}ls2.gamma")

    def _scaled(self, x: Any, name: str) -> Any:
        gamma = self.tensors.get(name)
        return x if gamma is None else x * gamma


def _named_as_by_the_authors(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Weights by the authors' names, in float32; queries, keys and values as one."""
    import torch

    named: dict[str, Any] = {}
    for name, tensor in tensors.items():
        for pattern, other in RENAMED:
            name = re.sub(pattern, other, name)
        named[name] = tensor.float()
    for name in [name for name in named if ".attn.query." in name]:
        parts = [named.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        named[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    return named
