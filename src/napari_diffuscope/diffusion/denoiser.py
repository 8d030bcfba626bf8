"""From what a network predicts to the estimate of the clean image, and back."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from napari_diffuscope.diffusion.schedule import NoiseLevel

Prediction = Literal["epsilon", "v", "x0"]


def clean_estimate(kind: Prediction, x: Tensor, output: Tensor, level: NoiseLevel) -> Tensor:
    """x₀ from what a network predicts.

    ``epsilon``: (x_t - σ ε) / α (Ho et al. 2020, eq. 15). ``v``: α x_t - σ v, with v = α ε - σ x₀
    (Salimans & Ho 2022, appendix D; for a variance-preserving process). ``x0``: the output itself.

    Raises
    ------
    ValueError
        For ``epsilon`` at pure noise, where x₀ is undetermined.
    """
    match kind:
        case "epsilon":
            if level.alpha <= 0:
                raise ValueError(
                    "an ε network says nothing about the image at pure noise; start at a lower level"
                )
            # In this order float32 rounds as in the published codes, which matters where 1 / α is large.
            return (1 / level.alpha) * x - (level.sigma / level.alpha) * output
        case "v":
            return level.alpha * x - level.sigma * output
        case "x0":
            return output


def noise_estimate(x: Tensor, clean: Tensor, level: NoiseLevel) -> Tensor:
    """ε that belongs to a state and an estimate of x₀: (x_t - α x₀) / σ."""
    return (x - level.alpha * clean) / level.sigma


def v_target(clean: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What a v network is trained to predict: α ε - σ x₀."""
    return alpha * noise - sigma * clean
