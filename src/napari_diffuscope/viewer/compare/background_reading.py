"""Sampling layers: at once where their pixels are in memory, else in the background."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from napari_diffuscope.viewer.background import Background

T = TypeVar("T")


def read(
    background: Background, values: Callable[[], T], then: Callable[[T], None], *, key: str, at_once: bool
) -> None:
    """Compute something and go on with it in the window.

    Parameters
    ----------
    values
        Computes; touches neither viewer nor layers where it is not to be done at once.
    key
        What still waits under the same key is dropped.
    """
    if at_once:
        then(values())
        return

    def work() -> Generator[Any, None, T]:
        yield
        return values()

    background.start(work, then, key=key)
