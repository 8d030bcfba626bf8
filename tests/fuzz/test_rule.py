"""The fuzz sees what it looks for: each kind of fault is committed here once on purpose."""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest

from napari_diffuscope import RestoreSettings, ShapeSettings, SuperresSettings
from tests.fuzz import rule
from tests.fuzz.calls import draw_call
from tests.fuzz.models import write_models
from tests.fuzz.rule import Watch, check_sentence, watched
from tests.fuzz.values import draw_settings


def warn(folder: Path) -> None:
    warnings.warn("mind", RuntimeWarning, stacklevel=1)


def log(folder: Path) -> None:
    logging.getLogger("tifffile").error("invalid tag")


def change(folder: Path) -> None:
    (folder / "mine.txt").write_text("other")


def remove(folder: Path) -> None:
    (folder / "mine.txt").unlink()


def leave(folder: Path) -> None:
    (folder / ".part").write_text("half")


@pytest.mark.parametrize(
    ("commit", "told"),
    [(warn, "warning"), (log, "log"), (change, "changed"), (remove, "removed"), (leave, "left behind")],
)
def test_what_is_seen(commit, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with watched(tmp_path) as watch:
        pass
    assert watch.faults == []
    with watched(tmp_path) as watch:
        commit(tmp_path)
    assert [fault.split(":")[0] for fault in watch.faults] == [told]


@pytest.mark.parametrize("limit", ["LONGEST_SECONDS", "LONGEST_WAIT"])
def test_what_takes_too_long_is_ended(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, limit, 1)
    started = time.monotonic()
    with watched(tmp_path) as watch:
        while time.monotonic() - started < 600:
            time.sleep(0.1) if limit == "LONGEST_WAIT" else np.ones(1000).sum()
    assert isinstance(watch.error, rule.TooSlow)


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 301, "\x00"])
def test_what_is_no_sentence(text: str) -> None:
    watch = Watch()
    check_sentence(text, watch)
    assert watch.faults
    check_sentence("The image has no pixels; choose another.", good := Watch())
    assert not good.faults


def test_a_call_follows_from_its_number(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    calls = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        call = draw_call(17, 0, tmp_path / name, models)
        calls.append(str(call).replace(str(tmp_path / name), ""))
    assert calls[0] == calls[1]


@pytest.mark.parametrize("settings", [RestoreSettings, SuperresSettings, ShapeSettings])
def test_every_setting_gets_values(settings: type) -> None:
    """A setting that is added later is drawn as well, by its annotation."""
    rng, drawn = Random(0), set()
    for _ in range(200):
        drawn |= draw_settings(settings, rng, wild=0.0).keys()
    assert drawn == {name for name in settings.__dataclass_fields__ if name != "model"}
