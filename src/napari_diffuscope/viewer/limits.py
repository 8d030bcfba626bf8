"""Where an image lies outside of what a model was made for, in a microscopist's words. Free of Qt."""

from __future__ import annotations

from collections.abc import Mapping

from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.units import to_micrometres
from napari_diffuscope.methods.restore.grid import SLACK
from napari_diffuscope.weights.card import ModelCard


def limit_of(card: ModelCard | None) -> str:
    """The limit of a model in one line: the first sentence of what its card says."""
    if card is None:
        return "Its limits stand in its paper."
    sentence = card.limits.split(". ")[0].strip().rstrip(".")
    return f"{sentence}." if sentence else "Its card states no limits."


def pixel_size_remark(card: ModelCard | None, image: Image | None) -> str:
    """What is amiss with the pixel size of an image for a model; empty if nothing.

    Parameters
    ----------
    card
        Of the model.
    image
        The image, ``None`` where there is none yet.
    """
    if card is None or card.pixel_size is None or image is None:
        return ""
    size = to_micrometres(image.scale[-1], image.units[-1])
    made = f"the model was made for {card.pixel_size[0]:g} – {card.pixel_size[1]:g} µm"
    if size is None:
        return f"the pixel size of the image is unknown; {made}"
    low, high = card.pixel_size
    within = low * SLACK[0] <= size <= high * SLACK[1]
    return "" if within else f"pixels of {size:.3g} µm; {made}"


def cells_remark(card: ModelCard | None, distances: Mapping[int, float | None]) -> str:
    """Which cells are unlike those of the training; empty if none.

    Parameters
    ----------
    card
        Of the model.
    distances
        By label, ``None`` where nobody knows.
    """
    known = card.cell_features if card else None
    if known is None:
        return ""
    far = {label: value for label, value in distances.items() if value is not None and value > known.limit}
    if not far:
        return ""
    worst = max(far, key=lambda label: far[label])
    which = f"cell {worst}" if len(far) == 1 else f"{len(far)} of {len(distances)} cells, cell {worst} most,"
    verb = "is" if len(far) == 1 else "are"
    return (
        f"{which} {verb} unlike those of its training: distance {far[worst]:.1f}, while 95 % of those lie below "
        f"{known.limit:g}"
    )
