"""What results are called: the kind of answer, what was chosen for it, the seed where chance decides. Free of torch."""

from __future__ import annotations

from typing import Any

from napari_diffuscope.methods.declared import given_settings


def answer_in_words(settings: Any, *, spread: bool = False) -> str:
    """What tells the results of different modes and seeds apart.

    Parameters
    ----------
    settings
        Of any method: ``mode``, ``samples``, ``seed``, and ``strength`` where there is one.
    spread
        Whether it is said of a spread, which is told by its samples.

    Examples
    --------
    >>> from napari_diffuscope.methods.restore.settings import RestoreSettings
    >>> answer_in_words(RestoreSettings())
    'estimate'
    >>> answer_in_words(RestoreSettings(mode="mean", samples=4, seed=7))
    'mean of 4, seed 7'
    >>> answer_in_words(RestoreSettings(adapt=True, neighbours="z"))
    'estimate, adapt, neighbours z'
    """
    return ", ".join([_mode_in_words(settings, spread), *_choices_in_words(settings)])


def _choices_in_words(settings: Any) -> list[str]:
    """``["adapt", "neighbours z"]``: choices that tell results apart, as they are written on the command line."""
    return [
        setting.option if value is True else f"{setting.option} {setting.written(value)}"
        for setting, value in given_settings(settings)
        if setting.named and setting.counts_in(settings.mode)
    ]


def _mode_in_words(settings: Any, spread: bool) -> str:
    if settings.mode == "estimate":
        return "estimate"
    words = {
        "sample": "sample",
        "mean": f"mean of {settings.samples}",
        "ensemble": f"mean of {settings.samples}",
        "samples": f"{settings.samples} samples",
        "sharpened": f"sharpened {getattr(settings, 'strength', 0):.2f}",
        "as-published": "as published",
    }.get(settings.mode, settings.mode)
    if spread:
        words = f"{settings.samples} samples"
    return f"{words}, seed {settings.seed}"


def answer_label(what: str, settings: Any, *, spread: bool = False) -> str:
    """``restored (sample, seed 3)``: what is added to the name of the input layer."""
    return f"{what} ({answer_in_words(settings, spread=spread)})"
