"""The published networks as their equations read, one plain operation after the other.

The yardstick of ``published_networks.py``, and an independent statement for the tests: separate channels,
the whole attention matrix, norms and activations as operations of their own, nothing prepared beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_diffuscope.networks.edm2_unet import EDM2UNetConfig
from napari_diffuscope.networks.openai_unet import OpenAIUNetConfig

State = Mapping[str, Tensor]


class PlainOpenAIUNet:
    """An OpenAI UNet read off its tensor names.

    Parameters
    ----------
    config
        The architecture.
    state
        Its tensors.
    """

    def __init__(self, config: OpenAIUNetConfig, state: State) -> None:
        self.config = config
        self.state = state

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        embedding = self._embed(t.expand(len(x)), labels)
        h, skips = x, []
        for index in range(self._count("input_blocks")):
            h = self._stage(f"input_blocks.{index}", h, embedding)
            skips.append(h)
        h = self._resblock("middle_block.0", h, embedding)
        if "middle_block.1.norm.weight" in self.state:
            h = self._attention("middle_block.1", h, decoder=False)
        h = self._resblock("middle_block.2", h, embedding)
        for index in range(self._count("output_blocks")):
            h = self._stage(f"output_blocks.{index}", torch.cat([h, skips.pop()], dim=1), embedding)
        return self._conv("out.2", F.silu(self._norm("out.0", h)))

    def _count(self, name: str) -> int:
        return 1 + max(int(key.split(".")[1]) for key in self.state if key.startswith(name))

    def _embed(self, t: Tensor, labels: Tensor | None) -> Tensor:
        half = self.config.model_channels // 2
        step = math.log(10_000) / (half - self.config.frequency_shift)
        angles = t[:, None].float() * torch.exp(-step * torch.arange(half))[None]
        h = torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)
        h = F.linear(h, self.state["time_embed.0.weight"], self.state["time_embed.0.bias"])
        h = F.linear(F.silu(h), self.state["time_embed.2.weight"], self.state["time_embed.2.bias"])
        return h if labels is None else h + self.state["label_emb.weight"][labels]

    def _stage(self, name: str, h: Tensor, embedding: Tensor) -> Tensor:
        if f"{name}.0.weight" in self.state:
            return self._conv(f"{name}.0", h)
        if f"{name}.0.op.weight" in self.state:
            return self._conv(f"{name}.0.op", h, stride=self.config.factors)
        down = name.startswith("input") and self._level_ends(name)
        if down and not self.config.resblock_updown:
            return self._mean(h)
        h = self._resblock(f"{name}.0", h, embedding, resample="down" if down else "")
        follow = 1
        if f"{name}.1.norm.weight" in self.state:
            h = self._attention(f"{name}.1", h, decoder=name.startswith("output"))
            follow = 2
        if not (name.startswith("output") and self._level_ends(name)):
            return h
        if f"{name}.{follow}.in_layers.0.weight" in self.state:
            return self._resblock(f"{name}.{follow}", h, embedding, resample="up")
        h = self._repeat(h)
        return self._conv(f"{name}.{follow}.conv", h) if f"{name}.{follow}.conv.weight" in self.state else h

    def _level_ends(self, name: str) -> bool:
        """Whether the resolution changes in this stage: after so many blocks, on all levels but the last."""
        side, index = name.split(".")
        per_level = self.config.res_blocks + 1
        last = per_level * len(self.config.channel_multipliers) - 1
        if side == "input_blocks":
            return int(index) > 0 and int(index) % per_level == 0
        return int(index) != last and int(index) % per_level == per_level - 1

    def _resblock(self, name: str, x: Tensor, embedding: Tensor, resample: str = "") -> Tensor:
        h = F.silu(self._norm(f"{name}.in_layers.0", x))
        if resample:
            change = self._mean if resample == "down" else self._repeat
            h, x = change(h), change(x)
        h = self._conv(f"{name}.in_layers.2", h)
        weight, bias = (self.state[f"{name}.emb_layers.1.{part}"] for part in ("weight", "bias"))
        modulation = F.linear(F.silu(embedding), weight, bias)
        modulation = modulation.view(*modulation.shape, *(1,) * self.config.dims)
        if self.config.scale_shift_norm:
            scale, shift = modulation.chunk(2, dim=1)
            h = self._norm(f"{name}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = self._norm(f"{name}.out_layers.0", h + modulation)
        h = self._conv(f"{name}.out_layers.3", F.silu(h))
        if f"{name}.skip_connection.weight" in self.state:
            x = self._conv(f"{name}.skip_connection", x)
        return x + h

    def _attention(self, name: str, x: Tensor, *, decoder: bool) -> Tensor:
        batch, channels = x.shape[:2]
        heads = self.config.heads_at(channels, decoder=decoder)
        flat = x.reshape(batch, channels, -1)
        qkv = F.conv1d(
            self._norm(f"{name}.norm", flat), self.state[f"{name}.qkv.weight"], self.state[f"{name}.qkv.bias"]
        )
        if self.config.qkv_order == "heads-first":
            q, k, v = qkv.reshape(batch * heads, -1, flat.shape[2]).chunk(3, dim=1)
        else:
            q, k, v = (part.reshape(batch * heads, -1, flat.shape[2]) for part in qkv.chunk(3, dim=1))
        scale = (channels // heads) ** -0.25
        matrix = torch.softmax(torch.einsum("bct,bcs->bts", q * scale, k * scale), dim=-1)
        h = torch.einsum("bts,bcs->bct", matrix, v).reshape(flat.shape)
        h = F.conv1d(h, self.state[f"{name}.proj_out.weight"], self.state[f"{name}.proj_out.bias"])
        return (flat + h).reshape(x.shape)

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.group_norm(x.float(), self.config.norm_groups, weight, bias, self.config.norm_eps)

    def _conv(self, name: str, x: Tensor, stride: tuple[int, ...] | int = 1) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        padding = weight.shape[-1] // 2
        if stride != 1 and self.config.end_padding:
            x, padding = F.pad(x, (0, 1) * self.config.dims), 0
        function = F.conv2d if x.ndim == 4 else F.conv3d
        return function(x, weight, bias, stride=stride, padding=padding)

    def _mean(self, x: Tensor) -> Tensor:
        pool = F.avg_pool2d if x.ndim == 4 else F.avg_pool3d
        return pool(x, self.config.factors)

    def _repeat(self, x: Tensor) -> Tensor:
        size = tuple(s * f for s, f in zip(x.shape[2:], self.config.factors, strict=True))
        return F.interpolate(x, size, mode="nearest")


class PlainEDM2UNet:
    """An EDM2 UNet read off its tensor names, weights normalised at every use.

    Parameters
    ----------
    config
        The architecture.
    state
        Its tensors.
    """

    def __init__(self, config: EDM2UNetConfig, state: State) -> None:
        self.config = config
        self.state = state

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        angles = t.reshape(-1, 1) * self.state["emb_fourier.freqs"] + self.state["emb_fourier.phases"]
        embedding = self._silu(self._conv("emb_noise", torch.cos(angles) * math.sqrt(2)))
        h, skips = torch.cat([x, torch.ones_like(x[:, :1])], dim=1), []
        for name in self._names("enc"):
            h = self._conv(name, h) if name.endswith("_conv") else self._block(name, h, embedding)
            skips.append(h)
        for name in self._names("dec"):
            if "_block" in name:
                skip = skips.pop()
                common = math.sqrt((h.shape[1] + skip.shape[1]) / 0.5) * 0.5
                parts = [part * (common / math.sqrt(part.shape[1])) for part in (h, skip)]
                h = torch.cat(parts, dim=1)
            h = self._block(name, h, embedding)
        return self._conv("out_conv", h) * self.state["out_gain"]

    def _names(self, side: str) -> list[str]:
        """Return the layers in the order of evaluation: by resolution, then as they follow each other."""
        names = {".".join(key.split(".")[:2]) for key in self.state if key.startswith(f"{side}.")}
        order = ("conv", "down", "up", "in0", "in1", "block")

        def place(name: str) -> tuple[int, int, str]:
            size, kind = name.split(".")[1].split("x")[1].split("_")
            rank = next(i for i, start in enumerate(order) if kind.startswith(start))
            return (-int(size) if side == "enc" else int(size), rank, kind)

        return sorted(names, key=place)

    def _block(self, name: str, x: Tensor, embedding: Tensor) -> Tensor:
        if name.endswith("_down"):
            x = F.avg_pool2d(x, 2)
        if name.endswith("_up"):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        skip = f"{name}.conv_skip.weight" in self.state
        if name.startswith("enc"):
            x = self._conv(f"{name}.conv_skip", x) if skip else x
            x = x / (1e-4 + x.square().mean(1, keepdim=True).sqrt())
        h = self._conv(f"{name}.conv_res0", self._silu(x))
        c = self._conv(f"{name}.emb_linear", embedding) * self.state[f"{name}.emb_gain"] + 1
        h = self._conv(f"{name}.conv_res1", self._silu(h * c[:, :, None, None]))
        if name.startswith("dec") and skip:
            x = self._conv(f"{name}.conv_skip", x)
        x = self._sum(x, h)
        if f"{name}.attn_qkv.weight" in self.state:
            x = self._sum(x, self._attention(name, x))
        return x.clamp(-256, 256)

    def _attention(self, name: str, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        channels = self.config.head_channels
        qkv = self._conv(f"{name}.attn_qkv", x).reshape(batch, -1, channels, 3, height * width)
        q, k, v = (qkv / (1e-4 + qkv.square().mean(2, keepdim=True).sqrt())).unbind(3)
        matrix = torch.softmax(torch.einsum("nhcq,nhck->nhqk", q, k / math.sqrt(channels)), dim=3)
        h = torch.einsum("nhqk,nhck->nhcq", matrix, v)
        return self._conv(f"{name}.attn_proj", h.reshape(x.shape))

    def _conv(self, name: str, x: Tensor) -> Tensor:
        weight = self.state[f"{name}.weight"]
        over = tuple(range(1, weight.ndim))
        weight = weight / (1e-4 + weight.square().mean(over, keepdim=True).sqrt())
        weight = weight / math.sqrt(weight[0].numel())
        return x @ weight.t() if x.ndim == 2 else F.conv2d(x, weight, padding=weight.shape[-1] // 2)

    @staticmethod
    def _silu(x: Tensor) -> Tensor:
        return F.silu(x) / 0.596

    @staticmethod
    def _sum(a: Tensor, b: Tensor) -> Tensor:
        return (0.7 * a + 0.3 * b) / math.sqrt(0.7**2 + 0.3**2)
