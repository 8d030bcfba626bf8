"""Where predicted shapes go: a folder with a volume of every cell and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_diffuscope.errors import DiffuscopeError
from napari_diffuscope.imaging.image import Image
from napari_diffuscope.imaging.outputs import check_outputs, existing
from napari_diffuscope.imaging.unchanged import stamped
from napari_diffuscope.jobs import Job
from napari_diffuscope.methods.method import Method
from napari_diffuscope.methods.running import method_job
from napari_diffuscope.methods.shape.files import ShapeFolder
from napari_diffuscope.methods.shape.record import made_alike, unit_of
from napari_diffuscope.methods.shape.result import Shapes
from napari_diffuscope.methods.shape.source import labelled_plane
from napari_diffuscope.methods.storing import Destination, Stored


class ShapeDestination(Destination):
    """A folder; cells that were finished stay when a run is stopped."""

    is_folder = True
    shown, what = "OUT_FOLDER", "Folder for a volume of every cell and features.csv."

    def __init__(self, *what: Any, **how: Any) -> None:
        from napari_diffuscope.methods.shape.cells import cells_for

        super().__init__(*what, **how)
        self.stopped = f"stopped; shapes that were finished are in {self.output}."
        image, labels = self.inputs["image"], self.inputs["labels"]
        check_outputs([], existing(image.source, labels.source), folders=[self.output])
        self.given = labelled_plane(image, labels, self.settings)
        self.folder = ShapeFolder(
            self.output,
            unit=unit_of(self.given.pixel_size),
            probability=self.storing.probability,
            mesh=self.storing.mesh,
            overwrite=self.overwrite,
            resume=self.storing.resume,
        )
        cells = cells_for(self.given.labels, self.settings, only=self.storing.only)
        self.wanted = [cell.label for cell in cells]

    @classmethod
    def storing_of(cls, method: Method, record: Mapping[str, Any]) -> Any:
        """The cell of a volume alone."""
        assert method.storing is not None
        return method.storing(only=(int(record["cell"]["label"]),))  # type: ignore[call-arg]

    def check(self, read: Iterable[Path], others: Iterable[Path] = ()) -> None:
        """Refuse what would destroy something, before anything is computed."""
        read, others = list(read), list(others)
        check_outputs(others, read, folders=[self.output], overwrite=self.overwrite)
        self.folder.check_replaced(self.wanted, inputs=read, others=others)

    def job(self, **options: Any) -> Job[Stored]:
        """Predicts shapes into the folder.

        Raises
        ------
        DiffuscopeError
            As the job, and if no cell has a shape in the end.
        """
        only = self._left_to_do() if self.storing.resume else self.storing.only
        with self.folder:
            if only == ():
                self.folder.finish(None, {})
                return Stored({}, f"All shapes are in {self.output} already.")
            shapes = yield from self._predicted(only, options)
        whole = self.folder.whole(shapes.record)
        return Stored(whole, self._said(len(whole["cells"]), shapes))

    def options(self) -> dict[str, Any]:
        """The plane and its labels, opened once, and the chosen cells."""
        return {"given": self.given, "only": self.storing.only, "keep": False}

    def _predicted(self, only: tuple[int, ...] | None, options: Mapping[str, Any]) -> Job[Shapes]:
        options = {**options, **self.options(), "only": only, "on_cell": self.folder.add}
        job = method_job(self.method, self.inputs, self.settings, sinks={}, **options)
        shapes: Shapes | None = None
        try:
            shapes = (yield from job).value
        finally:
            self.folder.finish(shapes.record if shapes else None, shapes.refused if shapes else {})
        return shapes

    def _left_to_do(self) -> tuple[int, ...]:
        """Labels whose shapes are not in the folder yet.

        Raises
        ------
        DiffuscopeError
            If shapes in it were made otherwise.
        """
        from napari_diffuscope.weights.model import load_model

        sha256 = load_model(self.settings.model).sha256
        inputs = {"input": stamped(self.inputs["image"]), "labels": stamped(self.inputs["labels"])}

        def is_same(record: Mapping[str, Any]) -> bool:
            same = all(_is_of(record.get(key) or {}, image) for key, image in inputs.items())
            return same and made_alike(record, self.settings, sha256)

        done = self.folder.keep(self.wanted, is_same)
        return tuple(label for label in self.wanted if label not in done)

    def _said(self, count: int, shapes: Shapes) -> str:
        if not count:
            raise DiffuscopeError(
                f"No shape was predicted: all {len(shapes.refused)} cells were refused; "
                f"{self.output / 'features.csv'} says why."
            )
        earlier = f", {len(self.folder.kept)} of them earlier" if self.folder.kept else ""
        return f"Wrote {count} shape{'s' if count > 1 else ''} into {self.output}{earlier}"


def _is_of(described: Mapping[str, Any], image: Image) -> bool:
    """Whether a record tells of an image: of its name, and of its file as it is now."""
    told = described.get("file")
    now = None if image.stamp is None else image.stamp.to_dict()
    return described.get("name") == image.name and (told is None or now is None or told == now)
