"""One set of checks for all methods: a plain value, or one short sentence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.methods.declared import Settings, settings_of
from napari_diffuscope.methods.generate.pairs import PairSettings
from napari_diffuscope.methods.generate.settings import GenerateSettings
from napari_diffuscope.methods.restore.settings import RestoreSettings
from napari_diffuscope.methods.shape.settings import ShapeSettings
from napari_diffuscope.methods.superres.settings import SuperresSettings

KINDS = (RestoreSettings, SuperresSettings, ShapeSettings)
UNITS = {"px": "pixel", "µm": "µm", "nm": "nm", "×": "times"}
"""How a help says the unit that a form shows behind the number."""


@pytest.mark.parametrize("kind", [*KINDS, GenerateSettings, PairSettings])
def test_the_help_says_the_unit_which_a_command_does_not_show(kind: type[Settings]) -> None:
    assert [s.name for s in settings_of(kind) if s.unit and UNITS[s.unit] not in s.help] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 1.5},
        {"steps": 10**9},
        {"steps": 2**63},
        {"steps": True},
        {"samples": float("nan")},
        {"samples": 10**7},
        {"batch": -1},
        {"batch": 1.0},
        {"seed": 0.5},
        {"seed": "1"},
        {"mode": 3},
        {"mode": ["estimate"]},
        {"mode": "x" * 5000},
        {"device": None},
        {"model": b"\xff"},
        {"defects": "all"},
        {"steps": 10**5000},
    ],
    ids=lambda wrong: "-".join(wrong),
)
def test_wrong_values_are_one_short_sentence(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(DiffuscopeError) as error:
        kind(**wrong)
    assert len(str(error.value)) <= 300
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (RestoreSettings, {"tile": 1.0}),
        (RestoreSettings, {"tile": -5}),
        (RestoreSettings, {"rgb": "grey"}),
        (RestoreSettings, {"planes": "3"}),
        (RestoreSettings, {"planes": (1.5,)}),
        (RestoreSettings, {"crop": (0, 4)}),
        (RestoreSettings, {"crop": (0, 4.5, 0, 4)}),
        (RestoreSettings, {"strength": float("nan")}),
        (RestoreSettings, {"strength": "much"}),
        (SuperresSettings, {"zoom": float("nan")}),
        (SuperresSettings, {"z_step": 1e300}),
        (SuperresSettings, {"block": (1, 2)}),
        (SuperresSettings, {"block": 8}),
        (SuperresSettings, {"consensus": "yes"}),
        (ShapeSettings, {"plane": 1.0}),
        (ShapeSettings, {"pixel_size": 1e-200}),
        (ShapeSettings, {"largest": 1}),
    ],
)
def test_and_those_of_each_method(kind: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(DiffuscopeError):
        kind(**wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_numpy_are_plain_numbers(kind: Any) -> None:
    settings = kind(samples=np.int64(3), steps=np.uint8(4), seed=np.int32(5), batch=np.int16(6))
    assert settings == kind(samples=3, steps=4, seed=5, batch=6)
    assert kind.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_planes_may_be_one_number_an_array_or_a_range() -> None:
    assert RestoreSettings(planes=np.int64(3)).planes == (3,)
    assert RestoreSettings(planes=np.array([1, 2])).planes == (1, 2)
    assert RestoreSettings(planes=range(2)).planes == (0, 1)
