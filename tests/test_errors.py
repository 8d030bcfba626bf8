"""What a sentence loses when it is too long."""

from __future__ import annotations

import pytest

from napari_diffuscope.errors import LONGEST_SENTENCE, DiffuscopeError


@pytest.mark.parametrize(
    "path",
    [
        "/home" + "/a-long-folder-name" * 9 + "/mine/model.json",
        r"C:\Users" + r"\folder-name" * 15 + r"\mine\model.json",
    ],
)
def test_deep_paths_give_way_to_what_is_wrong(path: str) -> None:
    wrong = "The network in the model card cannot be built: network has an unknown entry 'depth'; known are "
    said = str(DiffuscopeError(f"{path!r}: {wrong}" + ", ".join(f"entry_{n}" for n in range(9))))
    assert wrong in said
    assert "model.json" in said
    assert len(said) <= LONGEST_SENTENCE


def test_short_sentences_keep_their_paths() -> None:
    sentence = "There is no file /home/me/data/of/2026/november/image.tif; is it on another disk?"
    assert str(DiffuscopeError(sentence)) == sentence
