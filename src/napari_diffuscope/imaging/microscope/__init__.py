"""Files of microscopes (CZI, LIF, ND2, and what other readers of bioio open) as lazy images: the extra ``formats``."""

from napari_diffuscope.imaging.microscope.reading import lacks_reader, list_scenes, read_microscope

__all__ = ["lacks_reader", "list_scenes", "read_microscope"]
