"""What is said of the images of a run: are they new, are they like real ones; in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from napari_diffuscope.measure.copies import COPYING
from napari_diffuscope.measure.realism import FEWEST
from napari_diffuscope.methods.generate.judging import Judge
from napari_diffuscope.methods.work import Work

Card = dict[str, Any]

NAMED = 5
"""Numbers of images that a sentence names."""

CORRECTED = (
    "Their fine details were made as strong as in the training images (--as-drawn leaves them as they are)."
)

APART = 1.25
"""How many times more or less of something is worth a word."""

AIM_DB = 3.0
"""Difference of the power in dB that is worth no word."""


def card_of(judge: Judge, work: Work) -> Card:
    """The card of a run, JSON-able: what was made, copies, realism, and ``words`` that sum it up.

    Parameters
    ----------
    judge
        What it says of the images.
    work
        The run.
    """
    settings, record = work.settings, work.record
    card: Card = {
        "images": settings.number,
        "size": list(next(iter(work.outputs.values())).shape[-2:]),
        "class": settings.class_,
        "seed": settings.seed,
        "steps": record.get("steps"),
        "model": (record.get("model") or {}).get("name"),
        "spectrum": record.get("spectrum"),
        "compared_with": _compared_with(judge),
        "copies": _copies(judge),
        "realism": {name: _rounded(asdict(one)) for name, one in judge.realism().items()},
    }
    words = [*_copies_in_words(card), *_realism_in_words(card, judge)]
    return {**card, "words": [*words, *([CORRECTED] if card["spectrum"] == "corrected" else [])]}


def warning_of(card: Card) -> str:
    """What the user must be told of copies, empty where nothing."""
    copies = card["copies"]
    if copies is None:
        return ""
    said = ""
    if flagged := copies["flagged"]:
        names = ", ".join(map(str, flagged[:NAMED])) + ", …" * (len(flagged) > NAMED)
        one = len(flagged) == 1
        said = (
            f"{len(flagged)} of {copies['compared']} images (number {names}) {'is' if one else 'are'} more like a "
            "training image than 99 % of the real images are that were kept out: compare them, "
            f"{'it may be a copy' if one else 'they may be copies'}."
        )
    if _nearer(copies):
        whose = "they are" if said else f"the {copies['compared']} images are"
        said += (
            f" As a whole {whose} nearer to the training than real images are that were kept out: no copies by that "
            "alone, but less that is new than in new fields."
        )
    return said.strip()


def _nearer(copies: Mapping[str, Any]) -> bool:
    return copies["statistic"] is not None and bool(copies["statistic"] < COPYING)


def _compared_with(judge: Judge) -> str:
    """Name of the class whose real images count."""
    classes = judge.memory.known.classes if judge.memory else judge.real.classes if judge.real else ()
    return "all classes" if judge.label is None or not classes else classes[judge.label]


def _copies(judge: Judge) -> Card | None:
    entries = judge.entries()
    if not entries:
        return None
    order = sorted(entries, key=lambda one: -one["score"])
    flagged = [one["number"] for one in entries if one["flagged"]]
    assert judge.memory is not None
    limit = judge.memory.limit(judge.label)
    return {
        "compared": len(entries),
        "flagged": flagged,
        "share": round(len(flagged) / len(entries), 4),
        "limit": round(limit, 4) if math.isfinite(limit) else None,
        "statistic": judge.statistic(),
        "closest": order[:NAMED],
    }


def _rounded(values: Mapping[str, Any]) -> Card:
    """Numbers of five digits; ``None`` for what is none."""
    return {
        name: value if isinstance(value, int) else float(f"{value:.5g}") if math.isfinite(value) else None
        for name, value in values.items()
    }


def _copies_in_words(card: Card) -> list[str]:
    copies = card["copies"]
    if copies is None:
        return ["Whether they are copies is not known: the model carries no training images to compare with."]
    warned = warning_of(card)
    if copies["flagged"]:
        return [warned]
    words = (
        f"None of {copies['compared']} images is more like a training image than 99 % of the real images are "
        f"that were kept out ({card['compared_with']})."
    )
    if copies["limit"] is None:
        closest = copies["closest"][0]
        words = f"The image most like the training (number {closest['number']}) correlates by {closest['score']:.2f}."
    return [words, *([warned] if warned else [])]


def _realism_in_words(card: Card, judge: Judge) -> list[str]:
    if judge.real is None:
        return [
            "How real they look is not measured: the model does not say what real images are like, or they are smaller "
            "than its own."
        ]
    if not card["realism"]:
        why = (
            f"{FEWEST} of its own size are the fewest"
            if judge.windows < FEWEST
            else "too little was kept out"
        )
        return [f"How real they look is not measured: {why}."]
    made, kept = card["realism"]["generated"], card["realism"]["real, kept out"]
    floor = card["realism"].get("real, of the training")
    words = [_distance_in_words(made, floor), *_structures_in_words(made, kept)]
    decibels = made["spectrum_db"]
    if decibels > AIM_DB:
        words.append(f"Their sharpness differs: by up to {decibels:.1f} dB of power at some size of detail.")
    return words


def _distance_in_words(made: Mapping[str, Any], floor: Mapping[str, Any] | None) -> str:
    words = f"Distance from real images (kernel): {_interval(made)}"
    if floor is None:
        return words + "."
    near = made["kernel_low"] <= max(floor["kernel_high"], 0)
    said = "The two overlap" if near else "They can be told from real ones by it"
    return f"{words}; other real images: {_interval(floor)}. {said}."


def _interval(one: Mapping[str, Any]) -> str:
    return f"{one['kernel']:.2f} [{one['kernel_low']:.2f}, {one['kernel_high']:.2f}]"


def _structures_in_words(made: Mapping[str, Any], kept: Mapping[str, Any]) -> Sequence[str]:
    """What is more or less than in real images, by a quarter or more."""
    said = []
    for name, what in (("filled", "filled"), ("width", "as wide structures"), ("spots", "as many spots")):
        if not made[name] or not kept[name]:
            continue
        ratio = made[name] / kept[name]
        if max(ratio, 1 / ratio) > APART:
            said.append(f"{ratio:.2f} times {'as densely ' * (name == 'filled')}{what}")
    if not said:
        return ["They are filled as densely as real ones, with structures as wide and as many spots."]
    return [f"Beside real ones: {', '.join(said)}."]
