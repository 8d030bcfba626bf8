"""A model that is kept for the next run that asks for the same."""

from __future__ import annotations

import os
from typing import Any

from napari_diffuscope.weights.model import Model, load_model, model_place


class Shelf:
    """Loads models, and gives the last one again as long as its files have not changed."""

    def __init__(self) -> None:
        self._key: Any = None
        self._model: Model | None = None

    def load(self, name_or_path: str | os.PathLike[str], *, device: str = "cpu") -> Model:
        """A model, as :func:`~napari_diffuscope.weights.model.load_model`.

        Raises
        ------
        DiffuscopeError
            Likewise.
        """
        place = model_place(name_or_path)
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        key = (
            device,
            [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()],
        )
        if self._model is None or key != self._key:
            self._model = None  # its memory is free before the next one is loaded
            self._model, self._key = load_model(name_or_path, device=device), key
        return self._model
