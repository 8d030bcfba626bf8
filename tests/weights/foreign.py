"""Objects of classes that cannot be imported when the file is read, as configurations in checkpoints are."""

from __future__ import annotations

import functools
import pathlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import numpy as np

MODULE = "vanished_configuration_library"


class DictConfig:
    """Like omegaconf's: state in a dictionary, set by ``__setstate__``."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.__dict__["_content"] = content

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("a foreign object was built")

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)


class AttributeDict(dict):
    """Like Lightning's: a dictionary of another class."""


class Mode(Enum):
    """An enumeration, which is pickled as a call."""

    MIN = "min"


@contextmanager
def importable() -> Iterator[None]:
    """Make the classes importable, for as long as they are pickled."""
    module = types.ModuleType(MODULE)
    kept = {}
    for kind in (DictConfig, AttributeDict, Mode):
        kept[kind] = kind.__module__
        kind.__module__ = MODULE
        setattr(module, kind.__name__, kind)
    sys.modules[MODULE] = module
    try:
        yield
    finally:
        del sys.modules[MODULE]
        for kind, name in kept.items():
            kind.__module__ = name


def around(state_dict: dict[str, Any]) -> dict[str, Any]:
    """A Lightning checkpoint with everything that such files have beside the weights."""
    some = next(iter(state_dict.values()))
    return {
        "epoch": 59,
        "global_step": 40680,
        "pytorch-lightning_version": "2.2.1",
        "state_dict": state_dict,
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 60}}}},
        "callbacks": {
            "ModelCheckpoint{'monitor': None}": {"best": np.float64(0.25), "mode": Mode.MIN},
            ("tuple", "key"): pathlib.PurePosixPath("models/last.ckpt"),
        },
        "optimizer_states": [{"state": {0: {"step": 3.0, "exp_avg": some}}, "param_groups": [{"lr": 1e-4}]}],
        "lr_schedulers": [{"lr_lambdas": [functools.partial(max, 1)], "last_epoch": 3}],
        "hparams_name": "kwargs",
        "hyper_parameters": AttributeDict(unet_config=DictConfig({"params": {"width": 64}}), seen={1, 2}),
    }
