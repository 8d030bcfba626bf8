"""How far a generator's details are from its training images: ``python recipes/spectrum_gains.py MODEL FIELDS``.

FIELDS is what it was trained on. Images are generated as drawn, their mean power is compared with that of the training
fields (never of those that were kept out), and the gains go into the card of the model folder.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_diffuscope import generate
from napari_diffuscope.training.generate.fields import read_fields
from napari_diffuscope.training.generate.known import patches_of
from napari_diffuscope.training.generate.spectrum import fitted_gains
from napari_diffuscope.weights.card import CARD_FILE, read_card

DRAWN, SEED = 24, 1
REAL = 120
"""Patches of the training fields of each class."""

Draw = Callable[[str | None], np.ndarray]


def gains_of(model: Path, folder: Path, draw: Draw) -> list[list[float]]:
    """Gains of each class; ``draw`` gives images of a class as the network draws them."""
    card = read_card(model)
    edge = card.size[0] if card.size else 128
    fields = read_fields(folder, share=0.2, seed=0, smallest=edge)
    power = card.values.power if card.values else 1.0
    rows = []
    for label, structure in enumerate(card.classes or (None,)):
        real = patches_of(fields.training, label, edge, highest=fields.highest, most=REAL)
        rows.append(list(fitted_gains(draw(structure), real.astype(np.float32), power=power)))
    return rows


def main(model: Path, folder: Path) -> None:
    """Measure, and write the card."""

    def draw(structure: str | None) -> np.ndarray:
        made = generate(model=str(model), class_=structure, number=DRAWN, seed=SEED, as_drawn=True, batch=4)
        return np.asarray(made.generated)

    rows = gains_of(model, folder, draw)
    file = model / CARD_FILE
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(
        json.dumps({**values, "spectrum_gains": rows}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
