"""TIFF files: read lazily with their pixel sizes, written plane by plane with theirs and the record."""

from napari_diffuscope.imaging.tiff.metadata import read_record
from napari_diffuscope.imaging.tiff.reading import list_series, read_image
from napari_diffuscope.imaging.tiff.sink import TiffSink, write_image

__all__ = ["TiffSink", "list_series", "read_image", "read_record", "write_image"]
