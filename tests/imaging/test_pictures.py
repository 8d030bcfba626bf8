"""PNG and JPEG."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.files import open_image


@pytest.mark.parametrize("content", [b"", b"GIF89a and more", b"<html>not found</html>"])
def test_a_picture_that_is_none_is_said_without_the_words_of_a_library(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "cells.png"
    path.write_bytes(content)
    with pytest.raises(DiffuscopeError, match="its first bytes are not those of one") as stopped:
        open_image(path)
    assert "cells.png' cannot be read as a PNG or JPEG file" in str(stopped.value)
    assert "uri" not in str(stopped.value)
