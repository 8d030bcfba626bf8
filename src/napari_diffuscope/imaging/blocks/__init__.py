"""Images larger than memory: read, computed and written block by block, continued after any interruption."""

from napari_diffuscope.atomic import partial_path
from napari_diffuscope.imaging.blocks.driver import open_sink
from napari_diffuscope.imaging.blocks.partial import discard
from napari_diffuscope.imaging.blocks.plan import Block, BlockPlan
from napari_diffuscope.imaging.blocks.reading import (
    BlockReader,
    PlaneCache,
    PlaneReader,
    describe_input,
    in_standard_order,
    read_block,
)
from napari_diffuscope.imaging.blocks.reordered import ReorderedSink
from napari_diffuscope.imaging.blocks.sink import BlockSink
from napari_diffuscope.imaging.blocks.spec import Channel, VolumeSpec, choose_layout
from napari_diffuscope.imaging.blocks.tiff_sink import TiffBlockSink
from napari_diffuscope.imaging.blocks.zarr_sink import OmeZarrSink, read_zarr_record

__all__ = [
    "Block",
    "BlockPlan",
    "BlockReader",
    "BlockSink",
    "Channel",
    "OmeZarrSink",
    "PlaneCache",
    "PlaneReader",
    "ReorderedSink",
    "TiffBlockSink",
    "VolumeSpec",
    "choose_layout",
    "describe_input",
    "discard",
    "in_standard_order",
    "open_sink",
    "partial_path",
    "read_block",
    "read_zarr_record",
]
