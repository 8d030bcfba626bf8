"""The record that a result carries: everything needed to make it again. Free of torch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_diffuscope import __version__
from napari_diffuscope.errors import printable
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.methods.declared import idle_choices

if TYPE_CHECKING:
    from napari_diffuscope.imaging.intensity import ChannelIntensity
    from napari_diffuscope.methods.method import Inputs, Method
    from napari_diffuscope.weights.card import ModelCard
    from napari_diffuscope.weights.model import Model

RECORD_KEY = "napari-diffuscope"
"""Key of the record in a layer's metadata."""


def begun_record(method: Method, inputs: Inputs, settings: Any) -> dict[str, Any]:
    """What the records of all methods say, also of runs that do not end: versions, settings, inputs.

    The image is ``input``, other inputs go by their own names; ``axes`` are those that were named by hand.
    """
    record: dict[str, Any] = {
        "method": method.name,
        "plugin": __version__,
        "settings": settings.to_dict(),
        "seconds": 0.0,
        "messages": idle_choices(settings),
    }
    main = method.image
    for name, image in inputs.items():
        record["input" if main is not None and name == main.name else name] = describe_image(image)
        if image.typed_axes:
            record.setdefault("axes", image.typed_axes)
        record["messages"] += [note for note in getattr(image, "notes", ()) if note not in record["messages"]]
    return record


def made_with(record: Mapping[str, Any], method: str, settings: Any) -> bool:
    """Whether a record is of a method with settings that decide the same numbers.

    Raises
    ------
    DiffuscopeError
        If it has settings that are not known.
    """
    kept = record.get("settings")
    if record.get("method") != method or not isinstance(kept, dict):
        return False
    return bool(type(settings).from_dict(kept).deciding() == settings.deciding())


def describe_image(image: Image) -> dict[str, Any]:
    """What a record says of an input."""
    return {
        "name": printable(image.name),
        "source": image.source and printable(image.source),
        "series": image.series,
        **({"scene": image.scene} if image.scene else {}),
        "shape": list(image.shape),
        "axes": image.axes,
        "dtype": str(image.dtype),
        "scale": list(image.scale),
        "units": list(image.units),
        **({"file": image.stamp.to_dict()} if image.stamp is not None else {}),
    }


def note_model(record: dict[str, Any], model: Model, device: str) -> None:
    """Add which model worked, where and with what."""
    torch = sys.modules["torch"]
    record |= {
        "torch": str(torch.__version__),
        "model": {"name": model.card.name, "title": model.card.title, "sha256": model.sha256},
        "device": device,
        "threads": torch.get_num_threads(),
    }


def note_card(record: dict[str, Any], name: str, card: ModelCard | None) -> None:
    """Add which model was to work, where it was not loaded."""
    record["model"] = {
        "name": card.name if card else name,
        "title": card.title if card else "",
        "sha256": card.sha256 if card else "",
    }


def note_intensities(record: dict[str, Any], intensities: tuple[ChannelIntensity, ...]) -> None:
    """Add how grey values became values of the network."""
    record["intensity"] = [
        {"channel": c.channel, "offset": c.map.offset, "scale": c.map.scale, "planes": list(c.planes)}
        for c in intensities
    ]
