"""Between values of the network and units of the training data. Free of torch."""

from __future__ import annotations

import numpy as np

from napari_diffuscope.weights.card import ModelCard
from napari_diffuscope.weights.card_parts import ValueScale


def to_units(values: np.ndarray, card: ModelCard) -> np.ndarray:
    """Values of the network in units of the training data, float32; the values themselves where no units are known."""
    scale = card.values
    if scale is None:
        return np.asarray(values, dtype=np.float32)
    low, high = card.data_range
    share = (values.astype(np.float64) - low) / (high - low)
    return np.asarray(scale.low + (scale.high - scale.low) * _powered(share, scale), dtype=np.float32)


def from_units(pixels: np.ndarray, card: ModelCard) -> np.ndarray:
    """The other way round, inside the range of the network."""
    low, high = card.data_range
    if card.values is None:
        return np.asarray(np.clip(pixels, low, high), dtype=np.float32)
    scale = card.values
    share = np.clip((pixels.astype(np.float64) - scale.low) / (scale.high - scale.low), 0, 1)
    return np.asarray(low + (high - low) * share ** (1 / scale.power), dtype=np.float32)


def cut_off(values: np.ndarray, card: ModelCard) -> np.ndarray:
    """Values of the network without those that stand for no other unit than the lowest."""
    if card.values is None or card.values.power == 1:
        return values
    return np.asarray(np.maximum(values, np.float32(card.data_range[0])))


def _powered(share: np.ndarray, scale: ValueScale) -> np.ndarray:
    if scale.power == 1:
        return share
    return np.asarray(np.maximum(share, 0) ** scale.power)
