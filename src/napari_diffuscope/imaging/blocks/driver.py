"""The sink of a file, by the ending of its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS
from napari_diffuscope.imaging.blocks.reordered import ReorderedSink
from napari_diffuscope.imaging.blocks.sink import BlockSink
from napari_diffuscope.imaging.blocks.spec import SHARD_BYTES, VolumeSpec
from napari_diffuscope.imaging.blocks.tiff_sink import TiffBlockSink
from napari_diffuscope.imaging.blocks.zarr_sink import OmeZarrSink

_SINKS = {".zarr": OmeZarrSink, ".tif": TiffBlockSink, ".tiff": TiffBlockSink}


def open_sink(
    path: str | Path,
    spec: VolumeSpec,
    identity: Mapping[str, Any],
    *,
    block: Sequence[int] | None = None,
    most_bytes: int = SHARD_BYTES,
    planes: bool = False,
    overwrite: bool = False,
) -> BlockSink | ReorderedSink:
    """Begin or continue an output, of the kind that the ending of its name says.

    Parameters
    ----------
    path
        ``.zarr`` or ``.ome.zarr`` for OME-Zarr, ``.tif`` or ``.tiff`` for TIFF.
    spec, identity, block, most_bytes, planes, overwrite
        As for `BlockSink`.

    Raises
    ------
    DiffuscopeError
        As `BlockSink`; also for other endings.
    """
    kind: Any = _SINKS.get(Path(path).suffix.lower())
    if kind is None:
        raise DiffuscopeError(
            f"{str(path)!r} cannot be written: results are TIFF or OME-Zarr; end the name in .tif or .ome.zarr."
        )
    ordered = list(spec.axes) == sorted(spec.axes, key=("N" + LETTERS).index)
    if kind is OmeZarrSink and "N" not in spec.axes and not ordered:
        kind = ReorderedSink
    sink: BlockSink | ReorderedSink = kind(
        path, spec, identity, block=block, most_bytes=most_bytes, planes=planes, overwrite=overwrite
    )
    return sink
