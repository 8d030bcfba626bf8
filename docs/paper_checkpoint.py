"""A small checkpoint as the code of a paper would save it, for the picture of the dialog that imports one.

``python docs/paper_checkpoint.py FILE``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import tifffile
import torch
from torch.nn import functional

from napari_diffuscope.diffusion.schedule import cosine_alpha_bar
from napari_diffuscope.networks.openai_unet import OpenAIUNet, OpenAIUNetConfig

IMAGES = Path(__file__).resolve().parents[1] / "src" / "napari_diffuscope" / "sample_data"
LEVELS, EDGE, BATCH, STEPS = 500, 32, 4, 300
CONFIG = OpenAIUNetConfig(
    in_channels=1,
    out_channels=1,
    model_channels=32,
    channel_multipliers=(1, 2),
    res_blocks=1,
    attention_downsampling=(2,),
    heads=4,
)


def main(path: Path) -> int:
    """Train a network to predict the noise in pictures of cells, and save what a trainer saves."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    picture = _picture()
    network, alpha_bar = OpenAIUNet(CONFIG), torch.tensor(cosine_alpha_bar(LEVELS), dtype=torch.float32)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(STEPS):
        corners = rng.integers(0, np.array(picture.shape) - EDGE, (BATCH, 2))
        clean = torch.from_numpy(np.stack([picture[y : y + EDGE, x : x + EDGE] for y, x in corners]))[:, None]
        index, noise = torch.randint(0, LEVELS, (BATCH,)), torch.randn(clean.shape)
        share = alpha_bar[index].view(-1, 1, 1, 1)
        loss = functional.mse_loss(network(share.sqrt() * clean + (1 - share).sqrt() * noise, index), noise)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    settings = argparse.Namespace(num_heads=4, noise_schedule="cosine", diffusion_steps=LEVELS)
    torch.save(
        {"model": network.state_dict(), "opt": optimiser.state_dict(), "args": settings, "step": STEPS}, path
    )
    return 0


def _picture() -> np.ndarray:
    image = tifffile.imread(next(IMAGES.rglob("*clean*.tif"))).astype(np.float32)
    plane = image.reshape(-1, *image.shape[-2:])[0]
    low, high = np.percentile(plane, (0.5, 99.5))
    return np.asarray(np.clip((plane - low) / (high - low), 0, 1) * 2 - 1, np.float32)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
