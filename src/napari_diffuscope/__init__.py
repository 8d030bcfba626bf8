"""Diffusion models for microscopy images: in napari, on the command line and from Python.

``restore``, ``superresolve``, ``predict_shapes``, ``generate``, ``run_batch``, ``compare`` and ``load_model`` are
loaded on first use: importing the package imports neither torch nor napari.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_diffuscope.batches.api import run_batch
    from napari_diffuscope.comparison.api import compare
    from napari_diffuscope.errors import DiffuscopeError
    from napari_diffuscope.imaging.image import Image
    from napari_diffuscope.methods.generate import GenerateSettings, generate
    from napari_diffuscope.methods.restore.method import restore
    from napari_diffuscope.methods.restore.settings import RestoreSettings
    from napari_diffuscope.methods.shape.method import predict_shapes
    from napari_diffuscope.methods.shape.settings import ShapeSettings
    from napari_diffuscope.methods.superres.method import superresolve
    from napari_diffuscope.methods.superres.settings import SuperresSettings
    from napari_diffuscope.weights.model import load_model

try:
    __version__ = version("napari-diffuscope")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

__all__ = [
    "DiffuscopeError",
    "GenerateSettings",
    "Image",
    "RestoreSettings",
    "ShapeSettings",
    "SuperresSettings",
    "__version__",
    "compare",
    "generate",
    "load_model",
    "predict_shapes",
    "restore",
    "run_batch",
    "superresolve",
]

_WHERE = {
    "DiffuscopeError": "errors",
    "GenerateSettings": "methods.generate",
    "Image": "imaging.image",
    "RestoreSettings": "methods.restore.settings",
    "ShapeSettings": "methods.shape.settings",
    "SuperresSettings": "methods.superres.settings",
    "compare": "comparison.api",
    "generate": "methods.generate",
    "load_model": "weights.model",
    "predict_shapes": "methods.shape.method",
    "restore": "methods.restore.method",
    "run_batch": "batches.api",
    "superresolve": "methods.superres.method",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
