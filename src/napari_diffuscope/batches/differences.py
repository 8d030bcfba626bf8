"""What tells that a result that is there is not the one that was asked for. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from napari_diffuscope.batches.plan import Item
from napari_diffuscope.errors import DiffuscopeError, printable, shortened
from napari_diffuscope.imaging.formats import is_zarr
from napari_diffuscope.imaging.record_of_file import record_of_file
from napari_diffuscope.imaging.stamps import Stamp
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.records import made_with

REMEDY = "--overwrite (Make results again that are there) makes it again."


def differences(method: Method, item: Item, settings: Any) -> Iterator[str]:
    """Sentences on a result that is there: it has no record, or is of another image or other settings.

    Parameters
    ----------
    method, settings
        What was asked for.
    item
        The image, and where its result is.

    Raises
    ------
    DiffuscopeError
        If the file cannot be read.
    """
    record = None
    for path in _files_of(item.output):
        if (record := record_of_file(path)) is not None:
            break
    if record is None:
        yield "It carries no record, so that nobody knows how it was made."
        return
    if other := _other_image(record, item.source):
        yield f"It was made from another image, {shortened(other)}; {REMEDY}"
    elif not _made_alike(record, method, settings):
        yield f"It was made with other settings; {REMEDY}"
    elif _is_newer(item.source, item.output) or _is_other(record, item.source):
        yield f"The image was changed since; {REMEDY}"


def _files_of(output: Path) -> list[Path]:
    if output.is_dir() and not is_zarr(output):
        return sorted(output.glob("*.tif"))[:1]
    return [output]


def _other_image(record: Mapping[str, Any], source: Path) -> str:
    """The image of which a record says that the result was made from it, if it is surely another one."""
    described = record.get("input")
    named = described.get("source") if isinstance(described, Mapping) else None
    if not isinstance(named, str) or not named:
        return ""
    if Path(named).name != printable(source.name):
        return named
    with suppress(OSError):  # a folder that was moved since is no other image
        if Path(named).exists() and Path(named).resolve() != source.resolve():
            return named
    return ""


def _is_newer(source: Path, output: Path) -> bool:
    try:
        return source.is_file() and output.is_file() and source.stat().st_mtime > output.stat().st_mtime
    except OSError:
        return False


def _is_other(record: Mapping[str, Any], source: Path) -> bool:
    """Whether the file has another content than that of which a record tells; copies of it have the same."""
    described = record.get("input")
    told = described.get("file") if isinstance(described, Mapping) else None
    if not isinstance(told, Mapping):
        return False
    scene = str(described.get("scene", "")) if isinstance(described, Mapping) else ""
    now = Stamp.of(source, scene)
    return now is not None and any(now.to_dict()[name] != told.get(name) for name in ("bytes", "sample"))


def _made_alike(record: Mapping[str, Any], method: Method, settings: Any) -> bool:
    described = record.get("input")
    try:
        if isinstance(described, Mapping):
            lengths = dict(zip(described["axes"], described["shape"], strict=True))
            settings, _ = settings.fitting(lengths)
        return made_with(record, method.name, settings)
    except (LookupError, TypeError, ValueError):  # nothing that this program wrote
        return False
    except DiffuscopeError:  # settings of another version
        return False
