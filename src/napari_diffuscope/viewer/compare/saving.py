"""Files that the pages of the comparison write."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_diffuscope.atomic import replace_bytes
from napari_diffuscope.imaging.failures import writing


def ask_file(parent: QWidget, name: str, kind: str) -> Path | None:
    """Ask where a file goes; ``None`` where the user thought better of it. The dialog asks before it replaces one."""
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save", name, kind)
    if not chosen:
        return None
    path = Path(chosen)
    return path if path.suffix else path.with_suffix(Path(name).suffix)


def write_text(path: Path, text: str) -> None:
    """Write a file, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, all or nothing.

    Raises
    ------
    DiffuscopeError
        If it cannot be written.
    """
    with writing(path):
        replace_bytes(path, data)
