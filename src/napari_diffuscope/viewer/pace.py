"""How long evaluations take on this computer: remembered from run to run. Free of Qt."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

from napari_diffuscope.methods.effort import Effort
from napari_diffuscope.progress import in_words

_seconds: dict[str, float] = {}
_read: list[Path] = []


def paces_file() -> Path:
    """Where the times are kept between sessions."""
    from platformdirs import user_cache_path

    return user_cache_path("napari-diffuscope") / "paces.json"


def key_of(method: str, model: str, device: str) -> str:
    """What a time holds for."""
    return f"{method} | {model} | {device}"


def note_pace(key: str, seconds_per_unit: float) -> None:
    """Remember what a unit of work took; a file that cannot be written is no loss."""
    if not (math.isfinite(seconds_per_unit) and seconds_per_unit > 0):
        return
    known = _known()
    known[key] = seconds_per_unit
    with contextlib.suppress(OSError):
        path = paces_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known), encoding="utf-8")


def pace_of(key: str) -> float | None:
    """Seconds per unit of work, ``None`` where nothing was measured yet."""
    return _known().get(key)


def forecast_in_words(
    effort: Effort, seconds_per_unit: float | None, *, layers: int = 1, each: bool = False
) -> str:
    """``9 planes × 8 samples × 10 steps = 720 evaluations: about 4 min, from the last run``.

    Parameters
    ----------
    effort
        Of one layer.
    seconds_per_unit
        From `pace_of`.
    layers
        Layers alike that are worked one after the other.
    each
        Whether the work is that of one piece, and nobody knows how many there are.
    """
    whole = effort.times(layers)
    noun = effort.noun if effort.pieces == 1 else f"{effort.noun}s"
    factors = [f"{layers} layers"] * (layers > 1) + [f"{effort.pieces:,} {noun}"]
    if each:
        factors = [f"each {effort.noun}"]
    factors += [f"{effort.samples:,} samples"] * (effort.samples > 1)
    factors += [f"{effort.views} mirror images"] * (effort.views > 1)
    factors += [f"{effort.steps:,} steps"] * (effort.steps > 1)
    text = " × ".join(factors)
    text = text[0].upper() + text[1:]
    if len(factors) > 1:
        text += f" = {whole.evaluations:,} evaluations"
    elif whole.evaluations == whole.pieces:
        text += ", one evaluation each" if whole.pieces > 1 else ", one evaluation"
    if whole.learning:
        text += ", after learning from the image"
    if seconds_per_unit is None:
        return f"{text}. How long one takes here is not known yet."
    return f"{text}: about {in_words((whole.size + whole.learning) * seconds_per_unit)}."


def _known() -> dict[str, float]:
    """What was measured, in this session and before."""
    path = paces_file()
    if _read != [path]:
        _read[:] = [path]
        _seconds.clear()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stored = json.loads(path.read_text(encoding="utf-8"))
            _seconds.update({str(key): float(value) for key, value in stored.items() if float(value) > 0})
    return _seconds
