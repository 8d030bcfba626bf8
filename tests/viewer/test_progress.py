"""Time left: nothing before anybody knows, then the pace so far."""

from __future__ import annotations

import pytest

from napari_diffuscope.progress import TimeLeft, in_words


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_left_follows_the_pace() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    assert left.estimate(0, 100) is None
    clock.now += 30  # loading weights does not count
    assert left.estimate(1, 100) is None
    clock.now += 0.5
    assert left.estimate(2, 100) is None  # too early to tell
    clock.now += 4.5
    assert left.estimate(11, 100) == pytest.approx(89 * 0.5)
    assert left.estimate(11, 200) == pytest.approx(189 * 0.5)  # smaller tiles, more work
    clock.now += 45
    assert left.estimate(100, 100) == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (12.3, "12 s"), (89, "89 s"), (200, "3 min"), (5000, "83 min"), (6000, "1 h 40 min")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
