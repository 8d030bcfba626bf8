"""What the numbers on a model card may be. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from napari_diffuscope.errors import DiffuscopeError, quoted

MOST_LEVELS = 100_000
MOST_CHANNELS = 1 << 16
MOST_PIXELS = 1 << 20
_LEAST_ALPHA_BAR = 1e-300
_LEAST_BETA = 1e-12  # below, 1 - β is 1 and ᾱ does not fall

AT_LEAST_ONE = ("dims", "channels", "widths", "stem", "pool", "kernel", "embedding", "in_channels", "out_channels",
                "model_channels", "channel_multipliers", "heads", "head_channels", "norm_groups")  # fmt: skip
"""Arguments of networks that cannot be zero."""


def refuse(name: str, value: Any, wanted: str) -> DiffuscopeError:
    """The error about an entry: its name, what it is and what it should be."""
    return DiffuscopeError(
        f"The entry {name} of the model card must be {wanted}, not {quoted(value)}; correct it."
    )


def check_whole(name: str, value: int | None, least: int, most: int) -> None:
    """Refuse a whole number outside of its limits; ``None`` passes."""
    if value is not None and not (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    ):
        raise refuse(name, value, f"a whole number from {least} to {most}")


def check_number(name: str, value: float | None, least: float, most: float, *, above: bool = False) -> None:
    """Refuse a number outside of its limits (``above``: the least itself too) or not finite; ``None`` passes."""
    if value is None:
        return
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (fits and least <= value <= most and not (above and value == least)):
        raise refuse(name, value, f"a number {'above' if above else 'from'} {least:g}, up to {most:g}")


def check_range(
    name: str, value: Sequence[float] | None, *, least: float = -math.inf, may_be_equal: bool = False
) -> None:
    """Refuse what is no pair of finite numbers, the smaller first; ``None`` passes."""
    if value is None:
        return
    fits = len(value) == 2 and all(math.isfinite(number) and number >= least for number in value)
    if not (fits and (value[0] < value[1] or (may_be_equal and value[0] == value[1]))):
        limit = "" if least == -math.inf else f" of at least {least:g}"
        raise refuse(name, value, f"two finite numbers{limit}, the smaller first")


def check_falling(kind: str, count: int, betas: tuple[float, float] | None) -> None:
    """Refuse a table of noise levels that reaches zero: ᾱ has to fall from level to level and stay above none."""
    if not 2 <= count <= MOST_LEVELS:
        raise DiffuscopeError(
            f"A {kind} noise schedule of {quoted(count)} levels is impossible: "
            f"schedule.count must be a whole number from 2 to {MOST_LEVELS}."
        )
    if kind not in ("linear", "scaled-linear"):
        return
    first, last = betas or (0.1 / count, 20 / count)
    if not _LEAST_BETA <= first <= last < 1:
        raise DiffuscopeError(
            f"A {kind} noise schedule of {count} levels with β from {first:g} to {last:g} is impossible: "
            "schedule.betas must lie between 0 and 1, the smaller first."
        )
    square = kind == "scaled-linear"
    low, high = (math.sqrt(first), math.sqrt(last)) if square else (first, last)
    steps = (low + (high - low) * level / (count - 1) for level in range(count))
    if sum(math.log1p(-(step**2 if square else step)) for step in steps) < math.log(_LEAST_ALPHA_BAR):
        raise DiffuscopeError(
            f"A {kind} noise schedule of {count} levels with β from {first:g} to {last:g} is impossible: "
            "it stops falling since nothing is left; correct schedule.count or schedule.betas."
        )


MOST_GAIN = 8.0
"""In dB: what is further off than that is no matter of sharpness."""


def check_gains(gains: Sequence[Sequence[float]], classes: int) -> None:
    """Refuse gains that are no rows of equal length, one for each class, that begin with 0 and are bounded."""
    fits = len({len(row) for row in gains}) <= 1 and len(gains) in (0, max(classes, 1))
    bounded = all(
        2 <= len(row) <= 256 and row[0] == 0 and all(-MOST_GAIN <= gain <= MOST_GAIN for gain in row)
        for row in gains
    )
    if not (fits and bounded):
        raise refuse(
            "spectrum_gains",
            gains,
            f"a row for each class, equally long, of numbers from -{MOST_GAIN:g} to {MOST_GAIN:g} that begin with 0",
        )


def check_table(alpha_bar: Sequence[float], count: int) -> None:
    """Refuse a table of ᾱ that does not fall from level to level between 1 and 0, or is not as long as it says."""
    falls = all(1 > more > less > 0 for more, less in pairwise((*alpha_bar, 0.5 * min(alpha_bar, default=0))))
    if len(alpha_bar) != count or not falls:
        raise refuse(
            "schedule.alpha_bar",
            alpha_bar,
            f"{count} numbers that fall from level to level, below 1 and above 0",
        )


def check_network_numbers(arguments: dict[str, Any]) -> None:
    """Refuse numbers that no network has, by name: building it would fail or take for ever."""
    for name, value in arguments.items():
        values = list(value) if isinstance(value, list | tuple) else [value]
        if name in AT_LEAST_ONE and any(isinstance(one, int | float) and one <= 0 for one in values):
            raise DiffuscopeError(
                f"The network in the model card cannot be built: network.{name} is {quoted(value)}, not above 0."
            )
        most = 256 if "blocks" in name else MOST_PIXELS
        for number in values:
            wrong = isinstance(number, int | float) and not 0 <= number <= most
            if len(values) > 64 or wrong or not isinstance(number, int | float | str | None):
                raise DiffuscopeError(
                    f"The network in the model card cannot be built: network.{name} is {quoted(value)}."
                )
