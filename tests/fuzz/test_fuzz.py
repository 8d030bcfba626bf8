"""Three hundred random calls, the same on every run. More, and others, with ``make fuzz``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.fuzz.calls import draw_call, make
from tests.fuzz.models import write_models

CALLS, TOGETHER = 300, 30

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals of the clock")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, ...]]]:
    threads = torch.get_num_threads()
    yield write_models(tmp_path_factory.mktemp("models"))
    torch.set_num_threads(threads)


@pytest.mark.parametrize("first", range(0, CALLS, TOGETHER))
def test_a_result_or_a_sentence(first: int, models: dict[str, tuple[Path, ...]], tmp_path: Path) -> None:
    """What a call that fails was given is in the message; ``python -m tests.fuzz --first N --calls 1`` repeats it."""
    found = []
    for number in range(first, first + TOGETHER):
        folder = tmp_path / "call"
        folder.mkdir()
        call = draw_call(number, 0, folder, models)
        found += [f"{fault}\n    {call}" for fault in make(call).faults]
        shutil.rmtree(folder)
    assert not found, "\n" + "\n".join(found)
