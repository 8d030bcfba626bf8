"""OME-Zarr images written by blocks."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.axes import LETTERS
from napari_diffuscope.imaging.blocks.journal import sync_file, sync_folder
from napari_diffuscope.imaging.blocks.ngff import Level, halved, ome_attributes, omero_attributes, plan_levels
from napari_diffuscope.imaging.blocks.plan import Block, BlockPlan
from napari_diffuscope.imaging.blocks.sink import BlockSink, converted
from napari_diffuscope.imaging.blocks.spec import Channel, VolumeSpec
from napari_diffuscope.imaging.failures import writing
from napari_diffuscope.imaging.outputs import CREATOR, CREATOR_KEY
from napari_diffuscope.imaging.tiles import Box
from napari_diffuscope.jobs import Job, Update

RECORD_KEY = "napari-diffuscope"
"""Key of the record in the attributes of the image's group."""

# zarr writes a shard under such a name and renames it; one is left where it was killed in between.
_LEFTOVERS = "*.partial"


@dataclass
class ZarrShards:
    """Writes blocks into the full resolution of an unfinished image from another process; see `ShardWriter`.

    Blocks are whole shards, so that two processes never write one file.

    Parameters
    ----------
    folder
        Of the array.
    path
        Where the image will be, for messages.
    shard, dtype
        Lengths of a shard; pixel type.
    """

    folder: str
    path: str
    shard: tuple[int, ...]
    dtype: str

    def write(self, block: Block, values: np.ndarray) -> None:
        """Write the pixels of a block, which are on the disk when this returns.

        Raises
        ------
        DiffuscopeError
            If they cannot be written, or the image is not there: it lies on a disk that this machine does not share.
        """
        import zarr

        folder = Path(self.folder)
        with writing(Path(self.path)):
            if not (folder / "zarr.json").is_file():
                raise DiffuscopeError(
                    f"The unfinished {self.path!r} is not there; write to a disk that all workers share."
                )
            array = zarr.open_array(folder, mode="r+")
            write_shards(array, folder, self.shard, block.region, converted(values, np.dtype(self.dtype)))


def write_shards(array: Any, folder: Path, shard: tuple[int, ...], region: Box, values: np.ndarray) -> None:
    """Write a region of whole shards, one after the other, and wait until they are on the disk."""
    lengths = tuple(part.stop - part.start for part in region)
    for piece in BlockPlan(lengths, shard):
        place = tuple(
            slice(first.start + part.start, first.start + part.stop)
            for first, part in zip(region, piece.region, strict=True)
        )
        _put_shard(array, folder, shard, place, values[piece.region])


def _put_shard(array: Any, folder: Path, shard: tuple[int, ...], place: Box, values: np.ndarray) -> None:
    corner = tuple(part.start // edge for part, edge in zip(place, shard, strict=True))
    file = folder / array.metadata.encode_chunk_key(corner)
    # What an interrupted run left of it is worth nothing, and zarr would merge it with the new values.
    file.unlink(missing_ok=True)
    array[place] = values
    if file.exists():  # there is none for a shard of zeros
        sync_file(file)
        sync_folder(file.parent)


class OmeZarrSink(BlockSink):
    """An OME-Zarr 0.5 image (Zarr 3, sharded) that takes blocks and gets a pyramid at the end.

    Every shard is written whole, and counts once it is on the disk and the journal says so. The pyramid is made
    shard by shard and can be interrupted like the blocks. Memory is bounded by a few blocks, whatever the size of
    the image. Shards of zeros take no room.

    Parameters are those of `BlockSink`.
    """

    def _check(self, path: Path, spec: VolumeSpec) -> None:
        if "N" in spec.axes:
            raise DiffuscopeError(
                f"OME-Zarr has no axis that counts samples, so {path.name!r} cannot hold them; write a TIFF."
            )
        if list(spec.axes) != sorted(spec.axes, key=LETTERS.index):
            raise DiffuscopeError(f"The axes {spec.axes!r} are not in the order {LETTERS}; reorder them.")

    def _create(self) -> None:
        import zarr
        from zarr.codecs import BloscCodec

        attributes = {"ome": ome_attributes(self.spec, self.levels), CREATOR_KEY: dict(CREATOR)}
        group = zarr.create_group(self._partial.data, zarr_format=3, attributes=attributes)
        for number, level in enumerate(self.levels):
            group.create_array(
                str(number),
                shape=level.shape,
                dtype=self.spec.dtype,
                chunks=level.layout.chunk,
                shards=level.layout.shard,
                compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"),
                fill_value=0,
                dimension_names=list(self.spec.axes.lower()),
            )

    def _open(self) -> None:
        import zarr

        for left in self._partial.data.rglob(_LEFTOVERS):
            left.unlink()
        self._arrays: list[Any] = [
            zarr.open_array(self._partial.data / str(number), mode="r+") for number in range(len(self.levels))
        ]

    @property
    def levels(self) -> tuple[Level, ...]:
        """The resolutions that the image has when it is finished."""
        return plan_levels(self.spec, self.layout, most_bytes=self._most_bytes)

    @property
    def finishing_steps(self) -> int:
        """Number of updates that `finishing` gives: shards of the coarser levels."""
        return sum(len(_shards(level)) for level in self.levels[1:])

    def _write(self, region: Box, values: np.ndarray) -> None:
        write_shards(self._arrays[0], self._partial.data / "0", self.layout.shard, region, values)

    def shards(self) -> ZarrShards:
        """What other processes write blocks with."""
        return ZarrShards(str(self._partial.data / "0"), str(self.path), self.layout.shard, self.spec.dtype)

    def _read(self, region: Box) -> np.ndarray:
        return np.asarray(self._arrays[0][region])

    def _put(self, level: int, place: Box, values: np.ndarray) -> None:
        """Write one shard and wait until it is on the disk."""
        shard = self.levels[level].layout.shard
        _put_shard(self._arrays[level], self._partial.data / str(level), shard, place, values)

    def _levels(self) -> Job[None]:
        done, total = 0, self.finishing_steps
        for number in range(1, len(self.levels)):
            kind = f"level {number}"
            for shard in _shards(self.levels[number]):
                if not self._partial.journal.has(kind, shard.index):
                    with writing(self.path):
                        self._put(number, shard.region, self._reduced(number, shard))
                        self._partial.journal.add(kind, shard.index)
                done += 1
                yield Update(done, total, message="Making the coarser levels." if done == 1 else "")

    def _reduced(self, number: int, shard: Block) -> np.ndarray:
        """A shard of a coarser level, read chunk by chunk from the level before it."""
        level, finer = self.levels[number], self._arrays[number - 1]
        found = np.empty(shard.shape, self.spec.dtype)
        for piece in BlockPlan(shard.shape, level.layout.chunk):
            source = tuple(
                slice((first.start + part.start) * step, min((first.start + part.stop) * step, length))
                for first, part, step, length in zip(
                    shard.region, piece.region, level.steps, finer.shape, strict=True
                )
            )
            found[piece.region] = halved(finer[source], level.steps, self.spec.pyramid)
        return found

    def _complete(self) -> None:
        windows_missing = any(channel.window is None for channel in self.spec.channels)
        if self.record is None and not windows_missing:
            return
        file = self._partial.data / "zarr.json"
        group = json.loads(file.read_text(encoding="utf-8"))
        if self.record is not None:
            group["attributes"][RECORD_KEY] = dict(self.record)
        if windows_missing:
            group["attributes"]["ome"]["omero"] = omero_attributes(self._shown_channels())
        new = file.with_suffix(".partial")
        new.write_text(json.dumps(group, indent=2), encoding="utf-8")
        sync_file(new)
        os.replace(new, file)

    def _shown_channels(self) -> list[Channel]:
        """Channels with a window: from the least to the highest value of the coarsest level."""
        axis = self.spec.axes.index("C") if "C" in self.spec.axes else None
        values, channels = np.asarray(self._arrays[-1][...]), []
        for number, channel in enumerate(self.spec.channels):
            part = values if axis is None else values.take(number, axis)
            known = part[np.isfinite(part)]
            window = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
            channels.append(replace(channel, window=channel.window or window))
        return channels


def _shards(level: Level) -> BlockPlan:
    return BlockPlan(level.shape, level.layout.shard)


def read_zarr_record(path: str | Path) -> dict[str, Any] | None:
    """The record of how an OME-Zarr image was made, or ``None`` if it holds none.

    Raises
    ------
    DiffuscopeError
        If the folder is missing or no Zarr group.
    """
    import zarr

    from napari_diffuscope.imaging.failures import reading

    with reading(Path(path), "Zarr"):
        found = zarr.open_group(Path(path), mode="r").attrs.get(RECORD_KEY)
    return dict(found) if isinstance(found, dict) else None
